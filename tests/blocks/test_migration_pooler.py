"""Behind a pooler that gives each transaction another session: what fits into one runs, the rest is refused."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stationmaster.blocks.migration_running import Ran, migrate
from tests.blocks.test_migration_runner import AUTOCOMMIT, World
from tests.conftest import Postgres
from tests.stack import eventually
from tests.transaction_pooler import Pooler

pytestmark = pytest.mark.slow


@pytest.fixture
def world(postgres: Postgres, tmp_path: Path, quick_guests: None) -> World:
    return World(postgres, tmp_path).at_e1()


@pytest.fixture
def pooled(world: World) -> Iterator[str]:
    database = world.url.split("/")[3].partition("?")[0]
    with Pooler.before(str(world.postgres.root), database) as pooler:
        yield f"postgresql+psycopg://app@127.0.0.1:{pooler.port}/{database}"


def test_what_fits_into_a_transaction_runs_and_leaves_nothing_in_a_session(world: World, pooled: str) -> None:
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text")
    world.scripts.add("e3", "e2", "ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0) NOT VALID")
    world.scripts.add("e4", "e3", "ALTER TABLE orders VALIDATE CONSTRAINT c")
    assert world.run(url=pooled).after == ("e4",)
    advisory = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert world.ask(advisory) == [(0,)]
    ours = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'station%'"
    )
    assert world.ask(ours) == [(0,)]


def test_what_needs_a_session_of_its_own_is_refused_with_the_reason(world: World, pooled: str) -> None:
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text")
    world.scripts.add("e3", "e2", code=f"{AUTOCOMMIT}op.execute('CREATE INDEX CONCURRENTLY later ON orders (id)')")
    ran = world.run(url=pooled)
    assert ran.failure is not None
    assert ran.failure[0] == "pooled"
    assert "CREATE INDEX CONCURRENTLY needs a session of its own" in ran.failure[1]
    assert "a pooler in between that gives each transaction another session" in ran.failure[1]
    assert (ran.before, ran.after) == (("e1",), ("e2",))
    assert world.ask("SELECT to_regclass('later')") == [(None,)]
    assert world.run().after == ("e3",)


MEANWHILE = """
import pathlib, time
pathlib.Path(f'begun-{time.monotonic_ns()}').touch()
while not pathlib.Path('go').exists():
    time.sleep(0.01)
"""


def test_two_runners_behind_a_pooler_are_one_at_a_time(world: World, pooled: str) -> None:
    """Both by the pooler, which may give the second the very session in which the first has its lock."""
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text", code=MEANWHILE)
    place, done = world.guest().cwd, list[Ran]()
    one = threading.Thread(target=lambda: done.append(world.run(url=pooled)))
    one.start()
    try:
        eventually(lambda: any(place.glob("begun-*")), within=40)
        other = replace(world.guest("--patience", "1"), home=world.scripts.root / "other")
        refused = migrate(other, pooled)
    finally:
        (place / "go").touch()
        one.join(60)
    assert refused.failure is not None
    assert refused.failure[0] == "busy"
    assert "another runner migrates this database" in refused.failure[1]
    assert len(list(place.glob("begun-*"))) == 1
    assert (done[0].failure, done[0].after) == (None, ("e2",))
    again = world.run(url=pooled)
    assert (again.before, again.statements) == (("e2",), ())
