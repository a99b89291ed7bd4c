"""Backfills on a real PostgreSQL: what is filled, what is proved, and what stops a tenant or all of it."""

import threading
import time
from typing import Any

import pytest

from stationmaster.blocks import backfilling
from stationmaster.blocks.backfilling import (
    BackfillRefusedError,
    BackfillStoppedError,
    BackfillUnknownError,
    BackfillWrongError,
    Options,
)
from stationmaster.domain.backfills import Backfill
from tests.backfills import COUNT, MINOR, Shop
from tests.conftest import Postgres


@pytest.fixture
def shop(postgres: Postgres) -> Shop:
    return Shop(postgres)


def test_rows_are_filled_tenant_by_tenant_and_each_tenant_is_verified(shop: Shop) -> None:
    ended = shop.orders().run(MINOR)
    assert (ended.rows, ended.tenants, ended.verified) == (1000, {"done": 5, "failed": 0, "paused": 0}, True)
    assert shop.ask("SELECT count(*) FROM orders WHERE total_minor = total * 100") == [(1000,)]
    assert set(shop.states().values()) == {"verified"}
    assert shop.is_whole()


def test_what_is_through_is_swept_again_and_changes_nothing_twice(shop: Shop) -> None:
    shop.orders().run(MINOR)
    shop.do(
        "INSERT INTO orders (tenant_id, total) VALUES ('t0', 7), ('new', 8)", "UPDATE orders SET n = 1 WHERE id = 1"
    )
    versions = "SELECT array_agg(xmin::text ORDER BY id) FROM orders WHERE id <= 1000"
    before = shop.ask(versions)
    ended = shop.run(MINOR)
    assert (ended.rows, ended.verified) == (1002, True)
    assert shop.ask(versions) == before
    assert set(shop.states()) == {"t0", "t1", "t2", "t3", "t4", "new"}


def test_without_todo_each_row_that_is_there_is_changed_once_and_no_later_one(shop: Shop) -> None:
    shop.orders()
    assert shop.run(COUNT).verified
    shop.do("INSERT INTO orders (tenant_id, n) VALUES ('t0', 100)")
    ended = shop.run(COUNT)
    assert (ended.rows, ended.verified) == (1000, True)
    assert shop.ask("SELECT n, count(*) FROM orders GROUP BY n ORDER BY n") == [(1, 1000), (100, 1)]


def test_whoever_was_at_work_at_the_start_is_waited_for_and_his_rows_count(shop: Shop) -> None:
    shop.orders(100)
    with shop.connect() as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO orders (tenant_id) VALUES ('t0'), ('late')")
        running = threading.Thread(target=shop.run, args=(COUNT,))
        running.start()
        until(lambda: any("waits for whoever" in said for said in shop.said))
        shop.do("INSERT INTO orders (tenant_id, n) VALUES ('t1', 100)")
        writer.execute("COMMIT")
        running.join(20)
    assert shop.ask("SELECT n, count(*) FROM orders GROUP BY n ORDER BY n") == [(1, 102), (100, 1)]


def test_a_column_says_when_a_row_was_made(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), made timestamptz NOT NULL DEFAULT now(), "
        "n int DEFAULT 0)",
        "INSERT INTO orders SELECT FROM generate_series(1, 500)",
    )
    spec = {"name": "count", "table": "orders", "key": "id", "set": "n = n + 1", "created_before": "made"}
    with shop.connect() as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO orders DEFAULT VALUES")
        running = threading.Thread(target=shop.run, args=(spec,))
        running.start()
        until(lambda: bool(shop.said))
        writer.execute("COMMIT")
        running.join(20)
    shop.do("INSERT INTO orders DEFAULT VALUES")
    shop.run(spec)
    assert shop.ask("SELECT n, count(*) FROM orders GROUP BY n ORDER BY n") == [(0, 1), (1, 501)]


