"""A change is in the inbox once, whoever brings it and how often, and it is there when it was acknowledged."""

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from stationmaster.domain.deliveries import MergedChange
from stationmaster.ledger.connection import alone, engine_for
from stationmaster.ledger.faults import LedgerBusyError, LedgerUnreachableError
from stationmaster.ledger.inbox import Delivery, Inbox
from stationmaster.ledger.schema import configuration
from stationmaster.ledger.store import Ledger

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def inbox(address: str) -> Iterator[Inbox]:
    with Inbox.open(address) as opened:
        yield opened


def change(number: int = 1, product: str = "shop", title: str = "Round totals once") -> MergedChange:
    return MergedChange(
        product=product,
        host="github",
        repository="acme/shop",
        number=number,
        title=title,
        author="ana",
        base="main",
        head="round-totals",
        merge_commit=f"{number:040x}",
        merged_at=AT - timedelta(hours=1),
        url=f"https://github.example/acme/shop/pull/{number}",
        labels=("billing",),
    )


def brought(number: int = 1, hook: str = "hub", delivery: str | None = None, product: str = "shop") -> Delivery:
    return Delivery(hook, delivery or f"d-{number}", change(number, product))


def test_what_was_accepted_is_there_as_it_was_told(inbox: Inbox) -> None:
    assert inbox.accept([brought(1), brought(2)], AT) == ["accepted", "accepted"]
    first, second = inbox.changes()
    assert first.change == change(1)
    assert (second.hook, second.delivery, second.accepted_at, second.boarded_at) == (
        "hub", "d-2", "2026-11-23T08:00:00Z", None,
    )  # fmt: skip
    assert first.id < second.id


@pytest.mark.parametrize(
    ("again", "outcome"),
    [
        (brought(1), "duplicate"),
        (brought(1, delivery="another"), "duplicate"),
        (brought(1, hook="mirror"), "duplicate"),
        (brought(1, product="other", hook="other"), "accepted"),
        (brought(2, hook="mirror", delivery="d-1"), "accepted"),
        (brought(2, delivery="d-1"), "reused"),
    ],
)
def test_a_delivery_counts_once_and_a_change_once_for_a_product(inbox: Inbox, again: Delivery, outcome: str) -> None:
    inbox.accept([brought(1)], AT)
    assert inbox.accept([again], AT) == [outcome]
    assert len(inbox.changes()) == 1 + (outcome == "accepted")


def test_one_batch_may_bring_the_same_thing_several_times(inbox: Inbox) -> None:
    assert inbox.accept([brought(1), brought(1), brought(1, hook="mirror")], AT) == [
        "accepted",
        "duplicate",
        "duplicate",
    ]
    assert inbox.accept([], AT) == []


def test_what_hosts_may_write_is_kept_as_it_is(inbox: Inbox) -> None:
    odd = change(title='Zero \x00, quote " and \U0001f682 \u2028')
    inbox.accept([Delivery("hub", "d", odd)], AT)
    assert inbox.changes()[0].change == odd


def test_a_change_is_shown_with_its_key_and_instants(inbox: Inbox) -> None:
    inbox.accept([brought(1)], AT)
    shown = inbox.changes()[0].record()
    assert shown["change"] == f"shop@{1:040x}"
    assert (shown["merged_at"], shown["labels"], shown["boarded_at"]) == ("2026-11-23T07:00:00Z", ["billing"], None)


def test_several_writers_with_the_same_changes_in_any_order_leave_each_once(address: str) -> None:
    """Four processes' worth of connections, each with an order of its own; they may neither deadlock nor both win."""

    def write(seed: int) -> list[str]:
        every = [brought(number, hook=f"hub-{seed}") for number in range(1, 41)]
        random.Random(seed).shuffle(every)  # noqa: S311 - an order, not a secret
        with Inbox.open(address) as mine:
            return [each for n in range(0, 40, 8) for each in mine.accept(every[n : n + 8], AT)]

    with ThreadPoolExecutor(4) as threads:
        outcomes = Counter(outcome for told in threads.map(write, range(4)) for outcome in told)
    with Inbox.open(address) as found:
        assert sorted(one.change.number for one in found.changes()) == list(range(1, 41))
    assert outcomes == {"accepted": 40, "duplicate": 120}


def test_counts_add_up(inbox: Inbox) -> None:
    inbox.count({("hub", "signature"): 2, ("", "unknown_hook"): 1}, AT)
    inbox.count({("hub", "signature"): 3}, AT + timedelta(hours=1))
    assert inbox.counts() == [
        {"hook": "", "outcome": "unknown_hook", "count": 1, "last_at": "2026-11-23T08:00:00Z"},
        {"hook": "hub", "outcome": "signature", "count": 5, "last_at": "2026-11-23T09:00:00Z"},
    ]


def test_it_lies_in_the_ledgers_own_database_and_leaves_the_ledger_alone(address: str) -> None:
    with Ledger.open(address) as ledger, Inbox.open(address) as inbox:
        inbox.accept([brought(1)], AT)
        assert ledger.entries() == []
        assert len(inbox.changes()) == 1


def test_a_ledger_of_before_gets_an_inbox_and_keeps_what_it_has(address: str) -> None:
    engine, config = engine_for(address), configuration()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("UPDATE head SET size = 7"))
    engine.dispose()
    with Inbox.open(address) as inbox, inbox.engine.connect() as connection:
        assert inbox.accept([brought(1)], AT) == ["accepted"]
        assert connection.execute(text("SELECT size FROM head")).scalar() == 7


def test_nothing_of_a_batch_is_kept_when_it_fails(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    class BrokenError(Exception):
        pass

    keep = Inbox._keep

    def broken(self: Inbox, connection: object, delivery: Delivery, at: str) -> object:
        if delivery.id == "d-3":
            raise BrokenError
        return keep(self, connection, delivery, at)  # type: ignore[arg-type] # passed on as it came

    monkeypatch.setattr(Inbox, "_keep", broken)
    with pytest.raises(BrokenError):
        inbox.accept([brought(number) for number in range(1, 6)], AT)
    assert inbox.changes() == []


def test_an_inbox_that_is_away_says_so() -> None:
    with pytest.raises(LedgerUnreachableError):
        Inbox.open("sqlite:////nowhere/at/all/ledger.db")


def test_an_inbox_that_others_hold_says_so_and_keeps_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/inbox.db"
    with Inbox.open(url) as inbox, sqlite3.connect(tmp_path / "inbox.db", isolation_level=None) as other:
        with alone(inbox.engine) as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 20")  # the pool lends this very connection again
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerBusyError):
            inbox.accept([brought(1)], AT)
        inbox.ask()  # a reader does not wait
        other.execute("ROLLBACK")
        assert inbox.changes() == []
    other.close()
