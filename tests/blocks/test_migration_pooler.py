"""Behind a pooler that gives each transaction another session: what fits into one runs, the rest is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blocks.test_migration_runner import AUTOCOMMIT, World
from tests.conftest import Postgres
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


def test_two_runners_behind_a_pooler_are_one_at_a_time(world: World, pooled: str) -> None:
    world.scripts.add("e2", "e1", "ALTER TABLE orders ADD note text")
    with world.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", (0x57_41_54_4E,))
        ran = world.run("--patience", "1", url=pooled)
    assert ran.failure is not None
    assert "another runner migrates this database" in ran.failure[1]
