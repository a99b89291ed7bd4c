"""What is in a ledger stays: by triggers on both databases, and on PostgreSQL by roles too, tried as each of them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from stationmaster.domain.entries import Draft, compose
from stationmaster.ledger import tables
from stationmaster.ledger.connection import engine_for, place, reading
from stationmaster.ledger.faults import LedgerAppendOnlyError, LedgerForbiddenError, naming
from stationmaster.ledger.history.versions.v0004_append_only import FUNCTIONS
from stationmaster.ledger.inbox import Inbox
from stationmaster.ledger.protection import (
    GRANTS,
    OWNER,
    TRIGGERS,
    UnprotectableError,
    protect,
    statements,
    weaknesses,
)
from stationmaster.ledger.rows import to_row
from stationmaster.ledger.schema import configuration
from stationmaster.ledger.store import Ledger
from tests.conftest import Postgres
from tests.ledger.test_inbox import brought
from tests.tampering import unprotect

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
CUT = Draft(release="r1", step="cut", personal={"who": "Ada Lovelace"})
BUILT = Draft(release="r1", step="built", personal={"who": "Ada Lovelace"})
_NUMBERS = count()


def attempt(ledger: Ledger, statement: str, **execution: object) -> None:
    with naming(place(ledger.engine)), ledger.engine.begin() as connection:
        connection.execute(text(statement), execution)


CHANGES = {
    "both": [
        "UPDATE entries SET subject = 'other'",
        'UPDATE entries SET "index" = 5 WHERE "index" = 1',
        "UPDATE entries SET leaf = leaf",
        'DELETE FROM entries WHERE "index" = 1',
        "UPDATE payloads SET content = content",
        "UPDATE head SET size = 1",
        "UPDATE head SET size = 3",
        "UPDATE head SET id = 2",
        "DELETE FROM head",
        "INSERT INTO head (id, size) VALUES (2, 0)",
    ],
    "sqlite": [
        'REPLACE INTO entries SELECT "index", release, step, \'other\', 7, inputs, canonical, leaf FROM entries',
        "REPLACE INTO entries SELECT 2, release, step, subject, attempt, inputs, canonical, leaf FROM entries LIMIT 1",
        "REPLACE INTO payloads SELECT * FROM payloads",
        "REPLACE INTO head (id, size) VALUES (1, 0)",
    ],
    "postgresql": [
        "TRUNCATE entries CASCADE",
        "TRUNCATE payloads",
        "TRUNCATE head",
        "INSERT INTO entries SELECT 2, release, step, subject, 7, inputs, canonical, leaf FROM entries LIMIT 1",
        "INSERT INTO entries SELECT -1, release, step, subject, 7, inputs, canonical, leaf FROM entries LIMIT 1",
        'INSERT INTO entries SELECT * FROM entries ON CONFLICT ("index") DO UPDATE SET subject = \'other\'',
        "SET session_replication_role = replica; DELETE FROM payloads; DELETE FROM entries",
        "CREATE TEMP TABLE entries AS SELECT 2 AS index; UPDATE head SET size = 3",
    ],
}  # fmt: skip


def test_what_is_there_can_be_neither_changed_nor_removed_nor_counted_down(ledger: Ledger) -> None:
    there = [ledger.append(CUT, AT), ledger.append(BUILT, AT)]
    for statement in [*CHANGES["both"], *CHANGES[ledger.engine.dialect.name]]:
        with pytest.raises(LedgerAppendOnlyError, match="append-only") as refused:
            attempt(ledger, statement)
        assert refused.value.hint, statement
        assert ledger.entries() == there, statement
        assert ledger.size() == 2, statement
    assert list(ledger.audit()) == []


def test_personal_data_can_be_erased_and_the_ledger_goes_on(ledger: Ledger) -> None:
    entry = ledger.append(CUT, AT)
    attempt(ledger, "DELETE FROM payloads")
    assert ledger.personal(entry) is None
    ledger.must_have_room()
    assert ledger.append(BUILT, AT).index == 1


def test_a_ledger_of_before_keeps_what_it_has_and_is_protected_from_then_on(address: str) -> None:
    engine, config = engine_for(address), configuration()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        entry = compose(CUT, index=0, at=AT, attempt=1, salt="00" * 16, payload=None)
        connection.execute(tables.entries.insert(), to_row(entry))
        connection.execute(tables.head.update().values(size=1))
    engine.dispose()
    with Ledger.open(address) as ledger:
        assert ledger.entries() == [entry]
        assert ledger.append(BUILT, AT).index == 1
        with pytest.raises(LedgerAppendOnlyError):
            attempt(ledger, 'DELETE FROM entries WHERE "index" = 0')


def test_the_refusal_has_a_state_of_its_own(postgres: Postgres) -> None:
    with Ledger.open(postgres.create()) as ledger:
        ledger.append(CUT, AT)
        with pytest.raises(DBAPIError) as refused, ledger.engine.begin() as connection:
            connection.execute(text("DELETE FROM entries"))
        assert getattr(refused.value.orig, "sqlstate", None) == "SM001"


def test_our_table_of_triggers_is_what_the_database_has(ledger: Ledger) -> None:
    queries = {
        "postgresql": "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal",
        "sqlite": "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'",
    }
    with reading(ledger.engine) as connection:
        there = {tuple(row) for row in connection.execute(text(queries[ledger.engine.dialect.name]))}
    assert there == TRIGGERS[ledger.engine.dialect.name]


def test_every_table_has_its_grants() -> None:
    assert set(GRANTS) == {*tables.metadata.tables, tables.VERSION_TABLE}


class Roles:
    """A protected ledger, and the addresses of those who come to it."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.admin = postgres.create()
        self.application = f"shop app {next(_NUMBERS)}"
        protect(self.admin, self.application)
        self.address = self.of(self.application)

    def of(self, role: str) -> str:
        return make_url(self.admin).set(username=role).render_as_string(hide_password=False)

    def execute(self, *commands: str) -> None:
        engine = create_engine(self.admin)
        with engine.begin() as connection:
            for command in commands:
                connection.execute(text(command))
        engine.dispose()

    def weaknesses(self) -> list[str]:
        with Ledger.open(self.address) as ledger:
            return weaknesses(ledger.engine)


