"""What rendered SQL needs that cannot be made online: every way to lock others out, and what revisions say."""

import pytest

from stationmaster.domain.migration_need import ModeNotDeclaredError, Need, need_of
from stationmaster.domain.modes import ModeUnknownError, heading
from stationmaster.domain.product import Modes

BOTH = Modes(read_only="router", maintenance="router")
ONLINE = """\
BEGIN;
-- Running upgrade e1 -> e2
ALTER TABLE orders ADD COLUMN note text;
UPDATE alembic_version SET version_num='e2' WHERE alembic_version.version_num = 'e1';
COMMIT;
CREATE INDEX CONCURRENTLY i ON orders (note);
BEGIN;
INSERT INTO alembic_version (version_num) VALUES ('c0') RETURNING alembic_version.version_num;
DELETE FROM alembic_version WHERE alembic_version.version_num = 'c0';
-- é: a comment that says ALTER TABLE orders ALTER COLUMN id TYPE text
CREATE TABLE lines (id int);
ALTER TABLE lines ALTER COLUMN id TYPE text;
COMMIT;
"""
LONG = "-- Running upgrade e2 -> e3\n-- é\nALTER TABLE orders ALTER COLUMN quantity TYPE bigint;\n"


def test_what_is_short_online_or_new_needs_nothing() -> None:
    assert need_of(ONLINE) is None
    assert need_of("") is None


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE orders ALTER COLUMN quantity TYPE bigint",
        "UPDATE orders SET total = 0",
        "UPDATE alembic_versions SET a = 1",
        "DO $$ BEGIN PERFORM 1; END $$",
        "CREATE INDEX i ON orders (note)",
        "VACUUM FULL orders",
    ],
)
def test_what_others_wait_for_needs_their_windows_whatever_anybody_says(sql: str) -> None:
    assert need_of(f"{ONLINE}{sql};") == Need(None, 1, ("e2",))


def test_revisions_are_named_each_once() -> None:
    found = need_of(f"{ONLINE}{LONG}ALTER TABLE orders ALTER COLUMN size TYPE bigint;")
    assert found == Need(None, 2, ("e3",))
    assert found.why == "2 statements of e3 may lock others out for long"


def test_what_a_revision_says_counts_though_it_is_short_and_the_stricter_wins() -> None:
    sql = f"{heading('read_only', 'e2')}\n{ONLINE}"
    assert need_of(sql) == Need("read_only", 0, ("e2",))
    assert need_of(f"{sql}{heading('maintenance', 'e3')}\n{LONG}") == Need("maintenance", 1, ("e2", "e3"))


def test_a_mode_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(ModeUnknownError, match="e2 needs 'readonly'") as unknown:
        heading("readonly", "e2")
    assert unknown.value.hint == "did you mean 'read_only'?"
    with pytest.raises(ModeUnknownError):
        heading(("read_only",), "e2")
    with pytest.raises(ModeUnknownError):
        need_of("-- needs nothing: revision e2\n")


def test_the_mildest_mode_that_is_declared_is_taken_where_none_is_said() -> None:
    long, said = Need(None, 1, ("e2",)), Need("maintenance", 0, ("e2",))
    assert [long.mode(BOTH), long.mode(Modes(maintenance="router")), long.mode(Modes())] == [
        "read_only", "maintenance", None,
    ]  # fmt: skip
    assert said.mode(BOTH) == "maintenance"


def test_a_mode_that_is_not_declared_is_refused_with_what_is() -> None:
    with pytest.raises(ModeNotDeclaredError, match=r"e2 needs maintenance.*: it declares read_only") as refused:
        Need("maintenance", 0, ("e2",)).mode(Modes(read_only="router"))
    assert refused.value.hint == "declare service.modes.maintenance in stationmaster.yaml, or change it online"
    with pytest.raises(ModeNotDeclaredError, match="it declares none"):
        Need("read_only", 3, ("e2",)).mode(Modes())
