"""Rehearsals on a real PostgreSQL: up, down and up again, what is found, and what stays on the server: nothing."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import migration_rehearsal
from stationmaster.blocks.migration_rehearsal import NothingToRehearseError, RehearsalBusyError, rehearse
from stationmaster.blocks.migration_running import MigrationFailedError, MigrationTargetError
from stationmaster.blocks.migration_schema import content, schema
from stationmaster.blocks.postgres import Connection, connected
from stationmaster.domain.migration_rehearsal import Estimate, Trial
from tests.conftest import Postgres
from tests.rehearsals import AT, NAME, add, planned, with_total
from tests.revisions import Scripts
from tests.stack import eventually


def run(postgres: Postgres, scripts: Scripts, *before: str, target: str = "expand@head") -> Estimate:
    return rehearse(postgres.url("postgres"), NAME, planned(scripts, *before, target=target), AT)


def copies(postgres: Postgres) -> list[str]:
    with postgres.connect() as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'stm_rehearsal%'").fetchall()
    return [row[0] for row in rows]


def rules(found: Estimate) -> list[str]:
    return [one.rule for one in found.findings]


@pytest.mark.usefixtures("quick_guests")
def test_a_change_is_timed_up_down_and_up_again_and_nothing_stays(postgres: Postgres, tmp_path: Path) -> None:
    told: list[str] = []
    found = rehearse(postgres.url("postgres"), NAME, planned(with_total(tmp_path)), AT, told.append)
    assert (found.before, found.after, found.rows, found.findings) == (("e1",), ("e2",), {"orders": 500}, ())
    assert [one.sql for one in found.statements] == [
        "ALTER TABLE orders ADD total int",
        "CREATE INDEX ON orders (total)",
    ]
    assert found.up_ms == pytest.approx(sum(one.ms for one in found.statements), abs=0.2)
    assert found.longest is not None
    assert found.longest.lock == "ACCESS EXCLUSIVE"
    assert found.longest.held_ms > found.statements[1].ms, "the lock is held while the index is built"
    assert found.undone == ("e2",)
    assert found.down_ms is not None
    assert found.again_ms is not None
    assert "down over e2" in told
    assert copies(postgres) == []


def test_versions_are_tried_on_the_new_schema_with_its_rows(postgres: Postgres, tmp_path: Path) -> None:
    def tried(url: str) -> list[Trial]:
        with connected(url, "the copy") as connection:
            assert connection.execute("SELECT count(total), count(*) FROM orders").fetchone() == (0, 500)
        names = {"1": True, "0": False}
        return [Trial(digest=f"sha256:{64 * name}", version=name, needed=needed, failed=("order, answered 500",))
                for name, needed in names.items()]  # fmt: skip

    found = rehearse(postgres.url("postgres"), NAME, planned(with_total(tmp_path)), AT, versions=tried)
    assert [(one.version, one.passed) for one in found.versions] == [("1", False), ("0", False)]
    assert rules(found) == ["journey_failed"], "what one could only go back to is no finding"
    assert "1 (sha256:111111111111…) fails: order, answered 500" in found.findings[0].message
    assert found.pairs == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("down", "rule", "says"),
    [
        ("SELECT 1", ["downgrade_leaves", "again_failed"], "leaves column public.orders.total integer"),
        (
            "ALTER TABLE orders DROP total, DROP id",
            ["downgrade_loses", "again_differs"],
            "column public.orders.id integer",
        ),
        ("SELECT 1/0", ["downgrade_failed"], "division by zero"),
        (
            "ALTER TABLE orders DROP total; DELETE FROM orders WHERE id > 3",
            ["downgrade_changes_rows"],
            "3 rows instead",
        ),
        ("ALTER TABLE orders DROP total; UPDATE orders SET id = id + 1000", ["downgrade_changes_rows"], "orders.id"),
    ],
)
def test_a_downgrade_that_does_not_bring_back_is_a_finding(
    postgres: Postgres, tmp_path: Path, down: str, rule: list[str], says: str
) -> None:
    scripts = Scripts.begin(tmp_path)
    add(scripts, "e2", "e1", "ALTER TABLE orders ADD total int", down=down)
    found = run(postgres, scripts)
    assert rules(found)[: len(rule)] == rule or set(rule) <= set(rules(found))
    assert says in "\n".join(one.message for one in found.findings)
    assert copies(postgres) == []


@pytest.mark.slow
def test_data_that_an_upgrade_overwrites_and_a_downgrade_forgets_is_found(postgres: Postgres, tmp_path: Path) -> None:
    scripts = with_total(tmp_path)
    add(
        scripts,
        "e3",
        "e2",
        "UPDATE orders SET id = -id",
        "ALTER TABLE orders ADD x int",
        down="ALTER TABLE orders DROP x",
    )
    found = run(postgres, scripts)
    assert rules(found) == ["downgrade_changes_rows"]
    assert "orders.id" in found.findings[0].message


@pytest.mark.slow
def test_a_decision_against_a_way_back_is_recorded_and_what_comes_after_is_tried(
    postgres: Postgres, tmp_path: Path
) -> None:
    scripts = with_total(tmp_path)
    add(scripts, "e3", "e2", "ALTER TABLE orders DROP total", more="no_down = 'total is archived'")
    add(scripts, "e4", "e3", "ALTER TABLE orders ADD y int", down="ALTER TABLE orders DROP y")
    found = run(postgres, scripts)
    assert [(one.revision, one.reason) for one in found.no_down] == [("e3", "total is archived")]
    assert (found.undone, found.findings) == (("e4",), ())
    assert [one.revision for one in found.statements] == ["e2", "e2", "e3", "e4"]


@pytest.mark.slow
def test_neither_a_downgrade_nor_a_decision_is_a_finding(postgres: Postgres, tmp_path: Path) -> None:
    scripts = Scripts.begin(tmp_path)
    add(scripts, "e2", "e1", "ALTER TABLE orders ADD total int")
    found = run(postgres, scripts)
    assert (rules(found), found.undone, found.down_ms) == (["no_way_back"], (), None)
    assert "e2.py" in found.findings[0].message


@pytest.mark.slow
@pytest.mark.parametrize("before", [("e1",), ("c0", "e1")])
def test_the_way_back_is_found_across_branches(postgres: Postgres, tmp_path: Path, before: tuple[str, ...]) -> None:
    """From e1 the other branch begins too, since e2 depends on it; from both it was there before."""
    scripts = Scripts.begin(tmp_path)
    add(scripts, "c1", "c0", "CREATE TABLE extra ()", down="DROP TABLE extra")
    add(scripts, "e2", "e1", "ALTER TABLE orders ADD total int", down="ALTER TABLE orders DROP total", depends="c1")
    c0 = tmp_path / "export" / "migrations" / "versions" / "contract" / "c0.py"
    c0.write_text(f"{c0.read_text()}\ndef downgrade(): pass\n")
    found = run(postgres, scripts, *before)
    assert found.before == before
    assert rules(found) == []
    assert found.down_ms is not None


@pytest.mark.slow
def test_a_smoke_test_that_fails_on_the_new_schema_is_a_finding(postgres: Postgres, tmp_path: Path) -> None:
    scripts = with_total(tmp_path)
    probe = (
        "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'].replace('+psycopg', '')).execute('SELECT {}')"
    )
    smoke = tuple((sys.executable, "-c", probe.format(f"{column} FROM orders")) for column in ("total", "gone"))
    found = rehearse(postgres.url("postgres"), NAME, replace(planned(scripts), smoke=smoke), AT)
    assert rules(found) == ["smoke_failed"]
    assert len(found.smoke) == 1
    assert 'column "gone" does not exist' in found.findings[0].message


@pytest.mark.slow
def test_a_revision_that_raises_on_the_copy_fails_and_leaves_nothing(postgres: Postgres, tmp_path: Path) -> None:
    scripts = Scripts.begin(tmp_path)
    add(scripts, "e2", "e1", "ALTER TABLE orders ADD CHECK (id < 400)", down="SELECT 1")
    with pytest.raises(MigrationFailedError, match="is violated by some row"):
        run(postgres, scripts)
    assert copies(postgres) == []


@pytest.mark.slow
def test_without_a_start_it_is_one_revision_before_the_target(postgres: Postgres, tmp_path: Path) -> None:
    scripts = with_total(tmp_path)
    found = rehearse(postgres.url("postgres"), NAME, replace(planned(scripts), before=None, target=""), AT)
    assert (found.before, found.after) == (("e1",), ("e2",))


@pytest.mark.slow
def test_nothing_to_rehearse_and_no_such_target_are_told(postgres: Postgres, tmp_path: Path) -> None:
    scripts = with_total(tmp_path)
    with pytest.raises(NothingToRehearseError, match="e2 is at e2 already"):
        run(postgres, scripts, "e2", target="e2")
    with pytest.raises(MigrationTargetError, match="e9"):
        run(postgres, scripts, target="e9")
    assert copies(postgres) == []


def test_two_rehearsals_of_one_change_do_not_share_a_copy(postgres: Postgres, tmp_path: Path) -> None:
    with postgres.connect() as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (NAME,))
        with pytest.raises(RehearsalBusyError, match="another rehearsal works on the database stm_rehearsal_test"):
            run(postgres, with_total(tmp_path))


@pytest.mark.slow
def test_the_estimate_fits_what_a_second_database_takes() -> None:
    figures = migration_rehearsal.main(rows=100_000)
    assert 1 / 4 < figures["second_copy_vs_estimate"] < 4, figures
    assert figures["findings"] == 0


# What is killed

KILLED = """
import sys
from pathlib import Path
from stationmaster.blocks.migration_rehearsal import rehearse
from tests.rehearsals import AT, NAME, planned
from tests.revisions import Scripts
rehearse(sys.argv[1], NAME, planned(Scripts(Path(sys.argv[2])), rows=20_000), AT, lambda line: print(line, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["bringing", "making rows", "up to", "down over", "up again"])
def test_a_killed_rehearsal_is_replaced_by_the_next_which_leaves_nothing(
    postgres: Postgres, tmp_path: Path, when: str
) -> None:
    scripts = with_total(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, postgres.url("postgres"), str(tmp_path)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())}, start_new_session=True,
    )  # fmt: skip
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(when):
            break
    time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert copies(postgres) == [NAME]
    eventually(lambda: _at_work(postgres) == 0)
    assert rules(run(postgres, scripts)) == []
    assert copies(postgres) == []