@pytest.fixture
def roles(postgres: Postgres) -> Iterator[Roles]:
    made = Roles(postgres)
    yield made
    name = make_url(made.admin).database
    with postgres.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        connection.execute(f'DROP ROLE "{made.application}"'.encode())


def test_the_application_does_all_its_work_and_owns_nothing(roles: Roles) -> None:
    with Ledger.open(roles.address) as ledger, Inbox.open(roles.address) as inbox:
        entry = ledger.append(CUT, AT)
        lease = ledger.renew(ledger.take_lease("r1", "me", AT), AT)
        assert ledger.append(BUILT, AT, lease).index == 1
        ledger.give_back(lease)
        ledger.must_have_room()
        assert ledger.personal(entry) == {"who": "Ada Lovelace"}
        attempt(ledger, "DELETE FROM payloads")
        assert inbox.accept([brought(1)], AT) == ["accepted"]
        inbox.board(inbox.waiting()[0].id, AT)
        inbox.count({("hub", "ignored"): 1}, AT)
        assert weaknesses(ledger.engine) == []


@pytest.mark.parametrize(
    "statement",
    [
        *CHANGES["both"][:4],
        "TRUNCATE entries CASCADE",
        "UPDATE payloads SET content = content",
        "TRUNCATE payloads",
        "DELETE FROM head",
        "UPDATE head SET id = 2",
        "UPDATE ledger_version SET version_num = '9'",
        "DROP TABLE entries CASCADE",
        "ALTER TABLE entries DISABLE TRIGGER USER",
        "ALTER TABLE entries OWNER TO CURRENT_USER",
        "DROP TRIGGER stationmaster_stay ON entries",
        "DROP FUNCTION stationmaster_refuse() CASCADE",
        "CREATE FUNCTION anything() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE anything (id int)",
        f"SET ROLE {OWNER}",
        f"GRANT {OWNER} TO CURRENT_USER",
        "SET session_replication_role = replica",
    ],
)
def test_the_application_may_not(roles: Roles, statement: str) -> None:
    with Ledger.open(roles.address) as ledger:
        there = ledger.append(CUT, AT)
        with pytest.raises(LedgerForbiddenError) as refused:
            attempt(ledger, statement)
        assert refused.value.hint
        assert ledger.entries() == [there]


def test_protecting_again_changes_nothing(roles: Roles) -> None:
    with Ledger.open(roles.address) as ledger:
        there = ledger.append(CUT, AT)
        protect(roles.admin, roles.application)
        assert ledger.entries() == [there]
        assert weaknesses(ledger.engine) == []


