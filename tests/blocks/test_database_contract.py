"""Contracts on a real PostgreSQL: what is run, who is connected, which rows are wrong, and stage's copy."""

import dataclasses
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from stationmaster.blocks.database import ProductDatabase, Revisions
from stationmaster.blocks.database_copy import NoCopyError
from stationmaster.blocks.database_looks import BackfillUnreadableError
from stationmaster.blocks.postgres import DatabaseUnreachableError
from tests.conftest import Postgres
from tests.revisions import Scripts

COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = 'orders' ORDER BY 1"

pytestmark = pytest.mark.usefixtures("quick_guests")


@pytest.fixture
def database(postgres: Postgres) -> ProductDatabase:
    return ProductDatabase(
        databases={"stage": SecretStr(postgres.create())}, scratch=SecretStr(postgres.url("postgres"))
    )


@pytest.fixture
def revisions(tmp_path: Path, database: ProductDatabase) -> Revisions:
    """What leads a database, which is at the expanded schema, to the contracted one."""
    scripts = Scripts.begin(tmp_path)
    scripts.add("e2", "e1", "ALTER TABLE orders ADD total int, ADD total_minor int")
    scripts.add("c1", "c0", "ALTER TABLE orders DROP COLUMN total", depends="e2")
    given = scripts.revisions()
    database.expand("stage", given)
    return dataclasses.replace(given, database=given.database.model_copy(update={"expand": "contract@head"}))


def ask(database: ProductDatabase, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database.url("stage").replace("+psycopg", ""), autocommit=True) as connection:
        found = connection.execute(statement.encode())
        return found.fetchall() if found.description else []


def columns(database: ProductDatabase) -> list[object]:
    return [row[0] for row in ask(database, COLUMNS)]


def test_the_contract_runs_like_an_expand_and_the_head_it_depends_on_is_no_head_any_more(
    database: ProductDatabase, revisions: Revisions
) -> None:
    before = database.revision("stage")
    assert before == ("e2",)
    assert "DROP COLUMN total" in database.render(before, revisions)
    assert database.target(revisions) == ("c1",)
    assert database.expand("stage", revisions).after == ("c1",)
    assert columns(database) == ["id", "total_minor"]
    again = database.expand("stage", revisions)
    assert again.before == again.after == ("c1",)


def test_sessions_are_told_by_the_name_they_give_themselves(database: ProductDatabase) -> None:
    url = database.url("stage").replace("+psycopg", "")
    with psycopg.connect(url, application_name="shop 1.0"), psycopg.connect(url, application_name=""):
        assert database.sessions("stage") == ("", "shop 1.0")
    assert "shop 1.0" not in database.sessions("stage")


def test_sessions_of_another_role_are_seen_by_one_that_may_see_little(
    database: ProductDatabase, postgres: Postgres
) -> None:
    with postgres.connect() as connection:
        for role in ("looks", "old_app"):
            connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
            connection.execute(f"CREATE ROLE {role} LOGIN".encode())
    little = database.model_copy(update={"databases": {"stage": SecretStr(_as(database.url("stage"), "looks"))}})
    url = _as(database.url("stage"), "old_app").replace("+psycopg", "")
    with psycopg.connect(url, application_name="shop 1.0"):
        assert "shop 1.0" in little.sessions("stage")


@pytest.mark.usefixtures("revisions")
def test_rows_that_are_not_as_it_says_are_counted_an_unknown_answer_too(database: ProductDatabase) -> None:
    ask(database, "INSERT INTO orders VALUES (1, 2, 200), (2, 3, 301), (3, 4, NULL)")
    assert database.unverified("stage", "orders", "total_minor = total * 100", 10) == 2
    assert database.unverified("stage", "public.orders", "total_minor IS NOT DISTINCT FROM total * 100", 10) == 2
    assert database.unverified("stage", "orders", "true", 10) == 0


@pytest.mark.usefixtures("revisions")
@pytest.mark.parametrize(
    ("table", "verify", "error"),
    [
        ("orders; DROP TABLE orders", "true", BackfillUnreadableError),
        ("orders", "no_such_column = 1", DatabaseUnreachableError),
        ("orders", "true) IS NOT TRUE OR (SELECT count(*) FROM pg_sleep(3)) = 0 OR (true", DatabaseUnreachableError),
        ("nobody", "true", DatabaseUnreachableError),
    ],
)
def test_what_cannot_be_counted_is_an_error_and_never_zero(
    database: ProductDatabase, table: str, verify: str, error: type[Exception]
) -> None:
    ask(database, "INSERT INTO orders VALUES (1, 2, 200)")
    with pytest.raises(error):
        database.unverified("stage", table, verify, 1)
    assert ask(database, "SELECT count(*) FROM orders") == [(1,)]


@pytest.mark.usefixtures("revisions")
def test_an_expression_may_only_read(database: ProductDatabase) -> None:
    ask(database, "INSERT INTO orders VALUES (1, 2, 200)")
    ask(database, "CREATE FUNCTION spoil() RETURNS boolean LANGUAGE sql AS 'DELETE FROM orders RETURNING true'")
    with pytest.raises(DatabaseUnreachableError, match="read-only"):
        database.unverified("stage", "orders", "spoil()", 5)


def test_the_copy_takes_the_place_of_what_was_contracted(database: ProductDatabase, revisions: Revisions) -> None:
    ask(database, "INSERT INTO orders VALUES (1, 2, 200)")
    with psycopg.connect(database.url("stage").replace("+psycopg", "")):  # somebody is connected, and thrown out
        database.keep_copy("stage")
    database.keep_copy("stage")
    database.expand("stage", revisions)
    ask(database, "INSERT INTO orders VALUES (2, 300)")
    assert database.put_back("stage")
    assert columns(database) == ["id", "total", "total_minor"]
    assert ask(database, "SELECT id FROM orders") == [(1,)]
    assert database.revision("stage") == ("e2",)
    assert not database.put_back("stage")
    assert ask(database, "SELECT id FROM orders") == [(1,)], "without a copy nothing happens"