@pytest.mark.parametrize(
    ("table", "more", "said"),
    [
        ("id int PRIMARY KEY, n int DEFAULT 0", {}, "no sequence gives 'id' its values"),
        ("id serial PRIMARY KEY, n int DEFAULT 0", {}, "rows above what sequence"),
        ("id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int DEFAULT 0", {}, "its key is not one integer column"),
        ("id serial, n int DEFAULT 0, k int PRIMARY KEY", {"todo": "n = 0"}, "no unique index says that id"),
        ("id int UNIQUE, n int DEFAULT 0", {"todo": "n = 0"}, "may be NULL"),
        (
            "id int PRIMARY KEY, n int DEFAULT 0, at timestamptz",
            {"created_before": "at"},
            "`created_before` is NULL for some rows",
        ),
    ],
)
def test_a_table_on_which_it_could_not_be_exact_is_refused_and_nothing_is_made(
    shop: Shop, table: str, more: dict[str, Any], said: str
) -> None:
    shop.do(f"CREATE TABLE orders ({table})")
    if "uuid" not in table:
        shop.do(
            f"INSERT INTO orders ({'id, k' if 'k int' in table else 'id'}) VALUES ({'7, 7' if 'k int' in table else 7})"
        )
    with pytest.raises(BackfillRefusedError, match=said) as caught:
        shop.run({"name": "count", "table": "orders", "key": "id", "set": "n = n + 1", **more})
    assert caught.value.hint
    assert shop.ask("SELECT to_regnamespace('stationmaster')") == [(None,)]


@pytest.mark.parametrize(
    ("more", "field", "hint"),
    [
        ({"table": "order"}, "table", "did you mean 'orders'?"),
        ({"key": "ids"}, "key", "did you mean 'id'?"),
        ({"tenant": "tenant"}, "tenant", "did you mean 'tenant_id'?"),
        ({"set": "total_mino = 1"}, "set", "did you mean 'total_minor'?"),
        ({"set": "total_minor = totl * 2"}, "set", "did you mean 'total'?"),
        ({"set": "total_minor = upperr('x')"}, "set", "function"),
        ({"todo": "total_minor IS NUL"}, None, None),
        ({"todo": "total_mino IS NULL"}, "todo", "did you mean 'total_minor'?"),
        ({"todo": "total_minor"}, "todo", ""),
        ({"verify": "tot = 1"}, "verify", "did you mean 'total'?"),
        ({"todo": None, "created_before": "made"}, "created_before", "total"),
        ({"todo": None, "created_before": "id"}, "created_before", "created_at"),
    ],
)
def test_what_does_not_fit_the_table_is_told_with_its_key_and_the_nearest_name(
    shop: Shop, more: dict[str, Any], field: str | None, hint: str | None
) -> None:
    shop.orders(10)
    if field is None:
        with pytest.raises(ValueError, match="syntax error"):
            shop.run(MINOR, **more)
        return
    with pytest.raises(BackfillWrongError) as caught:
        shop.run(MINOR, **more)
    assert caught.value.field == field
    assert (hint or "") in f"{caught.value.hint} {caught.value.message}"
    assert shop.ask("SELECT to_regnamespace('stationmaster')") == [(None,)]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE VIEW seen AS SELECT * FROM orders", "'seen' is a view"),
        ("CREATE MATERIALIZED VIEW seen AS SELECT * FROM orders", "'seen' is a materialized view"),
        ("CREATE TABLE seen (LIKE orders); CREATE TABLE more () INHERITS (seen)", "inherit from it"),
        (
            "CREATE TABLE seen (LIKE orders INCLUDING ALL); CREATE RULE r AS ON UPDATE TO seen DO INSTEAD NOTHING",
            "has a rule for UPDATE",
        ),
    ],
)
def test_what_is_no_plain_table_is_refused(shop: Shop, made: str, said: str) -> None:
    shop.orders(10).do(made)
    with pytest.raises(BackfillRefusedError, match=said):
        shop.run(MINOR, table="seen")


def test_rows_that_are_hidden_from_the_role_are_not_missed_in_silence(shop: Shop) -> None:
    shop.orders(10).do(
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY", "DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN",
        "GRANT ALL ON orders TO clerk", f"GRANT CREATE ON DATABASE {shop.url.split('/')[3].partition('?')[0]} TO clerk",
    )  # fmt: skip
    shop.url = shop.url.replace("app@", "clerk@")
    with pytest.raises(BackfillRefusedError, match="row level security hides rows"):
        shop.run(MINOR)


def test_a_role_that_may_not_write_is_refused_before_anything(shop: Shop) -> None:
    shop.orders(10).do("DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN", "GRANT SELECT ON orders TO reader")
    shop.url = shop.url.replace("app@", "reader@")
    with pytest.raises(BackfillRefusedError, match="permission denied"):
        shop.run(MINOR)
    shop.url = shop.url.replace("reader@", "app@")
    assert shop.ask("SELECT to_regnamespace('stationmaster')") == [(None,)]