def _at_work(postgres: Postgres) -> int:
    with postgres.connect() as connection:
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted").fetchone()
    return int(row[0]) if row else 0


# What is compared

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad');
CREATE TABLE t (id int PRIMARY KEY, a text DEFAULT 'x', m mood, n int CHECK (n > 0));
CREATE INDEX t_a ON t (a);
CREATE VIEW v AS SELECT id FROM t;
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE SEQUENCE s;
"""


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE t ADD b int", "ALTER TABLE t DROP a", "ALTER TABLE t ALTER a TYPE varchar(9)",
        "ALTER TABLE t ALTER a SET DEFAULT 'y'", "ALTER TABLE t ALTER a SET NOT NULL", "DROP INDEX t_a",
        "CREATE INDEX ON t (n)", "ALTER TABLE t ADD UNIQUE (a)", "ALTER TABLE t DROP CONSTRAINT t_n_check",
        "ALTER TABLE t ADD CHECK (id > 0) NOT VALID", "ALTER TYPE mood ADD VALUE 'glad'", "DROP VIEW v",
        "CREATE OR REPLACE VIEW v AS SELECT id + 0 AS id FROM t", "CREATE TABLE u ()", "CREATE SCHEMA other",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'", "ALTER SEQUENCE s INCREMENT 2",
        "COMMENT ON TABLE t IS 'x'", "COMMENT ON COLUMN t.a IS 'x'", "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON t USING (true)", "CREATE EXTENSION citext", "CREATE DOMAIN d AS int",
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING", "GRANT SELECT ON t TO pg_monitor",
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY", "ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES t",
        "ALTER TABLE t RENAME COLUMN a TO b", "CREATE MATERIALIZED VIEW w AS SELECT 1", "ALTER TABLE t SET UNLOGGED",
    ],
)  # fmt: skip
def test_every_change_of_a_schema_changes_its_lines(postgres: Postgres, shop: str, change: str) -> None:
    with connected(shop, "t") as connection, connection.transaction(force_rollback=True):
        before = _lines(connection)
        connection.execute(change.encode())
        assert _lines(connection) != before


@pytest.fixture(scope="module")
def shop(postgres: Postgres) -> str:
    url = postgres.create()
    with connected(url, "t") as connection:
        connection.execute(SCHEMA.encode())
    return url


def _lines(connection: Connection) -> frozenset[str]:
    """Within the transaction of the test, whose isolation is what it is."""
    from stationmaster.blocks import migration_schema  # noqa: PLC0415 - its private text

    connection.execute("SET LOCAL search_path = ''")
    rows = connection.execute(migration_schema._LINES.encode()).fetchall()
    connection.execute("SET LOCAL search_path = public")
    return frozenset(str(row[0]) for row in rows)


def test_the_order_of_columns_and_what_alembic_records_are_no_difference(postgres: Postgres) -> None:
    found = []
    for texts in (("a int", "b int"), ("b int", "a int")):
        with connected(postgres.create(), "t") as connection:
            connection.execute(f"CREATE TABLE t ({', '.join(texts)}); CREATE TABLE alembic_version ()".encode())
            connection.execute("INSERT INTO t (a) VALUES (1)")
            found.append(schema(connection))
            assert content(connection)["t"][0] == 1
    assert found[0] == found[1]
    assert not any("alembic" in line for line in found[0])
