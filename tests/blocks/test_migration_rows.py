"""Rows that are made are rows that PostgreSQL takes: types, keys and checks that a product is likely to have."""

from collections.abc import Iterator
from typing import Any

import pytest

from stationmaster.blocks.migration_rows import Asked, RowsUnknownError, counts, fill
from stationmaster.blocks.migration_schema import content
from stationmaster.blocks.postgres import Connection, connected
from stationmaster.domain.migration_rows import RowsNotMadeError
from tests.conftest import Postgres

SHOP = """
CREATE TYPE mood AS ENUM ('sad', 'glad', 'it''s fine');
CREATE DOMAIN percentage AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE EXTENSION citext;
CREATE EXTENSION btree_gist;
CREATE TABLE tenants (
    id uuid PRIMARY KEY, slug varchar(12) NOT NULL UNIQUE, plan text NOT NULL CHECK (plan IN ('free', 'pro', 'it''s'))
);
CREATE TABLE customers (
    tenant_id uuid NOT NULL REFERENCES tenants, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email citext NOT NULL CHECK (email LIKE '%@%'), "Weird ""name" jsonb, UNIQUE (tenant_id, id)
);
CREATE UNIQUE INDEX ON customers (tenant_id, lower(email::text));
CREATE TABLE products (
    tenant_id uuid NOT NULL REFERENCES tenants, sku char(8) NOT NULL, price numeric(8, 2) NOT NULL CHECK (price > 0),
    PRIMARY KEY (tenant_id, sku)
);
CREATE TABLE orders (
    id bigserial PRIMARY KEY, tenant_id uuid NOT NULL, customer_id bigint NOT NULL, parent_id bigint REFERENCES orders,
    number int NOT NULL, state mood NOT NULL, pct percentage NOT NULL, created timestamptz NOT NULL,
    shipped timestamptz, total numeric(12, 2) NOT NULL, tags text[] NOT NULL,
    doubled numeric GENERATED ALWAYS AS (total * 2) STORED, span tstzrange NOT NULL, small smallint NOT NULL,
    address inet, body bytea, day date NOT NULL, ratio real, flag boolean NOT NULL,
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id), UNIQUE (tenant_id, number),
    CHECK (shipped IS NULL OR shipped > created), CHECK (small BETWEEN 3 AND 5), EXCLUDE USING gist (span WITH &&)
);
CREATE INDEX orders_by_customer ON orders (customer_id);
CREATE TABLE lines (
    order_id bigint NOT NULL REFERENCES orders, line smallint NOT NULL, tenant_id uuid NOT NULL, sku char(8) NOT NULL,
    PRIMARY KEY (order_id, line), FOREIGN KEY (tenant_id, sku) REFERENCES products
);
CREATE TABLE tagged (
    order_id bigint REFERENCES orders, tenant_id uuid, sku char(8), PRIMARY KEY (order_id, tenant_id, sku),
    FOREIGN KEY (tenant_id, sku) REFERENCES products
);
CREATE TABLE nothing ();
CREATE TABLE events (year int NOT NULL, note text) PARTITION BY RANGE (year);
CREATE TABLE events_all PARTITION OF events DEFAULT;
"""
ROWS = {"orders": 3000, "tenants": 20, "customers": 400, "products": 100, "lines": 9000, "tagged": 5000, "nothing": 3,
        "events": 10}  # fmt: skip


@pytest.fixture
def connection(postgres: Postgres) -> Iterator[Connection]:
    with connected(postgres.create(), "the copy") as connection:
        yield connection


def one(connection: Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_shop_is_filled_to_its_counts_and_every_constraint_holds(connection: Connection) -> None:
    connection.execute(SHOP.encode())
    told: list[tuple[str, int, int]] = []
    assert fill(connection, Asked(ROWS), lambda *step: told.append(step)) == dict(sorted(ROWS.items()))
    assert counts(connection) == dict(sorted(ROWS.items()))
    assert ("orders", 3000, 3000) in told
    assert one(connection, "SELECT count(DISTINCT customer_id) FROM orders") == 400
    assert one(connection, "SELECT count(DISTINCT plan) FROM tenants") == 3
    assert one(connection, "SELECT max(line) FROM lines") == 3
    _every_constraint_holds(connection)
    assert one(connection, "SELECT count(*) FROM pg_indexes WHERE indexname = 'orders_by_customer'") == 1
    assert one(connection, "SELECT reltuples::int FROM pg_class WHERE relname = 'orders'") == 3000


def _every_constraint_holds(connection: Connection) -> None:
    """Foreign keys were not looked up while the rows were made: they are now."""
    links = connection.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype IN ('f', 'c') AND conrelid <> 0 AND connamespace = 'public'::regnamespace"
    ).fetchall()
    assert len(links) >= 12
    for table, name, definition in links:
        connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'.encode())
        connection.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}'.encode())


def test_rows_that_are_there_count_and_their_numbers_are_not_made_twice(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE)")
    connection.execute("INSERT INTO t VALUES (7, 'seed'), (900, 'x')")
    assert fill(connection, Asked({"t": 1000})) == {"t": 1000}
    assert fill(connection, Asked({"t": 10})) == {"t": 1000}


def test_a_column_that_was_dropped_is_none(connection: Connection) -> None:
    """Its type is 0 then, as is the domain of a table's own check."""
    connection.execute("CREATE TABLE t (id serial, gone int, state text CHECK (state IN ('a', 'b')), n int)")
    connection.execute("ALTER TABLE t DROP gone")
    assert fill(connection, Asked({"t": 5})) == {"t": 5}
    assert content(connection)["t"][0] == 5
    assert set(content(connection)["t"][1]) == {"id", "state", "n"}