@pytest.mark.parametrize("index", [None, "(tenant_id)", "(id, tenant_id)"])
def test_without_an_index_from_key_to_key_of_a_tenant_a_large_table_is_refused(shop: Shop, index: str | None) -> None:
    shop.do(
        "CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id text, total numeric, total_minor bigint)",
        "INSERT INTO orders SELECT i, 't' || i % 5, i FROM generate_series(1, 100001) i",
    )
    if index:
        shop.do(f"CREATE INDEX ON orders {index}")
    with pytest.raises(BackfillRefusedError, match="no index of 'orders' leads") as caught:
        shop.run(MINOR)
    assert caught.value.hint == 'CREATE INDEX CONCURRENTLY ON "public"."orders" ("tenant_id", "id")'
    shop.do("CREATE INDEX ON orders (tenant_id, id)")
    backfilling.check(shop.url, Backfill.model_validate(MINOR), Options())


def test_a_small_table_needs_no_index_with_the_tenant(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id text, total numeric, total_minor bigint)",
        "INSERT INTO orders SELECT i, 't' || i % 3, i FROM generate_series(1, 900) i",
    )
    assert shop.run(MINOR).verified


# Keys and tenants of all kinds


@pytest.mark.parametrize(
    ("columns", "values", "key", "tenant"),
    [
        ("a int, b text, PRIMARY KEY (a, b)", "i % 7, 'x' || i", ["a", "b"], None),
        ("id uuid PRIMARY KEY, t uuid", "gen_random_uuid(), md5((i % 3)::text)::uuid", "id", "t"),
        ('id text COLLATE "pg_c_utf8" PRIMARY KEY, t int', "chr(64 + i % 60) || '-' || i, i % 3", "id", "t"),
        ("id text PRIMARY KEY", "CASE i % 3 WHEN 0 THEN '' ELSE E'it''s \\\\ ' END || i", "id", None),
        ("id int PRIMARY KEY, t text", "-i, NULLIF(i % 4, 0)::text", "id", "t"),
        ("at timestamptz, id int, PRIMARY KEY (at, id)", "now() - i * interval '7 hours', i", ["at", "id"], None),
        ("id numeric(10, 3) PRIMARY KEY", "i / 8.0", "id", None),
        ('"Id" bigint PRIMARY KEY, "The Tenant" text', "i, 'Ä ' || i % 3", "Id", "The Tenant"),
        ("id varchar(9), t char(3), PRIMARY KEY (t, id)", "'k' || i, 'a' || i % 3", "id", "t"),
    ],
    ids=["composite", "uuid", "collation", "quotes", "null tenants", "time", "numeric", "names", "padded"],
)
def test_keys_and_tenants_of_all_kinds(shop: Shop, columns: str, values: str, key: Any, tenant: str | None) -> None:
    shop.do(
        f'CREATE TABLE "My Table" ({columns})',
        f'INSERT INTO "My Table" SELECT {values} FROM generate_series(1, 700) i',
        'ALTER TABLE "My Table" ADD n int NOT NULL DEFAULT 0, ADD made timestamptz DEFAULT now()',
    )  # fmt: skip
    spec = {
        "name": "n", "table": '"My Table"', "key": key, "tenant": tenant, "set": "n = n + 1",
        "created_before": "made",
        "batch": {"least": 7, "most": 50},
    }  # fmt: skip
    ended = shop.run(spec)
    assert (ended.rows, ended.verified) == (700, True)
    assert shop.ask('SELECT n, count(*) FROM "My Table" GROUP BY n') == [(1, 700)]


def test_rows_without_a_tenant_are_a_tenant_of_their_own(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id serial PRIMARY KEY, tenant_id text, n int DEFAULT 0)",
        "INSERT INTO orders (tenant_id) SELECT NULLIF('t' || i % 2, 't0') FROM generate_series(1, 10) i",
    )
    assert shop.run(COUNT).verified
    assert shop.states("count") == {"(none)": "verified", "t1": "verified"}


def test_a_partitioned_table_is_walked_as_one(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int, tenant_id text, n int DEFAULT 0, total_minor int, PRIMARY KEY (tenant_id, id)) "
        "PARTITION BY HASH (id)",
        *(f"CREATE TABLE o{n} PARTITION OF orders FOR VALUES WITH (MODULUS 3, REMAINDER {n})" for n in range(3)),
        "INSERT INTO orders (id, tenant_id) SELECT i, 't' || i % 2 FROM generate_series(1, 600) i",
    )
    ended = shop.run(MINOR, set="total_minor = id, n = n + 1", batch={"least": 10, "most": 50})
    assert ended.verified
    assert shop.ask("SELECT n, count(*) FROM orders WHERE total_minor = id GROUP BY n") == [(1, 600)]