GIVEN = [  # too much for the application, which protecting takes back
    ("GRANT UPDATE (subject), DELETE ON entries TO {role}", "has UPDATE, DELETE on the table entries"),
    ("GRANT TRUNCATE ON payloads TO {role}", "has TRUNCATE on the table payloads"),
    ("GRANT DELETE ON head TO PUBLIC", "has DELETE on the table head"),
    ("ALTER TABLE entries OWNER TO {role}", "owns the table entries"),
    (f"GRANT {OWNER} TO {{role}}", "may act as its owner"),
    ("ALTER FUNCTION stationmaster_refuse OWNER TO {role}", "owns the function stationmaster_refuse"),
    ("GRANT CREATE ON SCHEMA public TO {role}", "has CREATE on the schema"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "has CREATE on the schema"),
]
_IDLE = "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$"
_OTHER = f"""
{_IDLE.format(function="idle")};
DROP TRIGGER stationmaster_stay ON entries;
CREATE TRIGGER stationmaster_stay BEFORE UPDATE OR DELETE ON entries FOR EACH ROW EXECUTE FUNCTION idle();
ALTER TABLE entries ENABLE ALWAYS TRIGGER stationmaster_stay
"""
_NEVER = """
DROP TRIGGER stationmaster_stay ON payloads;
CREATE TRIGGER stationmaster_stay BEFORE UPDATE ON payloads FOR EACH ROW WHEN (false)
    EXECUTE FUNCTION stationmaster_refuse();
ALTER TABLE payloads ENABLE ALWAYS TRIGGER stationmaster_stay
"""
DONE = [  # what a person has to look into
    ("ALTER SCHEMA public OWNER TO {role}", "owns the schema"),
    ("ALTER DATABASE {database} OWNER TO {role}", "or its database"),
    ("ALTER ROLE {role} SUPERUSER", "is a superuser"),
    ("ALTER TABLE entries DISABLE TRIGGER stationmaster_stay", "stationmaster_stay of the table entries is disabled"),
    ("ALTER TABLE head ENABLE TRIGGER stationmaster_grow", "stationmaster_grow of the table head is not always"),
    ("DROP TRIGGER stationmaster_counted ON entries", "stationmaster_counted of the table entries is missing"),
    *(
        (_IDLE.format(function=name), f"the function {name} is not as the newest revision made it")
        for name in FUNCTIONS
    ),
    ("ALTER FUNCTION stationmaster_grow() SET search_path = public", "the function stationmaster_grow is not as"),
    ("ALTER FUNCTION stationmaster_grow() RESET ALL", "the function stationmaster_grow is not as"),
    (_OTHER, "stationmaster_stay of the table entries does not always call stationmaster_refuse"),
    (_NEVER, "stationmaster_stay of the table payloads does not always call stationmaster_refuse"),
]


@pytest.mark.parametrize(("weaken", "said"), GIVEN + DONE)
def test_each_weakness_is_told(roles: Roles, weaken: str, said: str) -> None:
    assert roles.weaknesses() == []
    names = {"role": f'"{roles.application}"', "database": make_url(roles.admin).database}
    roles.execute(weaken.format(**names))
    found = roles.weaknesses()
    assert any(said in one for one in found), found
    roles.execute(f"ALTER DATABASE {names['database']} OWNER TO app")  # so that the role can go


@pytest.mark.parametrize("weaken", [weaken for weaken, _ in GIVEN])
def test_protecting_takes_back_what_is_too_much(roles: Roles, weaken: str) -> None:
    roles.execute(weaken.format(role=f'"{roles.application}"'))
    protect(roles.admin, roles.application)
    assert roles.weaknesses() == []


def test_a_ledger_of_an_older_schema_is_brought_up_to_date_by_its_owner_alone(roles: Roles) -> None:
    roles.execute("UPDATE ledger_version SET version_num = '0003'")
    with pytest.raises(LedgerForbiddenError, match="does not let this role") as refused:
        Ledger.open(roles.address)
    assert refused.value.hint is not None
    assert "owner" in refused.value.hint


def test_nobody_protects_a_ledger_from_himself(postgres: Postgres, tmp_path: Path) -> None:
    address = postgres.create()
    for role in ("app", OWNER):
        with pytest.raises(UnprotectableError, match="cannot be both"):
            protect(address, role)
    with pytest.raises(UnprotectableError, match="SQLite has no roles"):
        protect(f"sqlite:///{tmp_path}/ledger.db", "shop")


def test_one_role_for_everything_is_told(postgres: Postgres) -> None:
    with Ledger.open(postgres.create()) as ledger:
        assert weaknesses(ledger.engine) == ["the role app is a superuser, whom nothing in the database binds"]


def test_a_file_belongs_to_who_may_write_it(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        (always,) = weaknesses(ledger.engine)
        assert "whoever may write the file" in always
        unprotect(ledger.engine)
        assert len(weaknesses(ledger.engine)) == 1 + len(TRIGGERS["sqlite"])


def test_what_is_done_can_be_shown_before(roles: Roles) -> None:
    with Ledger.open(roles.admin) as ledger, reading(ledger.engine) as connection:
        shown = list(statements(connection, roles.application))
    assert f'GRANT SELECT, INSERT ON public.entries TO "{roles.application}"' in shown
    assert not [one for one in shown if one.startswith("CREATE ROLE")]
    assert len([one for one in shown if "FUNCTION" in one]) == len(FUNCTIONS)
