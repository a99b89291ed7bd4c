"""What the rules claim of locks, rewrites and scans is what PostgreSQL does: each bad example runs in a transaction
that is rolled back, and the server is asked. What cannot run in one is asked for the lock that it waits for.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import postgast
import psycopg
import pytest
from psycopg import sql as quoted

from stationmaster.domain.migration_columns import STEADY, VOLATILE
from stationmaster.domain.migration_rule import Rule
from stationmaster.domain.migration_rules import RULES
from stationmaster.domain.migration_taken import bare, taken_by
from stationmaster.domain.migration_transactions import exclusive_on
from stationmaster.domain.migrations import lint
from tests.conftest import Postgres

SCHEMA = """
CREATE TABLE customers (id bigint PRIMARY KEY, name text);
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE season AS ENUM ('spring');
CREATE DOMAIN percentage AS int;
CREATE DOMAIN money_amount AS numeric;
CREATE TABLE orders (
    id bigint CONSTRAINT orders_pkey PRIMARY KEY, number int NOT NULL, customer bigint, note text, quantity int,
    state text DEFAULT 'open', amount money_amount, CONSTRAINT amount_positive CHECK (amount > 0)
);
CREATE INDEX orders_by_note ON orders (note);
CREATE UNIQUE INDEX orders_by_number ON orders (number);
CREATE TABLE computed (a int, doubled int GENERATED ALWAYS AS (a * 2) STORED);
CREATE TABLE emptied (id int);
CREATE TABLE invoices (id int GENERATED ALWAYS AS IDENTITY);
CREATE TABLE events (year int NOT NULL) PARTITION BY RANGE (year);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM (2024) TO (2025);
CREATE TABLE events_2025 (year int NOT NULL);
CREATE VIEW open_orders AS SELECT 1 AS id;
CREATE MATERIALIZED VIEW totals AS SELECT 1 AS id;
CREATE UNIQUE INDEX totals_by_id ON totals (id);
CREATE SEQUENCE numbers;
CREATE SCHEMA archive;
CREATE EXTENSION hstore;
CREATE FUNCTION total(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION low(mood) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE PROCEDURE tidy_up() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE product(int) (SFUNC = int4mul, STYPE = int);
CREATE TRIGGER touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touched();
CREATE POLICY own ON orders USING (true);
CREATE RULE guard AS ON DELETE TO customers DO INSTEAD NOTHING;
CREATE CAST (mood AS int) WITH FUNCTION low(mood);
CREATE COLLATION german (provider = libc, locale = 'C');
INSERT INTO customers SELECT n, 'c' FROM generate_series(1, 300) n;
INSERT INTO orders SELECT n, n, n, 'n', n, 'open', n FROM generate_series(1, 300) n;
INSERT INTO events VALUES (2024);
INSERT INTO events_2025 VALUES (2025);
"""
MODES = (
    "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)  # fmt: skip
# Nobody can see what it locks, or it locks what the statement it is about does.
UNSEEN = {"unrenderable", "exception_unused", "exception_without_reason"}
# Beside it the lock that stops it at the one it is said to take, and at none before.
ALONE = {"vacuum_full": "ACCESS SHARE", "concurrent_if_not_exists": "SHARE UPDATE EXCLUSIVE"}
REFUSED = {"concurrent_in_transaction": psycopg.errors.ActiveSqlTransaction}
ELSEWHERE = {"drop_database"}  # the database itself, which no other session may use: there is nobody to wait
TRACED = [rule for rule in RULES.values() if rule.id not in UNSEEN | ALONE.keys() | ELSEWHERE | REFUSED.keys()]

LOCKS = """
SELECT locks.mode FROM pg_locks locks LEFT JOIN pg_class class ON class.oid = locks.relation
WHERE locks.pid = %s AND locks.granted = %s
  AND (locks.locktype = 'object' AND locks.objid < %s
       OR locks.locktype = 'relation' AND locks.relation BETWEEN 16384 AND %s - 1 AND class.relkind NOT IN ('i', 'I')
       OR locks.locktype = 'relation' AND locks.relation BETWEEN 16384 AND %s - 1 AND class.oid IS NULL)
  AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
SHUT_BEFORE = "CREATE TEMP TABLE names ON COMMIT DROP AS SELECT oid, relkind, oid::regclass::text AS name FROM pg_class"
SHUT = """
SELECT names.name FROM pg_locks locks JOIN names ON names.oid = locks.relation
WHERE locks.pid = %s AND locks.mode = 'AccessExclusiveLock' AND locks.relation BETWEEN 16384 AND %s - 1
  AND names.relkind IN ('r', 'p', 'm', 'v')
"""
HELD = "SELECT names.name, locks.mode FROM pg_locks locks JOIN names ON names.oid = locks.relation WHERE locks.pid = %s"
# What the server says when it reads a table for a constraint; of a domain it says nothing.
READ = ("verifying table", "validating foreign key constraint")
FILES = (
    "SELECT oid, pg_relation_filenode(oid) FROM pg_class WHERE relkind IN ('r', 'm') AND oid BETWEEN 16384 AND %s - 1"
)


@dataclass(frozen=True)
class Traced:
    """The strongest lock on what was there, whether one of those files is another, and whether a table was read."""

    lock: str | None
    rewrites: bool
    scans: bool


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    name = postgres.create().partition("@/")[2].partition("?")[0]
    with postgres.connect(name) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'somebody'").fetchone():
            connection.execute("CREATE ROLE somebody")
        connection.execute(SCHEMA)
    return name


@pytest.fixture
def copy(postgres: Postgres, database: str) -> Iterator[str]:
    """A database like it that one test may change."""
    name = f"{database}_copy"
    with postgres.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {database}".encode())
        yield name
        connection.execute(f"DROP DATABASE {name}".encode())


def statements(sql: str) -> list[str]:
    return [one for one in postgast.split(sql) if one.strip().rstrip(";").upper() not in {"BEGIN", "COMMIT"}]


def stays(sql: str) -> bool:
    """Whether it leaves something behind, because it commits or cannot run in a transaction."""
    return any(word in sql for word in ("COMMIT", "CONCURRENTLY", "VACUUM"))


def trace(connection: "psycopg.Connection[Any]", sql: str) -> Traced:
    """What the statements do in one transaction, which is rolled back."""
    said: list[str] = []
    connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    with connection.transaction(force_rollback=True):
        mark = newest(connection)
        before = dict(connection.execute(FILES, (mark,)).fetchall())
        connection.execute("SET LOCAL client_min_messages = debug1")
        for statement in statements(sql):
            connection.execute(statement.encode())
        connection.execute("SET LOCAL client_min_messages = warning")
        lock = strongest(connection, connection.info.backend_pid, mark)
        after = dict(connection.execute(FILES, (mark,)).fetchall())
    rewrites = any(after.get(table, file) != file for table, file in before.items())
    assert not any("rewriting table" in one for one in said) or rewrites
    return Traced(lock, rewrites, any(word in one for one in said for word in READ))


def newest(connection: "psycopg.Connection[Any]") -> int:
    """An object id that is greater than that of everything that is there."""
    connection.execute("CREATE TEMP TABLE mark ()")
    (row,) = connection.execute("SELECT 'mark'::regclass::oid::int").fetchall()
    connection.execute("DROP TABLE mark")
    return int(row[0])


def strongest(connection: "psycopg.Connection[Any]", pid: int, mark: int, *, granted: bool = True) -> str | None:
    modes = [in_words(row[0]) for row in connection.execute(LOCKS, (pid, granted, mark, mark, mark)).fetchall()]
    return max(modes, key=MODES.index, default=None)


def in_words(mode: str) -> str:
    name = mode.removesuffix("Lock")
    return "".join(f" {letter}" if letter.isupper() else letter for letter in name).strip().upper()


@pytest.mark.parametrize("rule", TRACED, ids=lambda rule: rule.id)
def test_lock_rewrite_and_scan_are_what_the_server_does(postgres: Postgres, database: str, rule: Rule) -> None:
    with postgres.connect(database) as connection:
        traced = trace(connection, rule.bad)
    assert_lock(traced, rule.lock)
    assert traced.rewrites == rule.rewrites
    assert traced.scans == rule.scans or "DOMAIN" in rule.bad


def assert_lock(traced: Traced, said: str | None) -> None:
    if said is None:  # nobody waits who only reads or writes
        assert MODES.index(traced.lock or MODES[0]) <= MODES.index("ROW EXCLUSIVE")
    else:
        assert traced.lock == said


OTHERS = (
    "ALTER TABLE orders ADD COLUMN x bigint DEFAULT 1 REFERENCES customers (id)",
    "ALTER TABLE orders ADD COLUMN x int CHECK (x > 0)",
    "ALTER TABLE orders ADD COLUMN x int UNIQUE",
    "ALTER TABLE orders ADD COLUMN x bigint GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE orders ADD COLUMN x float DEFAULT random() * 2",
    "ALTER TABLE orders ADD CONSTRAINT n NOT NULL quantity",
    "ALTER TABLE computed ALTER COLUMN doubled SET EXPRESSION AS (a * 3)",
    "ALTER TABLE invoices ADD PRIMARY KEY (id)",
    f"BEGIN; {RULES['foreign_key_validates'].good}; ALTER TABLE orders VALIDATE CONSTRAINT orders_customer; COMMIT",
    "LOCK TABLE orders IN SHARE MODE",
    "LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE",
    "LOCK TABLE orders IN EXCLUSIVE MODE",
    "REINDEX INDEX orders_by_note",
    "ALTER TABLE orders SET SCHEMA archive",
    "ALTER VIEW open_orders SET SCHEMA archive",
    "ALTER DOMAIN money_amount SET NOT NULL",
    "DROP MATERIALIZED VIEW totals",
    "CREATE RULE g AS ON INSERT TO orders DO INSTEAD NOTHING",
    "ALTER TABLE orders FORCE ROW LEVEL SECURITY",
    "REVOKE SELECT ON orders FROM somebody",
    "ALTER TABLE orders DISABLE TRIGGER ALL",
    "INSERT INTO orders (id, number) SELECT id + 1000, id + 1000 FROM customers",
    "WITH gone AS (DELETE FROM orders RETURNING id) SELECT 1",
    "DELETE FROM orders WHERE id > 7",
)


@pytest.mark.parametrize("sql", OTHERS)
def test_other_shapes_of_the_hazards_take_the_lock_that_their_finding_says(
    postgres: Postgres, database: str, sql: str
) -> None:
    findings = lint(sql, "a.sql")
    said = max((one.lock for one in findings if one.lock), key=MODES.index, default=None)
    with postgres.connect(database) as connection:
        traced = trace(connection, sql)
    assert_lock(traced, said)
    assert traced.rewrites == any(RULES[one.rule].rewrites for one in findings)
    assert traced.scans == any(RULES[one.rule].scans for one in findings) or "DOMAIN" in sql


LIGHT = (
    "ALTER TABLE orders SET (fillfactor = 90), ALTER note SET STATISTICS 5, ALTER note SET (n_distinct = 5)",
    "ALTER TABLE orders CLUSTER ON orders_by_number, SET WITHOUT CLUSTER",
    "ALTER TABLE orders ENABLE TRIGGER ALL, ENABLE ALWAYS TRIGGER touch, DISABLE TRIGGER USER",
    "ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers (id) NOT VALID",
    "ALTER TABLE orders VALIDATE CONSTRAINT amount_positive",
    "COMMENT ON TABLE orders IS 'x'",
    "ALTER INDEX orders_by_note RENAME TO by_note",
    "CREATE INDEX i ON orders (note)",
    "CREATE VIEW v AS SELECT * FROM orders",
    "CREATE TABLE notes (customer bigint REFERENCES customers (id))",
    "ALTER SEQUENCE numbers RENAME TO n",
    "CREATE POLICY p ON orders USING (true)",
    "CREATE OR REPLACE VIEW open_orders AS SELECT 2 AS id",
    "WITH gone AS (DELETE FROM orders RETURNING id) INSERT INTO emptied SELECT gone.id FROM gone, customers",
    "COPY orders TO '/dev/null'",
)
SINGLE = [one for one in (*(rule.bad for rule in TRACED), *OTHERS, *LIGHT) if len(statements(one)) == 1]


@pytest.mark.parametrize("sql", SINGLE)
def test_the_tables_that_nobody_may_read_are_those_the_server_locks(
    postgres: Postgres, database: str, sql: str
) -> None:
    node = postgast.unwrap_node(postgast.parse(statements(sql)[0]).stmts[0].stmt)
    said, taken = set(exclusive_on(node)), {(bare(name), mode) for name, mode in taken_by(node)}
    with postgres.connect(database) as connection, connection.transaction(force_rollback=True):
        mark = newest(connection)
        connection.execute(SHUT_BEFORE)
        for statement in statements(sql):
            connection.execute(statement.encode())
        pid = connection.info.backend_pid
        shut = {row[0] for row in connection.execute(SHUT, (pid, mark)).fetchall()}
        held = {(row[0], in_words(row[1])) for row in connection.execute(HELD, (pid,)).fetchall()}
    assert said <= shut
    assert taken <= held, "the runner looks for whoever holds what these wait for"
    # What hangs on it is not named in the text: partitions, the table of an index or of a type's column.
    assert bool(said) == bool(shut) or "INDEX" in sql or "DOMAIN" in sql


@pytest.mark.parametrize("rule", REFUSED)
def test_what_is_said_to_be_refused_is(postgres: Postgres, database: str, rule: str) -> None:
    with postgres.connect(database) as connection, pytest.raises(REFUSED[rule]):
        trace(connection, RULES[rule].bad)


@pytest.mark.parametrize("rule", ALONE)
def test_what_runs_alone_waits_for_the_lock_it_is_said_to_take(postgres: Postgres, copy: str, rule: str) -> None:
    with postgres.connect(copy) as blocker, postgres.connect(copy) as worker, postgres.connect(copy) as watcher:
        mark = newest(watcher)
        before = dict(watcher.execute(FILES, (mark,)).fetchall())
        with blocker.transaction():
            blocker.execute(f"LOCK TABLE orders IN {ALONE[rule]} MODE".encode())
            run = threading.Thread(target=worker.execute, args=(RULES[rule].bad.encode(),))
            run.start()
            assert awaited(watcher, worker.info.backend_pid, mark) == RULES[rule].lock
        run.join(20)
        after = dict(watcher.execute(FILES, (mark,)).fetchall())
    assert (after != before) == RULES[rule].rewrites


def awaited(watcher: "psycopg.Connection[Any]", pid: int, mark: int) -> str | None:
    """The lock that a session waits for."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if mode := strongest(watcher, pid, mark, granted=False):
            return mode
        time.sleep(0.02)
    return None


@pytest.mark.parametrize("sql", sorted({rule.good for rule in RULES.values() if not stays(rule.good)}))
def test_a_good_example_runs_and_writes_no_table_anew(postgres: Postgres, database: str, sql: str) -> None:
    with postgres.connect(database) as connection:
        assert not trace(connection, sql).rewrites


@pytest.mark.parametrize("sql", sorted({rule.good for rule in RULES.values() if stays(rule.good)}))
def test_a_good_example_that_ends_its_transaction_does_so_too(postgres: Postgres, copy: str, sql: str) -> None:
    with postgres.connect(copy) as connection:
        mark = newest(connection)
        before = dict(connection.execute(FILES, (mark,)).fetchall())
        for statement in postgast.split(sql):
            connection.execute(statement.encode())
        after = dict(connection.execute(FILES, (mark,)).fetchall())
    assert [table for table, file in after.items() if before.get(table, file) != file] == []


def test_the_functions_that_are_told_apart_are_what_the_server_says(postgres: Postgres, database: str) -> None:
    with postgres.connect(database) as connection:
        rows = connection.execute("SELECT proname, bool_or(provolatile = 'v') FROM pg_proc GROUP BY 1").fetchall()
    volatile = {name: bool(said) for name, said in rows}
    assert [name for name in VOLATILE if volatile.get(name) is False] == []
    assert [name for name in STEADY if volatile.get(name) is True] == []
    assert len([name for name in VOLATILE | STEADY if name in volatile]) > 40


@pytest.mark.parametrize(
    ("before", "after", "rewrites"),
    [
        ("varchar(5)", "varchar(9)", False), ("varchar(5)", "text", False), ("varchar(5)", "varchar", False),
        ("text", "varchar(9)", True), ("numeric(5, 2)", "numeric(9, 2)", False), ("numeric(5, 2)", "numeric", False),
        ("numeric(5, 2)", "numeric(9, 3)", True), ("varbit(5)", "varbit(9)", False), ("time(1)", "time(3)", False),
        ("timestamp(1)", "timestamp(3)", False), ("interval(1)", "interval(3)", False), ("cidr", "inet", False),
        ("timestamp", "timestamptz", False), ("int", "bigint", True), ("text", "jsonb", True), ("int", "text", True),
    ],
)  # fmt: skip
def test_the_list_of_safe_changes_of_type_is_the_servers(
    postgres: Postgres,
    database: str,
    before: str,
    after: str,
    rewrites: bool,  # noqa: FBT001
) -> None:
    using = quoted.SQL("ALTER TABLE typed ALTER v TYPE {0} USING v::{0}").format(quoted.SQL(after))
    with postgres.connect(database) as connection, connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL timezone = 'UTC'")
        connection.execute(f"CREATE TABLE typed (v {before})".encode())
        (old,) = connection.execute("SELECT pg_relation_filenode('typed')").fetchall()
        connection.execute(using)
        (new,) = connection.execute("SELECT pg_relation_filenode('typed')").fetchall()
    assert (old != new) == rewrites
