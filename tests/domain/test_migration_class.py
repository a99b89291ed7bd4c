"""How a statement may run, by what it says; and that PostgreSQL takes the locks that it is said to take."""

import postgast
import psycopg
import pytest

from stationmaster.domain.migration_class import Classed, Index, Kind, classed, digest_of, told
from stationmaster.domain.migration_rule import Scope
from stationmaster.domain.migration_taken import MODES, conflicting, strongest, taken_by
from tests.conftest import Postgres

SHORT = (
    ("ALTER TABLE orders ADD COLUMN city text", "ACCESS EXCLUSIVE"),
    ("ALTER TABLE orders ADD COLUMN n int NOT NULL DEFAULT 0", "ACCESS EXCLUSIVE"),
    ("ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0) NOT VALID", "ACCESS EXCLUSIVE"),
    ("ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers NOT VALID", "SHARE ROW EXCLUSIVE"),
    ("ALTER TABLE orders DROP COLUMN note", "ACCESS EXCLUSIVE"),
    ("ALTER TABLE orders ALTER note SET DEFAULT 'x'", "ACCESS EXCLUSIVE"),
    ("ALTER TABLE orders ALTER note SET STATISTICS 7", "SHARE UPDATE EXCLUSIVE"),
    ("ALTER TABLE orders RENAME note TO remark", "ACCESS EXCLUSIVE"),
    ("ALTER TABLE orders DISABLE TRIGGER USER", "SHARE ROW EXCLUSIVE"),
    ("CREATE TRIGGER t BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touched()", "SHARE ROW EXCLUSIVE"),
    ("CREATE TABLE lines (id int, orders bigint REFERENCES orders)", "SHARE ROW EXCLUSIVE"),
    ("COMMENT ON COLUMN orders.note IS 'x'", "SHARE UPDATE EXCLUSIVE"),
    ("DROP TABLE orders", "ACCESS EXCLUSIVE"),
    ("CREATE OR REPLACE VIEW seen AS SELECT 1 AS id", "ACCESS EXCLUSIVE"),
    ("CREATE POLICY p ON orders USING (true)", "ACCESS EXCLUSIVE"),
)
LONG = (
    ("CREATE INDEX by_note ON orders (note)", "SHARE"),
    ("ALTER TABLE orders ALTER customer TYPE int", "ACCESS EXCLUSIVE"),
    ("ALTER TABLE orders ALTER note SET NOT NULL", "ACCESS EXCLUSIVE"),
    ("ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0)", "ACCESS EXCLUSIVE"),
    ("ALTER TABLE orders ADD UNIQUE (note)", "ACCESS EXCLUSIVE"),
    ("ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers", "SHARE ROW EXCLUSIVE"),
    ("UPDATE orders SET note = 'x'", "ROW EXCLUSIVE"),
    ("DELETE FROM orders", "ROW EXCLUSIVE"),
    ("INSERT INTO orders (id) SELECT 1", "ROW EXCLUSIVE"),
    ("REINDEX TABLE orders", "SHARE"),
    ("WITH gone AS (DELETE FROM orders RETURNING id) SELECT id FROM gone", "ROW EXCLUSIVE"),
    ("WITH new AS (INSERT INTO orders (id) VALUES (7) RETURNING id) SELECT id FROM new", "ROW EXCLUSIVE"),
    ("WITH done AS (UPDATE orders SET note = 'x' RETURNING id) SELECT count(*) FROM done", "ROW EXCLUSIVE"),
    ("WITH gone AS (DELETE FROM orders RETURNING id) INSERT INTO customers SELECT id FROM gone", "ROW EXCLUSIVE"),
    ("EXPLAIN ANALYZE UPDATE orders SET note = 'x'", "ROW EXCLUSIVE"),
    ("EXPLAIN (VERBOSE, ANALYZE true) DELETE FROM orders", "ROW EXCLUSIVE"),
)
ALONE: tuple[tuple[str, str | None, Kind], ...] = (
    ("CREATE INDEX CONCURRENTLY i ON orders (id)", "CREATE INDEX CONCURRENTLY", "watched"),
    ("DROP INDEX CONCURRENTLY i", "DROP INDEX CONCURRENTLY", "watched"),
    ("REINDEX INDEX CONCURRENTLY i", "REINDEX CONCURRENTLY", "watched"),
    ("VACUUM orders", "VACUUM", "watched"),
    ("VACUUM FULL orders", "VACUUM", "long"),
    ("ALTER TABLE events DETACH PARTITION e1 CONCURRENTLY", "DETACH PARTITION CONCURRENTLY", "watched"),
    ("ALTER TABLE orders VALIDATE CONSTRAINT c", None, "watched"),
    ("ALTER TABLE orders VALIDATE CONSTRAINT c, ADD COLUMN x int", None, "short"),
)
SCHEMA = """
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text);
CREATE VIEW seen AS SELECT 1 AS id;
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""
LOCKS = """
SELECT l.mode FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.relation >= 16384 AND coalesce(c.relkind, 'r') IN ('r', 'v') AND l.relation <= %s
"""


def of(sql: str) -> Classed:
    return classed(sql, Scope(transaction=True))


@pytest.mark.parametrize(("sql", "lock"), SHORT)
def test_a_change_of_metadata_is_short(sql: str, lock: str) -> None:
    assert (of(sql).kind, of(sql).lock, of(sql).alone) == ("short", lock, None)


@pytest.mark.parametrize(("sql", "lock"), LONG)
def test_what_reads_or_writes_all_rows_is_long_and_limited(sql: str, lock: str) -> None:
    assert (of(sql).kind, of(sql).lock) == ("long", lock)
    assert of(sql).limit_ms(None) == 5_000
    assert of(sql).limit_ms(10_000) == 30_000
    assert of(sql).limit_ms(10) == 5_000


@pytest.mark.parametrize(("sql", "alone", "kind"), ALONE)
def test_what_nobody_waits_for_may_last(sql: str, alone: str | None, kind: Kind) -> None:
    assert (of(sql).alone, of(sql).kind) == (alone, kind)
    assert (of(sql).limit_ms(None) == 0) is (kind == "watched")


def test_every_lock_is_the_one_that_postgresql_takes(postgres: Postgres) -> None:
    url = postgres.create().replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        (last,) = connection.execute("SELECT max(oid)::bigint FROM pg_class").fetchone() or (0,)
        for sql, _ in (*SHORT, *LONG):
            with connection.transaction(force_rollback=True):
                connection.execute(sql.encode())
                modes = [row[0] for row in connection.execute(LOCKS, (last,)).fetchall()]
            taken = {"".join(w.capitalize() for w in mode.split()) + "Lock": mode for mode in MODES}
            assert max((taken[mode] for mode in modes), key=MODES.index) == of(sql).lock, sql


@pytest.mark.parametrize("mode", MODES)
def test_conflicts_are_those_of_postgresql(mode: str, postgres: Postgres) -> None:
    url = postgres.create().replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as one, psycopg.connect(url, autocommit=True) as other:
        one.execute("CREATE TABLE t ()")
        one.execute("BEGIN")
        one.execute(f"LOCK TABLE t IN {mode} MODE".encode())
        stopped = []
        for wanted in MODES:
            with other.transaction(force_rollback=True):
                try:
                    other.execute(f"LOCK TABLE t IN {wanted} MODE NOWAIT".encode())
                except psycopg.errors.LockNotAvailable:
                    stopped.append(wanted)
    assert tuple(stopped) == tuple(sorted(conflicting(mode), key=MODES.index))


def test_what_a_revision_made_itself_is_nobodys_to_wait_for() -> None:
    scope = Scope(transaction=True)
    made = [classed(sql, scope) for sql in (
        "CREATE TABLE lines (id int)", "CREATE INDEX by_id ON lines (id)", "INSERT INTO lines SELECT 1",
        "UPDATE lines SET id = 2",
    )]  # fmt: skip
    assert [(one.kind, one.lock, one.limit_ms(None)) for one in made] == [("short", None, 0)] * 4
    assert classed("UPDATE orders SET id = 1", scope).limit_ms(None) == 5_000


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * INTO copy FROM orders",
        "CREATE TABLE copy AS SELECT * FROM orders",
        "INSERT INTO new SELECT 1 FROM orders",
    ],
)
def test_a_copy_of_rows_into_what_is_new_is_long_and_nobody_waits_for_it(sql: str) -> None:
    scope = Scope(transaction=True)
    classed("CREATE TABLE new (id int)", scope)
    found = classed(sql, scope)
    assert (found.kind, found.taken, found.limit_ms(None)) == ("long", (('"orders"', "ACCESS SHARE"),), 0)


def test_what_a_query_reads_and_what_it_changes_is_told_apart() -> None:
    sql = (
        "WITH o AS (SELECT * FROM a.orders FOR UPDATE OF b) UPDATE lines SET x = 1 FROM o, customers c WHERE c.id = o.n"
    )
    assert taken_by(of_node(sql)) == (
        ('"lines"', "ROW EXCLUSIVE"), ('"customers"', "ROW SHARE"), ('"a"."orders"', "ROW SHARE"),
    )  # fmt: skip


def of_node(sql: str) -> object:
    return postgast.unwrap_node(postgast.parse(sql).stmts[0].stmt)


def test_several_statements_in_one_text_run_as_the_slowest() -> None:
    both = of("ALTER TABLE orders ADD x int; CREATE INDEX i ON customers (id)")
    assert (both.kind, both.lock) == ("long", "ACCESS EXCLUSIVE")
    assert both.taken == (('"orders"', "ACCESS EXCLUSIVE"), ('"customers"', "SHARE"))
    assert of("ALTER TABLE a VALIDATE CONSTRAINT x; ALTER TABLE b VALIDATE CONSTRAINT y").kind == "watched"


@pytest.mark.parametrize("sql", ["DO $$BEGIN END$$", "CALL tidy_up()", "ALTER TABEL orders"])
def test_what_nobody_can_see_into_is_limited(sql: str) -> None:
    assert (of(sql).kind, of(sql).lock, of(sql).limit_ms(None)) == ("long", None, 5_000)


@pytest.mark.parametrize(
    "sql", ["SELECT 1", "SHOW lock_timeout", "SET search_path = x", "SAVEPOINT s", "ROLLBACK TO s"]
)
def test_what_changes_nothing_is_read(sql: str) -> None:
    assert (of(sql).kind, of(sql).ends) == ("read", None)


@pytest.mark.parametrize(("sql", "ends"), [("COMMIT", "COMMIT"), ("BEGIN", "BEGIN"), ("rollback", "ROLLBACK")])
def test_what_ends_the_transaction_says_so(sql: str, ends: str) -> None:
    assert of(sql).ends == ends


def test_a_drivers_placeholders_are_no_sql() -> None:
    found = of("UPDATE orders SET note = %(note)s || '100%%' WHERE id = %(id)s")
    assert found.taken == (('"orders"', "ROW EXCLUSIVE"),)
    assert found.sql == "UPDATE orders SET note = %(note)s || '100%' WHERE id = %(id)s"


@pytest.mark.parametrize(
    "sql",
    ["CREATE ROLE a PASSWORD 'it''s'", "alter role a with encrypted password E'x'", "ALTER ROLE a PASSWORD $x$a'b$x$"],
)
def test_a_password_is_not_told(sql: str) -> None:
    assert told(sql).endswith("'***'")


def test_which_index_is_built_or_dropped_is_known() -> None:
    assert of('CREATE INDEX CONCURRENTLY "By Id" ON app.orders (id)').index == Index("By Id", '"app"."orders"', "app")
    assert of("DROP INDEX CONCURRENTLY app.i").index == Index("i", schema="app", act="drop")
    assert of("REINDEX TABLE CONCURRENTLY orders").index == Index("", '"orders"', act="rebuild")
    assert of("CREATE INDEX i ON orders (id)").index is None


def test_a_statement_is_told_again_whatever_its_spaces() -> None:
    assert digest_of("SELECT  1\n") == digest_of("SELECT 1") != digest_of("SELECT 2")
    assert strongest(()) is None
    assert taken_by(object()) == ()
