"""What is open when: each sentence of the semantics, and the mistakes that others published, each by its name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stationmaster.domain.calendar import Action, Calendar, Named
from stationmaster.domain.calendar_answers import (
    OutsideCalendarsError,
    State,
    cutoff,
    notice_days,
    opening,
    spans_of,
    state,
    unsure,
)
from stationmaster.domain.calendar_rules import UnknownDaysError
from stationmaster.domain.duration import instant

WEEKNIGHT = {"name": "weeknight", "rrule": "FREQ=WEEKLY;BYDAY=TU,WE,TH", "start": "22:00", "end": "02:00"}
MONTH_END = {"name": "month end", "rrule": "FREQ=MONTHLY;BYMONTHDAY=-3,-2,-1,1,2", "all_day": True}
ALWAYS = {"name": "always", "rrule": "FREQ=DAILY", "all_day": True}


def calendar(zone: str = "Europe/Berlin", file: str = "c.yaml", **more: Any) -> Named:
    return Named(file, Calendar.model_validate({"timezone": zone, **more}))


def daily(start: str, end: str) -> dict[str, Any]:
    return {"name": "daily", "rrule": "FREQ=DAILY", "start": start, "end": end}


def utc(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def ask(at: str, *calendars: Named, action: Action = "deploy") -> State:
    return state(calendars, utc(at), action)


def is_open(at: str, *calendars: Named, action: Action = "deploy") -> bool:
    return ask(at, *calendars, action=action).open


def spans(named: Named, begin: str, end: str) -> list[str]:
    found = opening([named], int(utc(begin).timestamp()), int(utc(end).timestamp()))
    return [" to ".join(f"{datetime.fromtimestamp(at, UTC):%d %H:%M}" for at in pair) for pair in found.pairs()]


# 1: half-open, in UTC


def test_the_start_is_in_and_the_end_is_not() -> None:
    nights = calendar(windows=[WEEKNIGHT])
    asked = ("2026-11-24T20:59:59", "2026-11-24T21:00", "2026-11-25T00:59:59", "2026-11-25T01:00")
    assert [is_open(at, nights) for at in asked] == [False, True, True, False]


def test_a_window_names_the_day_it_starts_on() -> None:
    nights = calendar(windows=[WEEKNIGHT])
    assert is_open("2026-11-27T01:30+01:00", nights)  # Friday, begun on Thursday
    assert not is_open("2026-11-24T01:30+01:00", nights)  # Tuesday, which begins at 22:00


def test_an_end_that_equals_the_start_is_a_day_later() -> None:
    assert spans(calendar(windows=[{**WEEKNIGHT, "end": "22:00"}]), "2026-11-23", "2026-11-30") == [
        "24 21:00 to 27 21:00"
    ]


# 2: wall clocks


def test_half_past_two_to_half_past_four_is_ninety_minutes_in_the_spring_night() -> None:
    assert spans(calendar(windows=[daily("02:30", "04:30")]), "2027-03-28", "2027-03-29") == ["28 01:00 to 28 02:30"]


def test_what_lies_wholly_in_a_jump_of_the_clocks_is_nothing() -> None:
    assert spans(calendar(windows=[daily("02:00", "03:00")]), "2027-03-28", "2027-03-28T12:00") == []


@pytest.mark.parametrize("kind", ["windows", "blackouts"])
def test_the_hour_that_comes_twice_is_in_twice(kind: str) -> None:
    rule = {"name": "x", "from": "2026-10-25T02:00", "to": "2026-10-25T02:30"}
    more: dict[str, Any] = {"default": "closed" if kind == "windows" else "open", kind: [rule]}
    named = calendar(**more)
    found = spans_of(named.calendar, getattr(named.calendar, kind)[0], 0, 2_000_000_000)
    assert [instant(datetime.fromtimestamp(at, UTC)) for at in found.pairs()[0]] == [
        "2026-10-25T00:00:00Z",
        "2026-10-25T01:30:00Z",
    ]


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("Europe/Berlin", "2027-03-28", "27 23:00 to 28 22:00"),
        ("Europe/Berlin", "2026-10-25", "24 22:00 to 25 23:00"),
        ("Australia/Lord_Howe", "2027-04-04", "03 13:00 to 04 13:30"),
        ("Africa/Cairo", "2027-04-30", "29 22:00 to 30 21:00"),
        ("Asia/Beirut", "2027-03-28", "27 22:00 to 28 21:00"),
        ("America/Santiago", "2027-09-05", "05 04:00 to 06 03:00"),
        ("Pacific/Apia", "2011-12-31", "30 10:00 to 31 10:00"),
    ],
)
def test_all_day_is_midnight_to_midnight_also_where_there_is_none(zone: str, day: str, expected: str) -> None:
    rule = {"name": "day", "rrule": f"FREQ=YEARLY;BYMONTH={int(day[5:7])};BYMONTHDAY={int(day[8:])}", "all_day": True}
    begin, end = (utc(day) + timedelta(days=days) for days in (-2, 3))
    assert spans(calendar(zone, windows=[rule]), begin.isoformat(), end.isoformat()) == [expected]


def test_a_day_that_a_zone_left_out_is_empty() -> None:
    rule = {"name": "day", "from": "2011-12-30T00:00", "to": "2011-12-31T00:00"}
    assert spans(calendar("Pacific/Apia", windows=[rule]), "2011-12-28", "2012-01-02") == []


# 3: blackouts and several calendars


def test_a_blackout_beats_a_window() -> None:
    found = ask("2026-12-01T22:30", calendar(windows=[WEEKNIGHT], blackouts=[MONTH_END]))
    assert (found.open, found.rules) == (False, ("c.yaml#month end",))


def test_open_only_if_all_are_open() -> None:
    one, other = calendar(file="a", windows=[WEEKNIGHT]), calendar("Asia/Tokyo", file="b", windows=[WEEKNIGHT])
    assert ask("2026-11-24T22:00", one, other).rules == ("b#default",)
    assert ask("2026-11-24T14:00", one, other).rules == ("a#default",)
    assert ask("2026-11-23T12:00", one, other).rules == ("a#default", "b#default")
    always = calendar(file="c", default="open")
    assert ask("2026-11-24T22:00", one, always) == ask("2026-11-24T22:00", one)


def test_without_a_calendar_nothing_is_open() -> None:
    with pytest.raises(ValueError, match="without a calendar"):
        opening([], 0, 1)


# What the answers name


def test_closed_names_every_blackout_in_force_and_no_default_beside_it() -> None:
    one = calendar(file="z.yaml", windows=[WEEKNIGHT], blackouts=[MONTH_END, {**ALWAYS, "name": "audit"}])
    other = calendar(file="a.yaml")
    assert ask("2026-12-01T12:00", one, other).rules == ("z.yaml#audit", "z.yaml#month end")


def test_open_names_every_window_and_nothing_where_it_is_open_by_default() -> None:
    one = calendar(windows=[WEEKNIGHT, ALWAYS])
    assert ask("2026-11-24T22:00", one).rules == ("c.yaml#always", "c.yaml#weeknight")
    assert ask("2026-11-24T22:00", calendar(default="open", blackouts=[MONTH_END])).rules == ()


def test_the_next_transition_is_that_of_the_answer_and_not_of_a_rule() -> None:
    named = calendar(windows=[daily("10:00", "12:00"), {**WEEKNIGHT, "start": "11:00", "end": "14:00"}])
    assert ask("2026-11-24T09:30", named).next_transition == utc("2026-11-24T13:00")
    assert ask("2026-11-24T13:00", named).next_transition == utc("2026-11-25T09:00")


def test_a_transition_beyond_400_days_is_not_told() -> None:
    at = utc("2026-11-23T08:00")
    for days, told in ((400, True), (401, False)):
        end = (at + timedelta(days=days)).replace(tzinfo=None).isoformat()
        named = calendar("UTC", default="open", blackouts=[{"name": "x", "from": "2026-01-01T00:00", "to": end}])
        assert (state([named], at).next_transition is not None) is told
    assert ask("2026-11-23T08:00", calendar(default="open")).next_transition is None


# What it applies to


@pytest.mark.parametrize(
    ("action", "open_", "rules"),
    [
        ("deploy", False, ("c.yaml#default",)),
        ("flag", False, ("c.yaml#default",)),
        ("hotfix", False, ("c.yaml#default",)),
        ("migration", True, ()),
        ("rollback", True, ()),
    ],
)
def test_for_which_action(action: Action, open_: bool, rules: tuple[str, ...]) -> None:  # noqa: FBT001 - a table
    found = ask("2026-11-23T12:00", calendar(windows=[WEEKNIGHT]), action=action)
    assert (found.open, found.rules) == (open_, rules)


def test_a_rollback_is_open_in_a_blackout_too_and_stays_so() -> None:
    found = ask("2026-11-23T12:00", calendar(blackouts=[ALWAYS]), action="rollback")
    assert found == State(open=True, rules=(), next_transition=None)


def test_an_action_that_a_calendar_does_not_apply_to_is_open_except_in_blackouts_that_name_it() -> None:
    named = calendar(windows=[WEEKNIGHT], blackouts=[ALWAYS, {**MONTH_END, "applies_to": ["migration"]}])
    assert ask("2026-12-01T12:00", named, action="migration").rules == ("c.yaml#month end",)
    assert is_open("2026-12-08T12:00", named, action="migration")
    assert ask("2026-12-01T12:00", named).rules == ("c.yaml#always",)


def test_an_entry_that_is_narrower_closes_and_opens_that_alone() -> None:
    closing = calendar(default="open", blackouts=[{**ALWAYS, "applies_to": ["flag"]}])
    assert is_open("2026-11-23T12:00", closing)
    assert not is_open("2026-11-23T12:00", closing, action="flag")
    opened = calendar(windows=[{**ALWAYS, "applies_to": ["flag"]}])
    assert not is_open("2026-11-23T12:00", opened)
    assert is_open("2026-11-23T12:00", opened, action="flag")


def test_a_calendar_may_apply_to_migrations_alone() -> None:
    named = calendar(windows=[WEEKNIGHT], applies_to=["migration"])
    assert [is_open("2026-11-23T12:00", named, action=one) for one in ("deploy", "hotfix", "flag", "migration")] == [
        True, True, True, False
    ]  # fmt: skip


# Expiry


def test_a_rule_counts_until_the_midnight_at_which_it_expires() -> None:
    expired = {"expires": "2026-11-25"}
    window = calendar(windows=[{**WEEKNIGHT, **expired}])
    assert spans(window, "2026-11-23", "2027-11-23") == ["24 21:00 to 24 23:00"]
    blackout = calendar(default="open", blackouts=[{**ALWAYS, **expired}])
    assert ask("2026-11-24T22:59:59", blackout).next_transition == utc("2026-11-24T23:00")
    assert is_open("2026-11-24T23:00", blackout)


# Every kind of rule as a window and as a blackout


@pytest.mark.parametrize(
    ("rule", "inside", "outside"),
    [
        ({"business_days": {"from": -2, "to": 3, "country": "DE"}}, "2026-11-28T12:00", "2026-11-26T12:00"),
        (
            {"fiscal": {"pattern": "4-4-5", "year_end": "last-saturday-of-january", "days_before": 3}},
            "2027-01-27T12:00",
            "2027-01-31T12:00",
        ),
        ({"holidays": "DE-BY"}, "2027-01-06T12:00", "2027-01-05T12:00"),
        ({"from": "2026-12-14T00:00", "to": "2026-12-19T00:00"}, "2026-12-18T12:00", "2026-12-19T12:00"),
        ({**ALWAYS, "rrule": "FREQ=DAILY;INTERVAL=2", "dtstart": "2026-12-01"}, "2026-12-03T12:00", "2026-12-04T12:00"),
        ({**ALWAYS, "rrule": "FREQ=DAILY;COUNT=2", "dtstart": "2026-12-01"}, "2026-12-02T12:00", "2026-12-03T12:00"),
    ],
)  # fmt: skip
def test_a_window_and_a_blackout_may_be_of_any_kind(rule: dict[str, Any], inside: str, outside: str) -> None:
    opened, closed = (
        calendar(windows=[{"name": "x", **rule}]),
        calendar(default="open", blackouts=[{"name": "x", **rule}]),
    )
    assert (is_open(inside, opened), is_open(outside, opened)) == (True, False)
    assert (is_open(inside, closed), is_open(outside, closed)) == (False, True)


def test_an_end_of_the_rule_in_utc_is_compared_with_the_instant_at_which_the_window_starts() -> None:
    rule = {"name": "x", "rrule": "FREQ=DAILY;UNTIL=20261124T210000Z", "start": "22:00", "end": "23:00"}
    assert spans(calendar(windows=[rule]), "2026-11-24", "2026-12-24") == ["24 21:00 to 24 22:00"]
    assert spans(calendar(windows=[{**rule, "start": "22:01"}]), "2026-11-24", "2026-12-24") == []


def test_a_rule_reaches_over_new_year() -> None:
    nights = calendar(windows=[{**daily("22:00", "02:00")}])
    assert spans(nights, "2026-12-31T12:00", "2027-01-01T12:00") == ["31 21:00 to 01 01:00"]
    freeze = {"name": "x", "from": "2026-12-20T00:00", "to": "2027-01-07T00:00"}
    assert spans(calendar(windows=[freeze]), "2026-12-01", "2027-02-01") == ["19 23:00 to 06 23:00"]
    assert spans(calendar("Pacific/Kiritimati", windows=[ALWAYS]), "2026-12-01", "2027-02-01") == [
        "01 00:00 to 01 00:00"
    ]


def test_a_freeze_until_further_notice() -> None:
    named = calendar(default="open", blackouts=[{"name": "x", "from": "0001-01-01T00:00", "to": "9999-12-31T00:00"}])
    assert not is_open("2026-11-23T12:00", named)


# What cannot be answered is refused


@pytest.mark.parametrize("at", ["1969-12-31T23:59:59", "2199-01-01", "9999-12-31T23:59:59", "0001-01-01"])
def test_an_instant_that_is_too_far_is_refused(at: str) -> None:
    with pytest.raises(OutsideCalendarsError):
        ask(at, calendar(default="open"))


def test_holidays_that_nobody_knows_yet_are_no_working_days() -> None:
    named = calendar(default="open", blackouts=[{"name": "x", "holidays": "IN"}])
    with pytest.raises(UnknownDaysError, match=r"c.yaml#x: the public holidays of IN are known from 2001 to 2035, not"):
        ask("2090-01-01", named)
    assert spans(named, "2090-01-01", "2091-01-01") == []


HINDU = {"name": "x", "holidays": "IN"}  # known to the end of 2035
TURN = {"name": "x", "business_days": {"from": -2, "to": 2, "country": "IN"}}
NIGHTLY = {"name": "nightly", "rrule": "FREQ=DAILY", "start": "22:00", "end": "23:00"}


@pytest.mark.parametrize(
    ("at", "rule", "transition"),
    [
        ("2035-03-01T22:30", HINDU, "2035-03-01T23:00:00Z"),
        ("2035-12-30T12:00", HINDU, "2035-12-30T22:00:00Z"),
        ("2035-12-31T12:00", HINDU, "2035-12-31T22:00:00Z"),
        ("2035-12-27T23:30", TURN, None),  # closed to the end of the year, and then nobody knows
        ("2035-12-26T23:30", TURN, "2035-12-27T22:00:00Z"),
    ],
)
def test_the_last_year_that_is_known_is_answered_to_its_end(
    at: str, rule: dict[str, Any], transition: str | None
) -> None:
    named = calendar("UTC", windows=[NIGHTLY], blackouts=[rule])
    if transition is None:
        ask_unknown(at, named)
    else:
        found = ask(at, named).next_transition
        assert found is not None
        assert instant(found) == transition


def ask_unknown(at: str, named: Named) -> None:
    with pytest.raises(UnknownDaysError, match="known"):
        ask(at, named)


def test_a_transition_is_not_where_knowledge_ends() -> None:
    ask_unknown("2035-12-31T12:00", calendar("UTC", default="open", blackouts=[HINDU]))
    until = {**HINDU, "expires": "2036-01-01"}
    assert ask("2035-12-31T12:00", calendar("UTC", default="open", blackouts=[until])).next_transition is None


def test_what_is_closed_anyway_needs_no_holidays() -> None:
    frozen = calendar("UTC", default="open", file="f", blackouts=[ALWAYS])
    hindu = calendar("UTC", default="open", blackouts=[HINDU])
    begin = int(utc("2035-12-31").timestamp())
    assert unsure([hindu], begin, begin + 3 * 86400).pairs() == [(begin + 86400, begin + 3 * 86400)]
    assert not unsure([hindu, frozen], begin, begin + 3 * 86400)


def test_a_window_that_is_not_known_opens_nothing() -> None:
    named = calendar("UTC", windows=[HINDU, NIGHTLY])
    assert spans(named, "2036-01-01", "2036-01-02") == ["01 22:00 to 01 23:00"]


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        state([calendar(default="open")], datetime(2026, 11, 23))  # noqa: DTZ001


def test_the_longest_notice_and_the_longest_cutoff_count() -> None:
    several = [calendar(cutoff="30m", min_notice_days=3), calendar(cutoff="1h"), calendar(min_notice_days=10)]
    assert (notice_days(several), cutoff(several)) == (10, 3600)
    assert (notice_days([]), cutoff([])) == (0, 0)


# Traps of dates and clocks, and what others published


def test_trap_subtraction_within_a_zone_forgets_the_change_of_the_clocks() -> None:
    night = calendar(windows=[{"name": "n", "from": "2026-10-24T22:00", "to": "2026-10-25T04:00"}])
    begin, end = (int(utc(at).timestamp()) for at in ("2026-10-24", "2026-10-26"))
    ((start, stop),) = opening([night], begin, end).pairs()
    assert stop - start == 7 * 3600


def test_trap_the_two_occurrences_of_an_hour_are_two_instants() -> None:
    named = calendar(windows=[{"name": "n", "from": "2026-10-25T01:00", "to": "2026-10-25T02:00"}])
    first, second = (
        datetime(2026, 10, 25, 2, 30, tzinfo=datetime.fromisoformat(f"2026-10-25T02:30{offset}").tzinfo)
        for offset in ("+02:00", "+01:00")
    )
    assert [state([named], at).open for at in (first, second)] == [True, False]


def test_published_a_fixed_offset_instead_of_a_zone() -> None:
    nights = calendar(windows=[daily("22:00", "02:00")])
    assert is_open("2026-07-01T20:00", nights)
    assert not is_open("2026-12-01T20:00", nights)


def test_published_a_weekly_freeze_on_the_wrong_day() -> None:
    """Friday to Monday in Auckland is Thursday noon to Sunday noon in UTC."""
    rule = {"name": "weekend", "rrule": "FREQ=WEEKLY;BYDAY=FR,SA,SU", "all_day": True}
    named = calendar("Pacific/Auckland", default="open", blackouts=[rule])
    asked = ("2026-11-26T10:59", "2026-11-26T11:00", "2026-11-29T10:59", "2026-11-29T11:00")
    assert [is_open(at, named) for at in asked] == [True, False, False, True]


def test_published_a_future_one_off_freeze_that_blocks_today() -> None:
    audit = {"name": "audit", "from": "2026-12-14T00:00", "to": "2026-12-19T00:00"}
    found = ask("2026-11-23T12:00", calendar(default="open", blackouts=[audit]))
    assert (found.open, found.next_transition) == (True, utc("2026-12-13T23:00"))


def test_published_a_schedule_checked_against_now() -> None:
    """The answer is that of the instant that is asked about, whenever it is asked."""
    named = calendar(windows=[WEEKNIGHT])
    asked = [ask(at, named).open for at in ("2031-11-25T22:00", "2026-11-24T22:00", "2031-11-25T22:00")]
    assert asked == [True, True, True]


def test_published_an_override_though_one_of_several_environments_is_frozen() -> None:
    stage, production = (
        calendar(file="stage", default="open"),
        calendar(file="production", default="open", blackouts=[ALWAYS]),
    )
    for order in ((stage, production), (production, stage)):
        assert ask("2026-11-23T12:00", *order).rules == ("production#always",)
        assert not is_open("2026-11-23T12:00", *order, action="hotfix")


def test_published_a_freeze_that_was_edited_after_a_change_of_the_clocks_fires_at_once() -> None:
    before, after = ("2026-10-24T12:00", "2026-10-26T12:00")
    rule = {"name": "x", "rrule": "FREQ=WEEKLY;BYDAY=FR", "start": "17:00", "end": "09:00"}
    named = calendar(default="open", blackouts=[rule])
    assert [ask(at, named).next_transition for at in (before, after)] == [utc("2026-10-30T16:00")] * 2


def test_published_an_unknown_zone_taken_as_utc() -> None:
    with pytest.raises(ValueError, match="unknown IANA zone"):
        calendar("Europe/Berln", default="open")
