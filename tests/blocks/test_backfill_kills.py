"""SIGKILL, SIGSTOP and a server that goes away at random moments, while clients insert, update and delete: every row
that was there at the start has exactly one more, whatever happened.
"""

import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from stationmaster.blocks import backfilling
from stationmaster.domain.backfills import Backfill
from tests import sample
from tests.backfills import COUNT, Shop, process
from tests.conftest import Postgres
from tests.stack import eventually
from tests.transaction_pooler import Pooler

pytestmark = pytest.mark.slow
ROWS, MARK = 20_000, 1_000_000
SPEC = (
    "backfills: [{name: count, table: orders, key: id, tenant: tenant_id, set: 'n = n + 1', "
    "batch: {target_ms: 5, least: 10, most: 100}}]"
)


class World:
    """Orders that clients work on while they are counted; who was there at the start is remembered beside them."""

    def __init__(self, postgres: Postgres, root: Path) -> None:
        self.shop = Shop(postgres).orders(ROWS, 20)
        self.shop.do("ALTER TABLE orders ADD note int", "CREATE TABLE before AS SELECT id FROM orders")
        self.spec = root / "backfills.yaml"
        self.spec.write_text(SPEC)
        self.failed: list[BaseException] = []

    @contextmanager
    def clients(self) -> Iterator[None]:
        over = threading.Event()
        threads = [threading.Thread(target=self._client, args=(number, over)) for number in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _client(self, number: int, over: threading.Event) -> None:
        dice = random.Random(f"{sample.SEED} {number}")  # noqa: S311 - a draw of rows
        while not over.is_set():
            with suppress(psycopg.OperationalError), self.shop.connect() as connection:
                while not over.is_set():
                    one = dice.randrange(1, ROWS)
                    connection.execute("UPDATE orders SET note = %s WHERE id = %s", (one, one))
                    connection.execute("INSERT INTO orders (tenant_id, n) VALUES (%s, %s)", (f"t{one % 25}", MARK))
                    if one % 5 == 0:
                        connection.execute("DELETE FROM orders WHERE id = %s", (one,))
                    time.sleep(0.002)
            time.sleep(0.05)

    def at_work(self) -> bool:
        with suppress(backfilling.BackfillStoppedError):
            return any(t.state == "running" for one in backfilling.status(self.shop.url) for t in one.tenants)
        return False

    def run(self) -> dict[str, object]:
        """To its end, in a process of its own."""
        with process(self.shop, self.spec) as running:
            out, err = running.communicate(timeout=120)
        assert running.returncode == 0, (out, err)
        return dict(json.loads(out))

    def must_be_exact(self) -> None:
        told = f"SEED={sample.SEED}"
        counted = self.shop.ask("SELECT n, count(*) FROM orders JOIN before USING (id) GROUP BY n")
        assert [n for n, _ in counted] == [1], (told, counted)
        later = (  # what came before it began was there at its start, and nothing else was
            "SELECT count(*) FROM orders o, stationmaster.backfill j "
            f"WHERE n NOT IN (0, 1) AND n <> CASE WHEN o.id <= j.bound::int8 THEN {MARK + 1} ELSE {MARK} END"
        )
        assert self.shop.ask(later) == [(0,)], told
        ((rows, walked),) = self.shop.ask(
            "SELECT sum(rows), count(*) FILTER (WHERE state <> 'verified') FROM stationmaster.backfill_tenant"
        )
        assert walked == 0
        assert rows > 0
        assert self.shop.is_whole()


@pytest.fixture
def world(postgres: Postgres, tmp_path: Path) -> World:
    return World(postgres, tmp_path)


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.full)])
def test_killed_at_random_moments(postgres: Postgres, tmp_path: Path, kills: int) -> None:
    dice = random.Random(sample.SEED)  # noqa: S311 - a draw of moments
    done = 0
    while done < kills:
        world = World(postgres, tmp_path)
        with world.clients():
            over = False
            while not over and done < kills:
                with process(world.shop, world.spec) as running:
                    eventually(lambda: world.at_work() or running.poll() is not None, within=180)  # noqa: B023
                    time.sleep(dice.uniform(0, 0.3))
                    over = running.poll() is not None
                    done += not over
            began = time.monotonic()
            world.run()
            assert time.monotonic() - began < 14  # a lease lasts 15 s: its end was not waited for
        world.must_be_exact()


def test_the_server_is_restarted_in_the_middle(world: World) -> None:
    with world.clients(), process(world.shop, world.spec) as running:
        for _ in range(2):
            eventually(lambda: world.at_work() or running.poll() is not None, within=180)
            world.shop.postgres.restart()
        out, err = running.communicate(timeout=120)
        assert running.returncode == 0, (out, err)
    assert b"tries again" in err
    world.must_be_exact()


def test_connections_are_cut_again_and_again(world: World) -> None:
    cut = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE 'stationmaster%'"
    )
    with world.clients(), process(world.shop, world.spec, "--workers", "2") as running:
        eventually(lambda: world.at_work() or running.poll() is not None, within=180)
        for _ in range(20):
            world.shop.ask(cut)
            time.sleep(0.05)
        out, err = running.communicate(timeout=120)
        assert running.returncode == 0, (out, err)
    world.must_be_exact()


def test_two_at_once_share_the_tenants(world: World) -> None:
    with world.clients(), process(world.shop, world.spec) as one, process(world.shop, world.spec) as other:
        outs = [running.communicate(timeout=120)[0] for running in (one, other)]
        assert [one.returncode, other.returncode] == [0, 0], outs
    world.must_be_exact()


def test_one_that_was_stopped_comes_back_and_finds_its_tenant_taken(world: World) -> None:
    world.spec.write_text(SPEC.replace("most: 100", "most: 20"))
    with world.clients(), process(world.shop, world.spec) as stopped:
        eventually(lambda: world.at_work() or stopped.poll() is not None, within=180)
        stopped.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        world.run()
        assert time.monotonic() - began > 5  # its lease is waited for: nobody can tell a sleeper from a worker
        stopped.send_signal(signal.SIGCONT)
        out, err = stopped.communicate(timeout=120)
        assert stopped.returncode == 0, (out, err)
    world.must_be_exact()


def test_behind_a_pooler_that_gives_each_transaction_another_session(world: World) -> None:
    database = world.shop.url.split("/")[3].partition("?")[0]
    with Pooler.before(str(world.shop.postgres.root), database) as pooler:
        url = f"postgresql+psycopg://app@127.0.0.1:{pooler.port}/{database}"
        spec = Backfill.model_validate({**COUNT, "batch": {"target_ms": 5, "least": 10, "most": 100}})
        with world.clients():
            assert backfilling.run(url, spec, backfilling.Options(workers=2)).verified
    world.must_be_exact()