def test_an_expression_of_a_person_stands_before_all_else(connection: Connection) -> None:
    connection.execute("CREATE TABLE a (id int PRIMARY KEY)")
    connection.execute("CREATE TABLE t (id serial, a int REFERENCES a, state text)")
    columns = {"t.state": "(ARRAY['open','paid'])[1 + i % 2]", "t.a": "1"}
    fill(connection, Asked({"a": 5, "t": 10}, columns))
    assert connection.execute("SELECT DISTINCT a, state FROM t ORDER BY 2").fetchall() == [(1, "open"), (1, "paid")]


def test_an_expression_that_breaks_a_foreign_key_is_refused(connection: Connection) -> None:
    connection.execute("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE t (id serial, a int REFERENCES a)")
    with pytest.raises(RowsNotMadeError, match=r"for t: column a got a value that PostgreSQL refuses.*not present"):
        fill(connection, Asked({"a": 5, "t": 10}, {"t.a": "99"}))


@pytest.mark.parametrize(
    ("schema", "columns", "says"),
    [
        ("area polygon NOT NULL", {}, "column area of type polygon must have a value"),
        ("code text NOT NULL CHECK (code ~ '^[A-Z]{3}-[0-9]{4}$')", {}, r"code has to satisfy t_code_check: CHECK"),
        ("flag boolean NOT NULL UNIQUE", {}, "column flag got a value that PostgreSQL refuses: duplicate key"),
        ("code varchar(1) NOT NULL UNIQUE", {}, "column code got a value that PostgreSQL refuses: duplicate key"),
        ("n int", {"t.n": "1 / (i - 3)"}, "PostgreSQL refuses: division by zero"),
        ("n int", {"t.n": "no_such(i)"}, "PostgreSQL refuses: function no_such"),
    ],
)
def test_what_cannot_be_made_names_table_column_and_key(
    connection: Connection, schema: str, columns: dict[str, str], says: str
) -> None:
    connection.execute(f"CREATE TABLE t ({schema})".encode())
    with pytest.raises(RowsNotMadeError, match=f"^no rows can be made for t: .*{says}") as error:
        fill(connection, Asked({"t": 100}, columns))
    assert "database.rehearsal.columns: {t." in (error.value.hint or "")


def test_a_trigger_of_the_product_runs_and_is_told_when_it_refuses(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (id int)")
    connection.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''never on Mondays''; END'"
    )
    connection.execute("CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no()")
    with pytest.raises(RowsNotMadeError, match="never on Mondays"):
        fill(connection, Asked({"t": 1}))


def test_who_has_none_of_the_same_to_refer_to_is_named(connection: Connection) -> None:
    connection.execute(
        "CREATE TABLE tenants (id int PRIMARY KEY);"
        "CREATE TABLE products (tenant int, sku int, PRIMARY KEY (tenant, sku));"
        "CREATE TABLE t (tenant int NOT NULL REFERENCES tenants, sku int NOT NULL, other int NOT NULL, "
        "FOREIGN KEY (tenant, sku) REFERENCES products, FOREIGN KEY (tenant, other) REFERENCES products)"
    )
    fill(connection, Asked({"tenants": 3, "products": 9, "t": 20}, {"products.tenant": "1 + i % 3"}))
    assert one(connection, "SELECT count(*) FROM t") == 20
    with pytest.raises(RowsNotMadeError, match="finds no row of products with the same tenant"):
        fill(connection, Asked({"t": 40}, {"t.tenant": "7"}))


@pytest.mark.parametrize(
    ("asked", "says", "hint"),
    [
        (Asked({"order": 1}), "no table 'order'", "did you mean 'orders'?"),
        (Asked({"orders": 1}, {"orders.stat": "1"}), "no column of orders 'stat'", "did you mean 'state'?"),
        (Asked({"orders": 1}, {"orders.twice": "1"}), "orders.twice gets its value from the database", "take it out"),
    ],
)
def test_unknown_names_come_with_the_nearest(connection: Connection, asked: Asked, says: str, hint: str) -> None:
    connection.execute("CREATE TABLE orders (n int, state text, twice int GENERATED ALWAYS AS (n * 2) STORED)")
    with pytest.raises(RowsUnknownError, match=says) as error:
        fill(connection, asked)
    assert hint in (error.value.hint or "")


def test_a_table_of_another_schema_is_called_with_it(connection: Connection) -> None:
    connection.execute("CREATE SCHEMA billing; CREATE TABLE billing.invoices (id serial, note text)")
    assert fill(connection, Asked({"billing.invoices": 4}, {"billing.invoices.note": "'x'"})) == {"billing.invoices": 4}


def test_who_may_not_switch_foreign_keys_off_has_them_looked_up(connection: Connection, postgres: Postgres) -> None:
    connection.execute("CREATE ROLE plain LOGIN")
    connection.execute("GRANT ALL ON SCHEMA public TO plain")
    try:
        with connected(f"postgresql://plain@/{connection.info.dbname}?host={postgres.root}", "the copy") as plain:
            plain.execute("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE t (a int NOT NULL REFERENCES a)")
            assert fill(plain, Asked({"a": 3, "t": 30})) == {"a": 3, "t": 30}
    finally:
        connection.execute("DROP OWNED BY plain; DROP ROLE plain")