def test_an_empty_table_is_through_at_once(shop: Shop) -> None:
    shop.orders(0)
    ended = shop.run(MINOR)
    assert (ended.rows, ended.tenants, ended.verified) == (0, {"done": 0, "failed": 0, "paused": 0}, True)


def test_settings_of_the_role_change_nothing(shop: Shop) -> None:
    name = shop.url.split("/")[3].partition("?")[0]
    shop.orders(500).do(
        *(f"ALTER DATABASE {name} SET {setting}" for setting in (
            "default_transaction_isolation = serializable", "default_transaction_read_only = on",
            "search_path = public, pg_catalog", "statement_timeout = '1ms'", "lock_timeout = '1ms'",
            "standard_conforming_strings = off", "DateStyle = 'SQL, DMY'", "enable_indexscan = off",
        )),
    )  # fmt: skip
    shop.url = shop.url.replace("?", "?options=-cdefault_transaction_read_only%3Don&")
    assert shop.run(MINOR).verified


# Rows in the way


def poisoned(shop: Shop) -> None:
    shop.orders(1000).do(
        "ALTER TABLE orders ADD CONSTRAINT small CHECK (total_minor <> 50300)",
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.id = 501 THEN RAISE 'not this one'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER no BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION no()",
    )


def test_a_row_in_the_way_stops_its_tenant_and_is_named(shop: Shop) -> None:
    poisoned(shop)
    ended = shop.run(MINOR)
    assert (ended.tenants, ended.verified) == ({"done": 3, "failed": 2, "paused": 0}, False)
    assert ended.reasons == {
        "t1": "row with key 501: not this one",
        "t3": 'row with key 503: new row for relation "orders" violates check constraint "small"',
    }
    before = "SELECT count(*) FROM orders WHERE tenant_id = 't3' AND total_minor IS NOT NULL"
    assert shop.ask(before) == [(100,)]  # all before it are filled
    shop.do("UPDATE orders SET total = 1 WHERE id = 503", "DROP TRIGGER no ON orders")
    ended = shop.run(MINOR)
    assert (ended.rows, ended.verified) == (1000, True)


def test_a_row_that_is_left_out_lets_the_others_go_on_but_proves_nothing_of_itself(shop: Shop) -> None:
    poisoned(shop)
    shop.run(MINOR)
    backfilling.skip(shop.url, "minor", "t1", ["501"], "is going to be deleted")
    backfilling.skip(shop.url, "minor", "t3", ["503"], "nobody knows")
    ended = shop.run(MINOR)
    assert (ended.rows, ended.tenants["done"], ended.verified) == (998, 5, False)
    assert shop.states() == {"t0": "verified", "t1": "done", "t2": "verified", "t3": "done", "t4": "verified"}
    shop.do("DELETE FROM orders WHERE id = 501", "UPDATE orders SET total = 1, total_minor = 100 WHERE id = 503")
    assert shop.run(MINOR).verified


@pytest.mark.parametrize(
    ("name", "tenant", "key", "said"),
    [
        ("mino", "t1", ["1"], "did you mean 'minor'"),
        ("minor", "t9", ["1"], "known: t0, t1"),
        ("minor", "t1", ["2"], "no row with key 2"),
        ("minor", "t1", ["x"], "no row with key x"),
        ("minor", "t1", ["1", "1"], "1 columns: id"),
    ],
)
def test_what_is_not_there_cannot_be_left_out(shop: Shop, name: str, tenant: str, key: list[str], said: str) -> None:
    shop.orders(10).run(MINOR)
    with pytest.raises(BackfillUnknownError) as caught:
        backfilling.skip(shop.url, name, tenant, key, "why")
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_a_row_that_is_still_to_be_done_after_it_was_filled_is_in_the_way_and_no_loop(shop: Shop) -> None:
    shop.orders(100)
    ended = shop.run(MINOR, set="n = n + 1", todo="n < 100 AND id % 2 = 0 OR n = 0")
    assert ended.tenants["failed"] == 5
    assert "row with key 1" not in ended.reasons["t1"]
    assert shop.ask("SELECT max(n) FROM orders") == [(1,)]


