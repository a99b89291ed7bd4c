"""What waivers take out of the question and what they leave: another time, another rule, a window that is not there."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.blackout import Question, in_force, without
from stationmaster.domain.calendar import Calendar, Named
from stationmaster.domain.calendar_answers import state
from stationmaster.domain.passage import Gate, Given, Passage
from stationmaster.domain.waiver import BLACKOUT, LONGEST, blackouts, weigh
from tests.domain.test_waiver import DIGEST, HOUR, NAMES, OTHER_DIGEST, asked, record, terms, waive
from tests.entries import AT

if TYPE_CHECKING:
    from stationmaster.domain.entries import Entry

DAY = timedelta(days=1)
FILE = "acme.yaml"


def named(*blackouts: dict[str, Any], file: str = FILE, zone: str = "UTC", **more: Any) -> tuple[Named, ...]:
    rules = {"timezone": zone, "default": "open", "blackouts": blackouts, **more}
    return (Named(file, Calendar.model_validate(rules)),)


def daily(start: str = "06:00", end: str = "20:00", name: str = "close", **more: Any) -> dict[str, Any]:
    return {"name": name, "rrule": "FREQ=DAILY", "start": start, "end": end, **more}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def nobody() -> "list[Entry]":
    return []


def passage(until: datetime, people: int = 2) -> Passage:
    return Passage(tuple(Given(f"p{n}", f"P{n}", n, "SHOP-1", until) for n in range(people)), ())


def question(calendars: tuple[Named, ...], until: datetime, when: datetime = AT, **more: Any) -> Question:
    """One for whose release every blackout in force at an instant was waived."""
    passages = {one.gate: passage(until) for one in in_force(calendars, when, more.get("action", "deploy"))}
    return Question("acme", calendars, passages=passages, **more)


@pytest.mark.parametrize(
    ("rule", "zone", "when", "since"),
    [
        (daily(), "UTC", "2026-11-23T08:00", "2026-11-23T06:00"),
        (daily(), "UTC", "2026-11-23T06:00", "2026-11-23T06:00"),
        (daily("22:00", "02:00"), "UTC", "2026-11-23T01:59:59", "2026-11-22T22:00"),
        (daily("22:00", "02:00"), "UTC", "2027-01-01T00:00", "2026-12-31T22:00"),
        (daily("23:30", "05:00"), "Europe/Berlin", "2027-01-01T00:00", "2026-12-31T22:30"),
        ({"name": "x", "from": "2019-12-01T00:00", "to": "2031-01-01T00:00"}, "UTC", "2026-11-23T08:00", "2019-12-01"),
        (
            {"name": "x", "rrule": "FREQ=MONTHLY;BYMONTHDAY=-3,-2,-1,1,2", "all_day": True},
            "UTC", "2026-12-02T23:00", "2026-11-28",
        ),
        ({"name": "x", "holidays": "DE-BY"}, "Europe/Berlin", "2027-01-01T12:00", "2026-12-31T23:00"),
        ({"name": "x", "rrule": "FREQ=DAILY", "all_day": True}, "UTC", "2026-11-23T08:00", "1970-01-01"),
    ],
)  # fmt: skip
def test_it_is_known_by_its_name_and_the_second_at_which_it_began(
    rule: dict[str, Any], zone: str, when: str, since: str
) -> None:
    (found,) = in_force(named(rule, zone=zone), at(when))
    assert found.gate == Gate(f"{BLACKOUT}{FILE}#{rule['name']}", int(at(since).timestamp()))


def test_what_is_not_in_force_or_about_something_else_is_no_gate() -> None:
    calendars = named(daily(applies_to=["migration"]), daily("09:00", "10:00", "later"))
    assert in_force(calendars, AT) == ()
    assert [one.ref for one in in_force(calendars, AT, "migration")] == ["acme.yaml#close"]
    assert [one.ref for one in in_force(calendars, AT + HOUR, "hotfix")] == ["acme.yaml#later"]
    assert in_force(calendars, AT + HOUR, "rollback") == ()
    assert in_force(calendars, at("2026-11-23T20:00"), "migration") == ()


def test_the_same_name_in_another_file_stays() -> None:
    calendars = (*named(daily()), *named(daily(), file="other.yaml"))
    left = without(calendars, in_force(named(daily()), AT))
    assert state(left, AT).rules == ("other.yaml#close",)
    found = Question("acme", calendars, passages=question(named(daily()), AT + HOUR).passages).window(AT)
    assert found.reason == "acme is closed: other.yaml#close"


@pytest.mark.parametrize(
    ("until", "seconds", "open_"),
    [
        (AT + HOUR, 3600, True),  # it ends as the waivers do
        (AT + HOUR, 3601, False),
        (AT + timedelta(seconds=1), 1, True),
        (AT, 1, False),
        (AT - HOUR, 1, False),
        (at("2026-11-23T20:00"), 13 * 3600, True),  # the blackout is over by then
        (at("2026-11-23T19:59:59"), 13 * 3600, False),
        (AT + 3 * DAY, 22 * 3600, True),
        (AT + 3 * DAY, 22 * 3600 + 1, False),  # the next one is another
    ],
)
def test_what_begins_has_to_end_before_the_waivers_or_the_blackout_does(
    until: datetime, seconds: int, open_: bool,  # noqa: FBT001 - a table
) -> None:  # fmt: skip
    assert question(named(daily()), until, seconds=seconds).window(AT).open is open_


def test_the_cutoff_is_part_of_it_and_the_next_slot_is_told() -> None:
    calendars = named(daily(), cutoff=600)
    assert question(calendars, AT + HOUR, seconds=3000).window(AT).open
    found = question(calendars, AT + HOUR, seconds=3001).window(AT)
    assert found.reason == "acme is open by waiver until 2026-11-23T09:00:00Z, too soon for a wave"
    assert found.until == at("2026-11-23T20:00")


def test_a_fraction_of_a_second_counts_as_a_whole_one() -> None:
    now = AT + timedelta(microseconds=1)
    assert question(named(daily()), AT + HOUR, seconds=3599).window(now).open
    assert not question(named(daily()), AT + HOUR, seconds=3600).window(now).open


def test_a_window_that_is_not_there_is_waived_by_nobody() -> None:
    window: dict[str, Any] = {"windows": [daily("09:00", "12:00", "w")], "default": "closed"}
    found = question(named(daily(), **window), AT + 2 * HOUR, seconds=1800)
    assert found.window(AT).reason == "acme is closed: acme.yaml#default"
    assert found.window(AT).until == AT + HOUR
    assert found.waivable(AT) == ()
    assert found.window(AT + HOUR).open
    soon = question(named(daily(), **window), AT + HOUR, seconds=1800)
    assert soon.window(AT).until is None  # its windows are all blacked out
    assert "no slot" in Question("acme", named(daily(), **window)).window(AT).reason


def test_nobody_passes_what_is_not_among_the_calendars() -> None:
    hours = named(daily(), file="support")
    passages = question(hours, AT + HOUR).passages
    found = Question("acme", named(), also=hours, passages=passages)
    assert not found.window(AT).open
    assert found.waivable(AT) == ()


def test_what_could_be_waived_is_what_is_not_waived_for_long_enough() -> None:
    calendars = named(daily(), daily("07:00", "09:00", "other"))
    assert [one.ref for one in Question("acme", calendars).waivable(AT)] == ["acme.yaml#close", "acme.yaml#other"]
    close, other = (one.gate for one in in_force(calendars, AT))
    passages = {close: passage(AT + HOUR), other: passage(AT + HOUR, people=1)}
    short, long = (Question("acme", calendars, seconds=each, passages=passages) for each in (1800, 7200))
    assert [one.ref for one in short.waivable(AT)] == ["acme.yaml#other"]
    assert [one.ref for one in long.waivable(AT)] == ["acme.yaml#close", "acme.yaml#other"]
    assert short.window(AT).reason == "acme is closed: acme.yaml#other (1 of 2 waivers, P0's)"


def test_a_migration_asks_for_the_instant_alone() -> None:
    calendars = named(daily(applies_to=["migration"]))
    found = question(calendars, AT + timedelta(seconds=1), action="migration")
    assert found.at_once(AT).open
    assert not found.at_once(AT + timedelta(seconds=1)).open
    assert Question("acme", calendars).at_once(AT).open


def test_without_a_calendar_nothing_closes() -> None:
    assert Question("stage", ()).window(AT).reason == "nothing closes stage"


def test_entries_name_their_gates_and_nonsense_names_none() -> None:
    entries = nobody()
    gate = Gate(f"{BLACKOUT}a/b.yaml#c", 5)
    waive(entries, "rosa", terms(gate=gate))
    waive(entries, "rosa", terms())
    for wrong in ({"gate": gate.name, "closed_by": "5"}, {"gate": gate.name}, {"gate": gate.name, "closed_by": 5.0}):
        record(entries, "rosa", wrong)
    assert blackouts(entries) == {gate}


WORDS = st.tuples(
    st.sampled_from(["good", "good", "good", "another time", "another rule", "other digest"]),
    st.sampled_from(NAMES),
    st.sampled_from([AT - HOUR, AT, AT + HOUR, AT + HOUR, AT + LONGEST + HOUR]),
)


@given(st.lists(WORDS, max_size=8))
def test_fewer_than_two_who_may_never_open_a_blackout(told: list[tuple[str, str, datetime]]) -> None:
    calendars = named(daily())
    (blackout,) = in_force(calendars, AT)
    entries = nobody()
    eligible = set[str]()
    for how, name, end in told:
        gate = blackout.gate
        if how == "another time":
            gate = Gate(gate.name, gate.closed_by - 86_400)
        if how == "another rule":
            gate = Gate(f"{gate.name}s", gate.closed_by)
        waive(entries, name, terms(end, gate), digest=OTHER_DIGEST if how == "other digest" else DIGEST)
        if how == "good" and end == AT + HOUR and name in {"rosa", "rosa-2", "ben", "eve"}:
            eligible.add(name.removesuffix("-2"))
    passages = {gate: weigh(entries, gate, asked(), AT) for gate in blackouts(entries)}
    found = Question("acme", calendars, seconds=600, passages=passages)
    assert not found.window(AT).open or len(eligible) > 1
    assert bool(found.passed(AT)) == found.window(AT).open


CLOCK = st.integers(0, 47).map(lambda half: f"{half // 2:02}:{half % 2 * 30:02}")
RULE = st.tuples(CLOCK, CLOCK)


WHEN = st.tuples(st.integers(0, 47), st.integers(1, 30), st.integers(1, 30))  # half hours: now, the slot, the waivers


@given(st.lists(RULE, max_size=3), st.none() | RULE, WHEN)
def test_it_is_open_when_each_moment_of_the_slot_is_open_or_in_a_blackout_that_is_waived_then(
    rules: list[tuple[str, str]], window: tuple[str, str] | None, halves: tuple[int, int, int]
) -> None:
    now, length, lasts = halves
    more: dict[str, Any] = {"default": "closed", "windows": [daily(*window, "w")]} if window else {}
    calendars = named(*(daily(*rule, f"b{n}") for n, rule in enumerate(rules)), **more)
    when, half = at("2026-11-23T00:00") + now * HOUR / 2, 1800
    until = when + lasts * HOUR / 2
    waived = {one.gate for one in in_force(calendars, when)}
    open_ = True
    for moment in (when + n * HOUR / 2 for n in range(length)):
        shut = in_force(calendars, moment)
        passed = all(one.gate in waived and moment < until for one in shut)
        open_ = open_ and passed and state(without(calendars, shut), moment).open
    assert question(calendars, until, when, seconds=length * half).window(when).open is open_


def test_where_days_are_not_known_it_is_closed_and_nothing_can_be_waived() -> None:
    moment = at("2036-06-01T12:00")
    calendars = named({"name": "festivals", "holidays": "IN", "applies_to": ["deploy", "migration"]})
    for asked_for in (Question("acme", calendars), question(named(daily()), moment + DAY, moment)):
        found = Question("acme", calendars, passages=asked_for.passages)
        answer = found.window(moment)
        assert (answer.open, answer.until) == (False, None)
        assert answer.reason.startswith("acme is closed: acme.yaml#festivals: the public holidays of IN are known from")
        assert (found.passed(moment), found.waivable(moment)) == ((), ())
    once = Question("acme", calendars, action="migration").at_once(moment)
    assert (once.open, once.until) == (False, None)
    assert once.reason.startswith("acme is closed for migrations: acme.yaml#festivals: ")
