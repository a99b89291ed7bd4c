"""Many tenants: a schema or a database each. What fails stops its ring, and where each tenant is stays exact."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alembic.config import Config

from stationmaster.blocks import migration_fanout
from stationmaster.blocks.migration_sent import Options
from stationmaster.blocks.migration_session import Session
from stationmaster.blocks.migration_statements import Statements
from stationmaster.cli.main import run
from stationmaster.domain.migration_tenants import Job
from tests import sample
from tests.blocks.test_migration_runner import World
from tests.conftest import Postgres
from tests.stack import eventually

DIRECTORY = """
tenants:
  - {id: acme, name: Acme, ring: pilots}
  - {id: globex, name: Globex, ring: pilots}
  - {id: hooli, name: Hooli, ring: pilots}
  - {id: initech, name: Initech, ring: everybody}
"""
NAMES = ("acme", "globex", "hooli", "initech")


@pytest.fixture
def world(postgres: Postgres, tmp_path: Path, quick_guests: None) -> World:
    return World(postgres, tmp_path)


def fan_out(world: World, capsys: pytest.CaptureFixture[str], *more: str, code: int = 0) -> dict[str, Any]:
    os.environ["FAN_OUT"] = world.url
    try:
        ended = run(["migrations", "run", "--database", "env:FAN_OUT", "--path", str(world.guest().scripts), "--json",
                     "--tenancy", "schema", *more])  # fmt: skip
    finally:
        del os.environ["FAN_OUT"]
    assert ended == code
    return dict(json.loads(capsys.readouterr().out))


def states(answer: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return sorted((one["tenant"], one["state"], one["to"]) for one in answer["tenants"])


def test_what_fails_stops_its_ring_and_a_rerun_goes_on_with_those_left(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.do(*(f"CREATE SCHEMA t_{name}" for name in NAMES), "CREATE TABLE t_globex.orders ()")
    (tmp_path / "tenants.yaml").write_text(DIRECTORY)
    given = ("--tenants", str(tmp_path / "tenants.yaml"), "--schema", "t_{tenant}", "--parallel", "1")
    answer = fan_out(world, capsys, *given, code=1)
    assert states(answer) == [("acme", "done", "e1"), ("globex", "failed", "root"), ("hooli", "left", None),
                              ("initech", "left", None)]  # fmt: skip
    assert {key: answer[key] for key in ("done", "already", "failed", "left")} == {
        "done": 1, "already": 0, "failed": 1, "left": 2,
    }  # fmt: skip
    assert answer["message"].startswith("tenant globex failed, and 2 after it were not begun: mend")
    assert "DuplicateTable" in next(one["message"] for one in answer["tenants"] if one["tenant"] == "globex")
    world.do("DROP TABLE t_globex.orders")
    assert states(fan_out(world, capsys, *given)) == [
        ("acme", "already", "e1"), ("globex", "done", "e1"), ("hooli", "done", "e1"), ("initech", "done", "e1"),
    ]  # fmt: skip
    tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information)' ORDER BY 1, 2"
    assert world.ask(tables) == [(f"t_{name}", table) for name in NAMES for table in ("alembic_version", "orders")]


@pytest.mark.slow
def test_a_type_that_all_share_is_found_and_no_table_of_it_is_touched(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.do(
        "CREATE SCHEMA t_a",
        "CREATE SCHEMA shared",
        "CREATE DOMAIN shared.amount AS int",
        "CREATE TABLE public.orders (x int)",
    )
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD total amount")
    fan_out(world, capsys, "--schema", "t_*", "--with-schema", "shared")
    assert world.ask("SELECT table_schema FROM information_schema.columns WHERE column_name = 'total'") == [("t_a",)]


@pytest.mark.slow
def test_outside_of_transactions_a_tenant_has_its_schema_too(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the runner was killed there: what is noted is noted in the tenant's schema."""
    world.do("CREATE SCHEMA t_a", "CREATE SCHEMA t_b", "CREATE TABLE public.orders (id int)")
    world.do("INSERT INTO public.orders VALUES (1)")
    code = (
        "with op.get_context().autocommit_block():\n"
        "    assert op.get_bind().exec_driver_sql('SELECT count(*) FROM orders WHERE id = 1').scalar() == 0\n"
        "    op.execute('CREATE INDEX CONCURRENTLY later ON orders (id)')\n"
        "    op.execute('INSERT INTO orders SELECT 7')\n"
        "if op.get_bind().exec_driver_sql('SELECT current_schema()').scalar() == 't_b':\n"
        "    import pathlib, os, signal\n"
        "    if not pathlib.Path('reached').exists():\n"
        "        pathlib.Path('reached').touch()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)"
    )
    world.scripts.add("e2", "e1", code=code)
    monkeypatch.chdir(world.scripts.root)
    answer = fan_out(world, capsys, "--schema", "t_*", "--parallel", "1", code=1)
    assert states(answer) == [("t_a", "done", "e2"), ("t_b", "failed", "e1")]
    assert world.ask("SELECT schemaname FROM pg_tables WHERE tablename = 'stationmaster_migration'") == [("t_b",)]
    assert states(fan_out(world, capsys, "--schema", "t_*")) == [("t_a", "already", "e2"), ("t_b", "done", "e2")]
    tables = ("t_a.orders", "t_b.orders", "public.orders")
    assert [world.ask(f"TABLE {table}") for table in tables] == [[(7,)], [(7,)], [(1,)]]
    assert world.ask("SELECT count(*) FROM pg_tables WHERE tablename = 'stationmaster_migration'") == [(0,)]


