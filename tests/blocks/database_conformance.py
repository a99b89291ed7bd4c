"""What every product database must do, the real one and the fake alike. A test class inherits and gives `world`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.database import DatabaseRestartedError, Migrated, Revisions
from stationmaster.blocks.migration_running import MigrationFailedError
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.migration_rehearsal import Trial
from tests.rehearsals import AT


@dataclass(frozen=True)
class World:
    """Empty databases `cloud` and `stage`; revisions whose expand leads to `e1`, and the same with one more that
    raises, or that adds a column and is rehearsed on ten orders.
    """

    database: Any
    good: Revisions
    raising: Revisions
    rehearsed: Revisions
    restart: Callable[[], object]  # the server


class DatabaseConformance:
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        raise NotImplementedError

    def test_an_expanded_database_is_at_its_head_and_the_others_are_not(self, world: World) -> None:
        assert world.database.revision("cloud") == ()
        assert world.database.expand("cloud", world.good) == Migrated((), ("e1",))
        assert world.database.revision("cloud") == ("e1",)
        assert world.database.revision("stage") == ()

    def test_what_the_revisions_printed_lies_in_a_log(self, world: World) -> None:
        assert b"running revision e1" in Path(world.database.expand("cloud", world.good).log).read_bytes()

    def test_expanding_again_changes_nothing(self, world: World) -> None:
        world.database.expand("cloud", world.good)
        assert world.database.expand("cloud", world.good) == Migrated(("e1",), ("e1",))

    def test_what_would_run_is_rendered_and_nothing_when_all_ran(self, world: World) -> None:
        assert "CREATE TABLE orders" in world.database.render((), world.good)
        assert world.database.revision("cloud") == ()
        assert world.database.render(("e1",), world.good).strip() == ""

    def test_a_revision_that_raises_leaves_the_database_where_it_was(self, world: World) -> None:
        world.database.expand("cloud", world.good)
        with pytest.raises(MigrationFailedError, match="'cloud'"):
            world.database.expand("cloud", world.raising)
        assert world.database.revision("cloud") == ("e1",)

    def test_what_expand_would_run_is_rehearsed_on_a_copy_and_no_database_is_touched(self, world: World) -> None:
        found = world.database.rehearse(world.rehearsed, ("e1",), "stm_rehearsal_shop", AT)
        assert (found.before, found.after, found.findings) == (("e1",), ("e2",), ())
        assert found.rows == {"orders": 10}
        assert [one.sql for one in found.statements] == ["ALTER TABLE orders ADD total int"]
        assert found.undone == ("e2",)
        assert world.database.revision("cloud") == ()

    @pytest.mark.parametrize("needed", [True, False])
    def test_what_fails_on_the_copy_while_the_server_restarts_says_nothing(self, world: World, *, needed: bool) -> None:
        def failing(_url: str) -> list[Trial]:
            world.restart()
            return [Trial(digest=f"sha256:{64 * '1'}", version="1", needed=needed, failed=("order, no answer",))]

        with pytest.raises(DatabaseRestartedError, match=r"in the middle: .*order, no answer"):
            world.database.rehearse(world.rehearsed, ("e1",), "stm_rehearsal_shop", AT, versions=failing)

    def test_a_scratch_database_has_an_address_with_its_name(self, world: World) -> None:
        with world.database.scratch_database("scratch_r1_unit") as address:
            assert "/scratch_r1_unit" in address

    def test_what_is_refused_while_the_server_stands_is_refused(self, world: World) -> None:
        with pytest.raises(RefusedError, match="no"), world.database.steady("cloud"):
            raise RefusedError("no")

    @pytest.mark.parametrize("instance", ["cloud", None])
    def test_what_is_refused_while_the_server_restarts_says_nothing(self, world: World, instance: str | None) -> None:
        def refused_in_the_middle() -> None:
            with world.database.steady(instance):
                world.restart()
                raise RefusedError("no")

        with pytest.raises(DatabaseRestartedError, match="in the middle: no"):
            refused_in_the_middle()