def test_values_of_a_row_are_in_no_reason(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, secret text, n int)",
        "INSERT INTO orders SELECT i, CASE WHEN i = 7 THEN 'hunter2' ELSE '1' END FROM generate_series(1, 9) i",
    )
    ended = shop.run({"name": "minor", "table": "orders", "key": "id", "set": "n = secret::int", "todo": "n IS NULL"})
    assert ended.reasons == {"*": 'row with key 7: invalid input syntax for type integer: "…"'}
    assert shop.ask("SELECT count(*) FROM stationmaster.backfill_tenant WHERE reason LIKE '%hunter2%'") == [(0,)]


# What is proved


def test_a_row_that_is_not_as_verify_says_fails_its_tenant_and_is_mended_on_demand_alone(shop: Shop) -> None:
    shop.orders(100).do("UPDATE orders SET total_minor = 1 WHERE id = 7")
    ended = shop.run(MINOR)
    assert ended.reasons == {"t2": "1 rows are not as `verify` says, the first with key 7; --mend fills them anew"}
    assert shop.run(MINOR).tenants["failed"] == 1
    assert shop.run(MINOR, Options(mend=True)).verified
    assert shop.ask("SELECT total_minor FROM orders WHERE id = 7") == [(700,)]


@pytest.mark.parametrize("size", [1, 200])
def test_a_row_of_which_verify_cannot_even_be_asked_is_in_the_way_and_no_loop(shop: Shop, size: int) -> None:
    shop.orders(100)
    ended = shop.run(MINOR, verify="total_minor / (id - 7) IS NOT NULL", batch={"least": size, "most": size})
    assert ended.reasons == {"t2": "row with key 7: division by zero"}
    assert (ended.rows, ended.tenants) == (100, {"done": 4, "failed": 1, "paused": 0})


def test_a_tenant_whose_proof_is_lost_is_mended_by_the_next_run(shop: Shop) -> None:
    shop.orders(100).run(MINOR)
    shop.do("UPDATE orders SET total = 5 WHERE id = 7")
    backfilling.lose(shop.url, "minor", ["t2", "nobody"], "served by 1.1.0 again")
    assert shop.states()["t2"] == "pending"
    ended = shop.run(MINOR)
    assert (ended.rows, ended.verified) == (101, True)
    assert shop.ask("SELECT total_minor FROM orders WHERE id = 7") == [(500,)]


def test_what_cannot_be_proved_again_is_not_said_to_be(shop: Shop) -> None:
    shop.orders(100).run(COUNT)
    backfilling.lose(shop.url, "count", ["t2"], "served by 1.1.0 again")
    ended = shop.run(COUNT)
    assert "without `verify` nobody can tell" in ended.reasons["t2"]
    assert shop.ask("SELECT max(n) FROM orders") == [(1,)]


def test_to_lose_what_never_began_is_nothing(shop: Shop) -> None:
    backfilling.lose(shop.url, "minor", ["t1"], "served by 1.1.0 again")
    assert backfilling.status(shop.url) == ()
    assert shop.ask("SELECT to_regnamespace('stationmaster')") == [(None,)]


# Who says when


def test_paused_tenants_are_left_alone_until_they_are_resumed(shop: Shop) -> None:
    shop.orders(1000).run(MINOR, Options(only=["t0"]))
    backfilling.pause(shop.url, "minor", "t1", "they are on holiday")
    backfilling.pause(shop.url, "minor", "t1", "they are on holiday")
    ended = shop.run(MINOR)
    assert (ended.tenants, ended.verified) == ({"done": 4, "failed": 0, "paused": 1}, False)
    assert ended.reasons == {"t1": "they are on holiday"}
    backfilling.resume(shop.url, "minor")
    backfilling.resume(shop.url, "minor", "t1")
    assert shop.run(MINOR).verified


def test_a_whole_backfill_is_paused_while_it_runs(shop: Shop) -> None:
    shop.orders(3000)
    ended: list[backfilling.Ended] = []
    running = threading.Thread(target=lambda: ended.append(shop.run(MINOR, rows_per_second=1500)))
    running.start()
    until(lambda: bool(backfilling.status(shop.url)) and backfilling.status(shop.url)[0].rows > 0)
    backfilling.pause(shop.url, "minor", reason="not now")
    running.join(20)
    assert ended[0].tenants["paused"] == len(ended[0].reasons) > 0
    shop.do("INSERT INTO orders (tenant_id, total) VALUES ('later', 1)")
    assert shop.run(MINOR).tenants["paused"] == ended[0].tenants["paused"] + 1
    backfilling.resume(shop.url, "minor")
    assert shop.run(MINOR).rows == 3001


