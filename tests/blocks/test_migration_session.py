"""The sessions beside a run: where they lead, and who holds the lock."""

import psycopg
import pytest

from stationmaster.blocks.migration_session import ADVISORY, DATABASE, HOLDER, Session
from tests.conftest import Postgres


@pytest.mark.parametrize(
    "url",
    [
        "postgres://postgres:x@db/postgres", "postgresql://postgres:x@db/postgres",
        "postgresql+psycopg://postgres:x@db/postgres", "postgresql+psycopg2://postgres:x@db/postgres",
        "postgresql+asyncpg://postgres:x@db/postgres",
    ],
)  # fmt: skip
def test_words_that_are_a_drivers_name_stay_where_they_are_somebodys(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(psycopg, "connect", lambda place, **_: called.append(place))
    Session(url).connect("x")
    assert called == ["postgresql://postgres:x@db/postgres"]
    called.clear()
    Session("postgresql://a:postgres:b@db/x?options=postgresql+psycopg:").connect("x")
    assert called == ["postgresql://a:postgres:b@db/x?options=postgresql+psycopg:"]


def test_a_database_is_told_from_another_and_known_again_after_the_server_restarted(postgres: Postgres) -> None:
    one, other = Session(postgres.create()), Session(postgres.create())
    (place,) = one.look.execute(DATABASE).fetchall()
    assert one.is_at(place)
    assert not other.is_at(place)
    one._place = (place[0], "of a server that was")
    assert one.is_at(place)
    for session in (one, other):
        session.close()


def test_who_holds_the_lock_is_named(postgres: Postgres) -> None:
    session = Session(postgres.create())
    with session.alone(1, print):
        ((pid, application, _),) = session.look.execute(HOLDER, (ADVISORY,)).fetchall()
    assert (application, pid != session.look.info.backend_pid) == ("stationmaster-lock", True)
    session.close()