def test_a_copy_that_is_not_needed_is_gone(database: ProductDatabase, revisions: Revisions) -> None:
    database.keep_copy("stage")
    database.drop_copy("stage")
    database.drop_copy("stage")
    database.expand("stage", revisions)
    database.put_back("stage")
    assert columns(database) == ["id", "total_minor"]


def test_what_a_kill_left_between_two_statements_is_mended(
    database: ProductDatabase, revisions: Revisions, postgres: Postgres
) -> None:
    database.keep_copy("stage")
    database.expand("stage", revisions)
    name = database.url("stage").partition("?")[0].rpartition("/")[2]
    with psycopg.connect(postgres.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())  # as a put_back that died then
    with pytest.raises(DatabaseUnreachableError):
        database.revision("stage")
    database.mend_copy("stage")
    assert database.revision("stage") == ("e2",)
    assert columns(database) == ["id", "total", "total_minor"]
    database.mend_copy("stage")
    assert columns(database) == ["id", "total", "total_minor"]
    with psycopg.connect(postgres.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())  # as a keep_copy that died
    database.keep_copy("stage")
    assert columns(database) == ["id", "total", "total_minor"]


@pytest.mark.usefixtures("revisions")
def test_who_may_not_make_databases_is_told_so_and_stage_goes_on(database: ProductDatabase, postgres: Postgres) -> None:
    name = database.url("stage").partition("?")[0].rpartition("/")[2]
    with psycopg.connect(postgres.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(b"DROP ROLE IF EXISTS weak")
        connection.execute(b"CREATE ROLE weak LOGIN")
        connection.execute(f'ALTER DATABASE "{name}" OWNER TO weak'.encode())
    weak = dict(database.databases, stage=SecretStr(_as(database.url("stage"), "weak")))
    with pytest.raises(NoCopyError, match="cannot be copied"):
        database.model_copy(update={"databases": weak}).keep_copy("stage")
    assert columns(database) == ["id", "total", "total_minor"]


_ACT = """
import sys
from stationmaster.blocks import database_copy
print("now", flush=True)
getattr(database_copy, sys.argv[1])(sys.argv[2], "stage")
"""


def killed(database: ProductDatabase, act: str, after: float) -> None:
    """An act of the copy, by a process of its own that is killed in the middle of it, and what mends that."""
    program = [sys.executable, "-c", _ACT, act, database.url("stage")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(after)
        process.kill()
    database.mend_copy("stage")


@pytest.mark.usefixtures("revisions")
def test_what_was_being_dropped_at_a_kill_is_dropped_and_the_copy_takes_its_place(database: ProductDatabase) -> None:
    """As PostgreSQL marks a database whose DROP was interrupted."""
    ask(database, "INSERT INTO orders VALUES (1, 1, 1)")
    database.keep_copy("stage")
    broken(database, "")
    database.mend_copy("stage")
    assert ask(database, "SELECT count(*) FROM orders") == [(1,)]
    database.keep_copy("stage")
    broken(database, "_before_contract")
    database.keep_copy("stage")
    assert database.put_back("stage")
    assert ask(database, "SELECT count(*) FROM orders") == [(1,)]


def broken(database: ProductDatabase, mark: str) -> None:
    where, name = database.url("stage").partition("?")[0].replace("+psycopg", "").rsplit("/", 1)
    query = database.url("stage").partition("?")[2]
    with psycopg.connect(f"{where}/postgres?{query}", autocommit=True) as connection:
        connection.execute("UPDATE pg_database SET datconnlimit = -2 WHERE datname = %s", (name + mark,))


@pytest.mark.slow
@pytest.mark.usefixtures("revisions")
@pytest.mark.parametrize("start", range(2))
def test_killed_anywhere_in_the_copy_stage_has_all_that_it_had(database: ProductDatabase, start: int) -> None:
    """The server goes on with the statement of a process that died, so each may end before or after that."""
    ask(database, "INSERT INTO orders SELECT i, i, i FROM generate_series(1, 20000) AS i")
    for number in range(start, 40, 2):
        killed(database, "keep", number * 0.005)
        assert ask(database, "SELECT count(*) FROM orders WHERE total = id") == [(20000,)]
        database.keep_copy("stage")
        ask(database, "ALTER TABLE orders DROP COLUMN total")  # as a contract
        killed(database, "put_back", number * 0.005)
        assert ask(database, "SELECT count(*) FROM orders") == [(20000,)]
        assert database.put_back("stage") or "total" in columns(database)
        assert ask(database, "SELECT count(*) FROM orders WHERE total = id") == [(20000,)]
        killed(database, "drop", number * 0.005)
        database.drop_copy("stage")


def _as(url: str, role: str) -> str:
    """The same address for another role."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}@{rest.partition('@')[2]}"


def test_two_runners_do_not_meet(database: ProductDatabase, revisions: Revisions) -> None:
    """The second finds the first at work, or its work done; the column is dropped once."""
    failed: list[Exception] = []

    def go() -> None:
        try:
            database.expand("stage", revisions)
        except Exception as error:  # noqa: BLE001 - looked at below
            failed.append(error)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(one).__name__ for one in failed] in ([], ["MigrationBusyError"])
    assert columns(database) == ["id", "total_minor"]