def test_tenants_that_must_not_be_touched_are_left_and_named(shop: Shop) -> None:
    shop.orders(100)
    ended = shop.run(MINOR, Options(may=lambda tenant: "closed until 8" if tenant == "t3" else None))
    assert (ended.tenants["done"], ended.verified, ended.reasons) == (4, False, {"t3": "closed until 8"})
    assert shop.ask("SELECT count(*) FROM orders WHERE tenant_id = 't3' AND total_minor IS NOT NULL") == [(0,)]


def test_it_stands_still_for_as_long_as_somebody_says_so_and_ends_when_it_is_told_to(shop: Shop) -> None:
    shop.orders(100)
    stop = threading.Event()

    def hold() -> str:
        threading.Timer(0.1, stop.set).start()
        return "the verdict is bad"

    ended = shop.run(MINOR, Options(hold=hold, stop=stop))
    assert (ended.rows, ended.held, ended.verified) == (0, "the verdict is bad", False)
    assert shop.is_whole()


def test_tenants_come_by_their_place_then_the_largest_first(shop: Shop) -> None:
    shop.orders(10).do("INSERT INTO orders (tenant_id, total) SELECT 't4', 1 FROM generate_series(1, 9)")
    order: list[str] = []

    def may(tenant: str) -> None:
        order.extend([] if tenant in order else [tenant])

    shop.run(MINOR, Options(ranks={"t3": 0, "t1": 1}, may=may))
    assert order == ["t3", "t1", "t4", "t0", "t2"]


def test_a_rate_is_kept(shop: Shop) -> None:
    shop.orders(1000)
    began = time.monotonic()
    shop.run(MINOR, rows_per_second=2000)
    assert time.monotonic() - began > 0.4


def test_another_declaration_of_the_name_is_refused_until_the_first_is_through(shop: Shop) -> None:
    poisoned(shop)
    shop.run(MINOR)
    with pytest.raises(BackfillRefusedError, match="another backfill named 'minor' is not through") as caught:
        shop.run(MINOR, set="total_minor = 7")
    assert "--restart" in str(caught.value.hint)
    shop.do("DROP TRIGGER no ON orders")
    assert shop.run(MINOR, Options(restart=True, mend=True), set="total_minor = 7").verified
    assert shop.run(COUNT).verified
    with pytest.raises(BackfillRefusedError, match="change its rows twice"):
        shop.run(COUNT, Options(restart=True))


# What PostgreSQL refuses


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03"])
def test_what_goes_away_is_tried_again(shop: Shop, code: str) -> None:
    shop.orders(100).do(
        "CREATE SEQUENCE tries",
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF nextval('tries') < 3 THEN RAISE 'no' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER no BEFORE UPDATE ON orders FOR EACH STATEMENT EXECUTE FUNCTION no()",
    )
    assert shop.run(MINOR).verified


@pytest.mark.parametrize(("code", "said"), [("53100", "no room left"), ("XX000", "PostgreSQL refused: no")])
def test_what_stays_stops_it_with_the_reason_and_leaves_nothing_behind(shop: Shop, code: str, said: str) -> None:
    shop.orders(100).do(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF NEW.id = 50 THEN RAISE 'no' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER no BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION no()",
    )
    with pytest.raises(BackfillStoppedError, match=said):
        shop.run(MINOR)
    assert "running" not in shop.states().values()
    assert shop.is_whole()
    shop.do("DROP TRIGGER no ON orders")
    assert shop.run(MINOR).verified
    assert shop.ask("SELECT count(*) FROM orders WHERE total_minor = total * 100") == [(100,)]


def test_a_row_that_somebody_holds_is_waited_for_and_he_is_named(shop: Shop) -> None:
    shop.orders(100)
    with shop.connect() as holder:
        holder.execute("SET application_name = 'till'")
        holder.execute("BEGIN")
        holder.execute("UPDATE orders SET n = 5 WHERE id = 50")
        running = threading.Thread(target=shop.run, args=(MINOR,))
        running.start()
        until(lambda: any("application till" in said for said in shop.said))
        holder.execute("COMMIT")
        running.join(20)
    assert shop.ask("SELECT count(*) FROM orders WHERE total_minor = total * 100") == [(100,)]


def until(reached: Any) -> None:
    end = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)