@pytest.mark.slow
def test_a_schema_that_is_not_there_is_refused_before_anything_runs(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.do(*(f"CREATE SCHEMA t_{name}" for name in NAMES[:-1]))
    (tmp_path / "tenants.yaml").write_text(DIRECTORY)
    answer = fan_out(world, capsys, "--tenants", str(tmp_path / "tenants.yaml"), "--schema", "t_{tenant}", code=2)
    assert answer["error"]["code"] == "tenant_schemas"
    assert "there is no schema 't_initech' for tenant 'initech'" in answer["error"]["message"]
    assert world.ask("SELECT count(*) FROM pg_tables WHERE tablename = 'alembic_version'") == [(0,)]


@pytest.mark.slow
def test_each_tenant_may_have_a_database(
    world: World,
    postgres: Postgres,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark = world.url.split("/")[3].partition("?")[0]
    with postgres.connect() as connection:
        for name in NAMES[:-1]:
            connection.execute(f"CREATE DATABASE {mark}_{name}".encode())
    (tmp_path / "tenants.yaml").write_text(DIRECTORY)
    monkeypatch.setenv("EACH", postgres.url(mark + "_{tenant}"))
    given = ["--database", "env:EACH", "--path", str(world.guest().scripts), "--tenancy", "database", "--tenants",
             str(tmp_path / "tenants.yaml"), "--json"]  # fmt: skip
    assert run(["migrations", "run", *given]) == 1
    found = states(json.loads(capsys.readouterr().out))
    assert found == [
        ("acme", "done", "e1"),
        ("globex", "done", "e1"),
        ("hooli", "done", "e1"),
        ("initech", "failed", None),
    ]
    with postgres.connect() as connection:
        connection.execute(f"CREATE DATABASE {mark}_initech".encode())
    assert run(["migrations", "run", *given]) == 0
    assert [state for _, state, _ in states(json.loads(capsys.readouterr().out))] == ["already"] * 3 + ["done"]
    assert run(["migrations", "status", *given]) == 0
    assert [one["revision"] for one in json.loads(capsys.readouterr().out)["tenants"]] == ["e1"] * 4


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
def test_killed_at_any_moment_nothing_is_applied_twice(
    world: World, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    dice = random.Random(f"{sample.SEED} {number}")  # noqa: S311 - a draw of moments
    count = 30
    world.do(*(f"CREATE SCHEMA t_{n:02}" for n in range(count)))
    world.scripts.add("e2", "e1", "CREATE TABLE marks (revision text)", "INSERT INTO marks VALUES ('e2')")
    world.scripts.add("e3", "e2", "ALTER TABLE orders ADD note text", "INSERT INTO marks VALUES ('e3')")
    path = str(world.guest().scripts)
    command = [sys.executable, "-m", "stationmaster.cli.main", "migrations", "run", "--path", path,
               "--tenancy", "schema", "--schema", "t_*"]  # fmt: skip
    at_e3 = "SELECT count(*) FROM pg_tables WHERE tablename = 'marks'"
    for goal in sorted(dice.sample(range(1, count), 3)):
        with subprocess.Popen(command, env={**os.environ, "DATABASE_URL": world.url}) as process:
            eventually(lambda goal=goal: world.ask(at_e3)[0][0] >= goal or process.poll() is not None, within=60)  # type: ignore[misc]
            time.sleep(dice.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
    answer = fan_out(world, capsys, "--schema", "t_*")
    assert {state for _, state, _ in states(answer)} <= {"done", "already"}
    asked = "SELECT revision FROM t_{:02}.marks ORDER BY 1"
    marks = [world.ask(asked.format(n)) for n in range(count)]
    assert marks == [[("e2",), ("e3",)]] * count, f"SEED={sample.SEED}"


def test_a_tenant_whose_database_is_away_was_not_reached_and_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://app@127.0.0.1:1/shop_{tenant}"
    given = SimpleNamespace(env=False, patience=1, with_schema=[])
    monkeypatch.setattr(migration_fanout, "_WORLD", [SimpleNamespace(
        config=Config(), given=given, url=url, options=Options(), session=None, scripts=None,
        statements=Statements(Session(url), Options(), print), engine=None,
    )])  # fmt: skip
    line = migration_fanout._work(Job("acme", None))
    said = capsys.readouterr().out
    assert said.startswith("> acme: failed, not reached: ")
    assert "refused" in said
    assert (line["code"], line.get("to")) == ("unreachable", None)


@pytest.mark.parametrize(
    ("failed", "left", "said"),
    [
        (["acme"], 0, "tenant acme failed: mend what its message says, then start the same command again"),
        (["acme", "hooli"], 1, "tenants acme, hooli failed, and 1 after it was not begun: mend"),
    ],
)
def test_what_failed_is_named_with_what_to_do_next(failed: list[str], left: int, said: str) -> None:
    assert migration_fanout._stopped(failed, left).startswith(said)
