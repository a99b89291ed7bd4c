"""When trains leave, and what is done with one at an instant."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from dateutil.tz import gettz
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stationmaster.domain.documents import DocumentError, read
from stationmaster.domain.hotfix import MergeBack
from stationmaster.domain.train import (
    Answer,
    Train,
    cut_off_of,
    decide,
    departures,
    next_departure,
    prefect_rrule,
    train_id,
)
from stationmaster.domain.window import Window, all_of

TUESDAYS = "FREQ=WEEKLY;BYDAY=TU;BYHOUR=9"
LEAVES = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)  # a Tuesday, nine o'clock in Berlin
FOLLOWING = LEAVES + timedelta(days=7)
OPEN = Window(open=True, reason="nothing closes it")
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def train(cadence: str = TUESDAYS, zone: str = "Europe/Berlin", **more: Any) -> Train:
    return Train.model_validate({"cadence": cadence, "zone": zone, **more})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(train: Train, after: str, count: int) -> list[str]:
    """Departures as people of the zone read them."""
    zone = ZoneInfo(train.zone)
    return [f"{at.astimezone(zone):%a %Y-%m-%d %H:%M}" for at in departures(train, utc(after), count)]


def test_what_need_not_be_said() -> None:
    least = train()
    assert (least.branch, least.cut_off, least.in_freeze, least.hold_for) == ("main", 7200, "hold", None)
    assert train(cut_off="45m").cut_off == 2700


@pytest.mark.parametrize(
    ("cadence", "more", "leaves"),
    [
        ("FREQ=DAILY;BYHOUR=9", {}, ["Tue 2026-11-24 09:00", "Wed 2026-11-25 09:00"]),
        ("FREQ=DAILY;BYHOUR=9,17;BYMINUTE=30", {}, ["Mon 2026-11-23 17:30", "Tue 2026-11-24 09:30"]),
        ("FREQ=WEEKLY;BYDAY=TH,TU;BYHOUR=9", {}, ["Tue 2026-11-24 09:00", "Thu 2026-11-26 09:00"]),
        ("freq=weekly;byday=tu;byhour=9", {}, ["Tue 2026-11-24 09:00", "Tue 2026-12-01 09:00"]),
        ("FREQ=MONTHLY;BYDAY=1TU;BYHOUR=9", {}, ["Tue 2026-12-01 09:00", "Tue 2027-01-05 09:00"]),
        ("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9", {}, ["Fri 2026-11-27 09:00", "Fri 2026-12-25 09:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31;BYHOUR=9", {}, ["Thu 2026-12-31 09:00", "Sun 2027-01-31 09:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=9", {}, ["Mon 2026-11-30 09:00", "Thu 2026-12-31 09:00"]),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=9", {},
            ["Mon 2026-11-30 09:00", "Thu 2026-12-31 09:00"],
        ),
        ("FREQ=WEEKLY;INTERVAL=2", {"departs_from": "2026-11-10T09:15"},
         ["Tue 2026-11-24 09:15", "Tue 2026-12-08 09:15"]),
        ("FREQ=DAILY;INTERVAL=5", {"departs_from": "2026-11-20T09:00"},
         ["Wed 2026-11-25 09:00", "Mon 2026-11-30 09:00"]),
        ("FREQ=MONTHLY;INTERVAL=3", {"departs_from": "2026-01-15T09:00"},
         ["Fri 2027-01-15 09:00", "Thu 2027-04-15 09:00"]),
        ("FREQ=WEEKLY;BYDAY=TU", {"departs_from": "2026-12-08T09:00"},
         ["Tue 2026-12-08 09:00", "Tue 2026-12-15 09:00"]),
        (TUESDAYS, {"departs_from": "2020-01-07T09:00"},
         ["Tue 2026-11-24 09:00", "Tue 2026-12-01 09:00"]),
    ],
)  # fmt: skip
def test_the_schedule_follows_from_the_file(cadence: str, more: dict[str, str], leaves: list[str]) -> None:
    assert local(train(cadence, **more), "2026-11-23T12:00", 2) == leaves


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cadence": "FREQ=HOURLY"}, "begins with FREQ=DAILY, WEEKLY or MONTHLY, not 'FREQ=HOURLY'"),
        ({"cadence": "BYHOUR=9"}, "begins with FREQ="),
        ({"cadence": f"{TUESDAYS};COUNT=3"}, "no part 'COUNT'"),
        ({"cadence": f"{TUESDAYS};UNTIL=20270101"}, "no part 'UNTIL'"),
        ({"cadence": "FREQ=WEEKLY;BYDAYS=TU;BYHOUR=9"}, "no part 'BYDAYS'; did you mean 'BYDAY'"),
        ({"cadence": f"{TUESDAYS};BYHOUR=10"}, "BYHOUR is given twice"),
        ({"cadence": "FREQ=DAILY;BYHOUR=24"}, "BYHOUR=24 is not within 0 to 23"),
        ({"cadence": "FREQ=DAILY;BYHOUR="}, "BYHOUR= is not within"),
        ({"cadence": "FREQ=DAILY;BYHOUR=9;BYMINUTE=x"}, "BYMINUTE=X is not within"),
        ({"cadence": "FREQ=MONTHLY;BYMONTHDAY=0;BYHOUR=9"}, "BYMONTHDAY=0 is not within"),
        ({"cadence": "FREQ=DAILY;INTERVAL=0;BYHOUR=9"}, "INTERVAL=0 is not within 1 to 366"),
        ({"cadence": "FREQ=DAILY;INTERVAL=2,3;BYHOUR=9"}, "INTERVAL=2,3 must be one number"),
        ({"cadence": "FREQ=WEEKLY;BYDAY=TUE;BYHOUR=9"}, "'TUE' is no day"),
        ({"cadence": "FREQ=WEEKLY;BYDAY=XX;BYHOUR=9"}, "'XX' is no day"),
        ({"cadence": "FREQ=MONTHLY;BYDAY=6TU;BYHOUR=9"}, "no month has a 6TU"),
        ({"cadence": "FREQ=MONTHLY;BYDAY=0TU;BYHOUR=9"}, "no month has a 0TU"),
        ({"cadence": "FREQ=WEEKLY;BYDAY=1TU;BYHOUR=9"}, "needs FREQ=MONTHLY"),
        ({"cadence": "FREQ=WEEKLY;BYMONTHDAY=1;BYHOUR=9"}, "BYMONTHDAY needs FREQ=MONTHLY or DAILY"),
        ({"cadence": "FREQ=WEEKLY;BYDAY=TU;BYSETPOS=1;BYHOUR=9"}, "BYSETPOS needs FREQ=MONTHLY"),
        ({"cadence": "FREQ=MONTHLY;BYSETPOS=1;BYHOUR=9"}, "BYSETPOS picks from"),
        ({"cadence": "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=20;BYHOUR=9"}, "no train ever leaves"),
        ({"cadence": "FREQ=WEEKLY;BYDAY=TU"}, "does not say the hour: add BYHOUR"),
        ({"cadence": "FREQ=WEEKLY;BYHOUR=9"}, "does not say the day: add BYDAY"),
        ({"cadence": "FREQ=MONTHLY;BYHOUR=9"}, "does not say the day: add BYDAY or BYMONTHDAY"),
        ({"cadence": f"{TUESDAYS};INTERVAL=2"}, "from when INTERVAL counts"),
        ({"departs_from": "2026-11-23T09:00"}, "is no departure of .*; the first after it is 2026-11-24T09:00"),
        ({"departs_from": "2026-11-24T09:00Z"}, "must be wall-clock time in the train's zone"),
        ({"departs_from": "2026-11-24T09:00:30"}, "in minutes"),
        ({"departs_from": 20261124}, "20261124 is no departure; write it as 2026-11-24T09:00"),
        ({"departs_from": "20261124"}, "is no departure; write it as"),
        ({"zone": "Europe/Berln"}, "unknown IANA zone 'Europe/Berln'; did you mean 'Europe/Berlin'"),
        ({"zone": "localtime"}, "unknown IANA zone"),
        ({"in_freeze": "merge", "hold_for": "1d"}, "hold_for needs `in_freeze: hold`"),
        ({"in_freeze": "wait"}, "'hold' or 'merge'"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Train.model_validate({"cadence": TUESDAYS, "zone": "Europe/Berlin", **wrong})


def test_the_file_says_which_line_is_wrong() -> None:
    with pytest.raises(DocumentError) as wrong:
        read(Train, "cadence: FREQ=WEEKLY;BYDAY=TU;BYHOUR=9\nzone: Europe/Berln\n", "stationmaster.yaml")
    assert wrong.value.line == 2
    assert "did you mean 'Europe/Berlin'" in wrong.value.message


@pytest.mark.parametrize("text", ["2026-11-24T09:00", "2026-11-24T09:00:00", "2026-11-24 09:00", "'2026-11-24T09:00'"])
def test_the_first_train_is_read_as_yaml_writes_times(text: str) -> None:
    found = read(Train, f"cadence: {TUESDAYS}\nzone: Asia/Tokyo\ndeparts_from: {text}\n", "f").value
    assert departures(found, utc("2026-01-01T00:00"), 1) == (utc("2026-11-24T00:00"),)
    assert Train.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("zone", "hour", "minute", "leaves"),
    [
        ("Europe/Berlin", 1, 59, "2027-03-28T00:59"),
        ("Europe/Berlin", 2, 0, "2027-03-28T01:00"),  # 02:00 does not exist: 03:00 is the first that does
        ("Europe/Berlin", 2, 30, "2027-03-28T01:00"),
        ("Europe/Berlin", 2, 30, "2027-10-31T00:30"),  # twice: the first
        ("Europe/Berlin", 3, 0, "2027-10-31T02:00"),
        ("Africa/Cairo", 0, 0, "2027-04-29T22:00"),  # midnight does not exist: one o'clock
        ("America/Santiago", 0, 15, "2027-09-05T04:00"),
        ("Australia/Lord_Howe", 2, 10, "2027-10-02T15:30"),  # half an hour is skipped
        ("Australia/Lord_Howe", 1, 45, "2027-04-03T14:45"),  # and comes twice
        ("Pacific/Apia", 9, 0, "2011-12-30T10:00"),  # the whole day was skipped
    ],
)
def test_a_time_that_does_not_exist_moves_on_and_one_that_comes_twice_is_taken_once(
    zone: str, hour: int, minute: int, leaves: str
) -> None:
    daily = train(f"FREQ=DAILY;BYHOUR={hour};BYMINUTE={minute}", zone, departs_from=f"2011-01-01T{hour:02}:{minute:02}")
    found = departures(daily, utc(leaves) - timedelta(hours=5), 2)
    assert found[0] == utc(leaves)
    assert found[1] > utc(leaves) + timedelta(hours=8)


def test_two_times_that_fall_together_are_one_departure() -> None:
    found = departures(train("FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30"), utc("2027-03-28T00:00"), 3)
    assert found == (utc("2027-03-28T01:00"), utc("2027-03-28T01:30"), utc("2027-03-29T00:00"))


ZONES = ("Europe/Berlin", "America/Santiago", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")
CADENCES = (
    "FREQ=DAILY;BYHOUR=0,2;BYMINUTE=0,10,30",
    "FREQ=WEEKLY;BYDAY=SU,FR;BYHOUR=0,2,9;BYMINUTE=15",
    "FREQ=MONTHLY;BYDAY=-1SU,1SU;BYHOUR=2;BYMINUTE=5",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1;BYHOUR=9",
)


def as_prefect(train: Train, after: datetime, until: datetime) -> list[datetime]:
    """The instants that Prefect's RRuleSchedule.to_rrule finds: dateutil throughout, from the first train on."""
    zone = gettz(train.zone)
    assert zone is not None
    start, rule = prefect_rrule(train).splitlines()
    begin = datetime.strptime(start, "DTSTART:%Y%m%dT%H%M%S").replace(tzinfo=zone)
    zoned = rrulestr(rule, dtstart=begin)
    return [at.astimezone(UTC) for at in zoned.between(after, until)]


def exists(wall: datetime, zone: ZoneInfo) -> bool:
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall


@pytest.mark.parametrize("cadence", CADENCES)
@pytest.mark.parametrize("zone", ZONES)
def test_prefects_schedule_is_the_same_over_five_years_but_early_where_the_clock_jumps(zone: str, cadence: str) -> None:
    line, since, until = train(cadence, zone), utc("2026-11-23T00:00"), utc("2031-11-23T00:00")
    ours = [at for at in departures(line, since, 20_000) if at < until]
    theirs = as_prefect(line, since, until)
    assert len(ours) > 100
    odd = set(theirs) ^ set(ours)
    jumps = {at for at in ours if at.astimezone(ZoneInfo(zone)).utcoffset() != offset_before(at, zone)}
    for at in odd - jumps:  # Prefect's own: shortly before a departure of ours that the jump moved
        assert any(timedelta() < jump - at <= timedelta(hours=1) for jump in jumps)
    assert odd & set(ours) <= jumps
    assert bool(odd) == bool(jumps)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
def test_prefect_itself_finds_what_dateutil_does(zone: str) -> None:
    from prefect.server.schemas.schedules import RRuleSchedule  # noqa: PLC0415 - takes seconds

    line, since = train(CADENCES[1], zone), utc("2026-11-23T00:00")
    dates = asyncio.run(RRuleSchedule(rrule=prefect_rrule(line), timezone=zone).get_dates(n=900, start=since))
    assert [at.astimezone(UTC) for at in dates] == as_prefect(line, since, utc("2031-11-23T00:00"))[:900]


def offset_before(at: datetime, zone: str) -> timedelta | None:
    return (at - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).utcoffset()


cadences = st.one_of(
    st.builds(
        "FREQ=DAILY;INTERVAL={};BYHOUR={};BYMINUTE={}".format, st.integers(1, 9), st.integers(0, 23), st.integers(0, 59)
    ),
    st.builds(
        "FREQ=WEEKLY;INTERVAL={};BYDAY={};BYHOUR=2".format, st.integers(1, 5), st.sampled_from(["TU", "MO,SU,WE"])
    ),
    st.builds(
        "FREQ=MONTHLY;INTERVAL={};BYMONTHDAY={};BYHOUR=2".format, st.integers(1, 5), st.sampled_from(["1,31", "-1"])
    ),
)


@settings(deadline=None, max_examples=60)
@given(cadences, st.sampled_from(ZONES), st.integers(0, 3000), st.integers(0, 86400 * 365 * 6))
def test_where_one_begins_to_ask_changes_nothing(cadence: str, zone: str, first: int, later: int) -> None:
    begin = rrulestr(f"DTSTART:20240101T000000\nRRULE:{cadence}").after(datetime(2024, 1, 1) + timedelta(days=first))  # noqa: DTZ001
    assert begin is not None
    line = train(cadence, zone, departs_from=begin.isoformat())
    known = departures(line, utc("2023-12-30T00:00"), 400)
    assert list(known) == sorted(set(known))
    after = utc("2024-01-01T00:00") + timedelta(seconds=later)
    expected = [at for at in known if at > after][:5]
    assert list(departures(line, after, 5))[: len(expected)] == expected
    wall = known[0].astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert wall == begin or not exists(begin, ZoneInfo(zone))


def test_departures_are_found_as_fast_in_twenty_years_as_now() -> None:
    def took(year: int) -> float:
        begun = perf_counter()
        assert len(departures(train(), datetime(year, 1, 1, tzinfo=UTC), 200)) == 200
        return perf_counter() - begun

    took(2025)
    assert min(took(2046) for _ in range(5)) < 5 * min(took(2025) for _ in range(5))


def test_the_next_departure_is_after_the_instant_and_its_cut_off_in_real_time_before_it() -> None:
    assert next_departure(train(), LEAVES) == FOLLOWING
    assert next_departure(train(), LEAVES - timedelta(seconds=1)) == LEAVES
    sunday = train("FREQ=WEEKLY;BYDAY=SU;BYHOUR=4", cut_off="3h")
    leaves = next_departure(sunday, utc("2027-03-27T00:00"))
    assert (
        cut_off_of(sunday, leaves).astimezone(ZoneInfo("Europe/Berlin")).hour == 0
    )  # three hours on the shortest night


def test_a_train_is_a_release_with_the_minute_of_its_departure() -> None:
    assert train_id("orderdesk", utc("2026-11-24T09:00")) == "orderdesk-train-2026-11-24-0900"
    assert train_id("orderdesk", LEAVES.astimezone(ZoneInfo("Europe/Berlin"))) == "orderdesk-train-2026-11-24-0800"


@given(st.from_regex(ID, fullmatch=True), st.from_regex(ID, fullmatch=True))
def test_every_product_gets_ids_of_its_own(one: str, other: str) -> None:
    ids = {train_id(one, LEAVES), train_id(other, LEAVES)}
    assert all(ID.fullmatch(each) for each in ids)
    assert len(ids) == len({one, other})


def test_long_names_that_begin_alike_stay_apart() -> None:
    one, other = train_id("a" * 62 + "b", LEAVES), train_id("a" * 63, LEAVES)
    assert one != other
    assert len(one) == len(other) == 63


def shut(until: datetime | None) -> Window:
    return Window(open=False, reason="production is frozen: audit", until=until)


def asked(hours: float, line: Train | None = None, **given: Any) -> tuple[Answer, str, datetime | None]:
    """The decision so many hours after the departure of LEAVES."""
    values = {"aboard": ["c1", "c2"], "cut": True, "window": OPEN, "owed": (), **given}
    found = decide(line or train(), LEAVES, LEAVES + timedelta(hours=hours), **values)
    return found.answer, found.reason, found.until


@pytest.mark.parametrize(
    ("hours", "cut", "answer", "until"),
    [
        (-100, False, "not_yet", LEAVES - timedelta(hours=2)),
        (-2.001, False, "not_yet", LEAVES - timedelta(hours=2)),
        (-2, False, "cut", None),
        (-2, True, "not_yet", LEAVES),
        (-0.001, True, "not_yet", LEAVES),
        (0, True, "depart", None),
        (5, False, "cut", None),  # whoever asks late cuts first
        (5, True, "depart", None),
        (24 * 7 - 0.001, True, "depart", None),
        (24 * 7, True, "merged_into_next", None),
        (24 * 7, False, "merged_into_next", None),
    ],
)
def test_a_train_is_cut_at_its_cut_off_and_leaves_at_its_departure(
    hours: float,
    cut: bool,  # noqa: FBT001 - a table
    answer: Answer,
    until: datetime | None,
) -> None:
    said, reason, when = asked(hours, cut=cut)
    assert (said, when) == (answer, until)
    assert reason


@pytest.mark.parametrize("hours", [-2, 0, 3, 24 * 7])
def test_an_empty_train_does_nothing_and_says_so(hours: float) -> None:
    owed = [MergeBack("h1", "dana", "main", LEAVES - timedelta(days=9), LEAVES - timedelta(days=6))]
    said = asked(hours, aboard=[], cut=False, window=shut(None), owed=owed)
    assert said == ("empty", "nothing was merged for the train of 2026-11-24T08:00:00Z: it does not run", None)


def test_before_the_cut_off_a_train_may_still_fill() -> None:
    assert asked(-3, aboard=[], cut=False)[0] == "not_yet"


def test_in_a_freeze_the_train_is_held_and_says_until_when() -> None:
    ends = LEAVES + timedelta(hours=30)
    answer, reason, until = asked(0, window=shut(ends))
    assert (answer, until) == ("held", ends)
    assert reason == (
        "production is frozen: audit; it leaves at the next open slot, "
        "or is merged into the next train at 2026-12-01T08:00:00Z"
    )
    assert asked(30) == ("depart", "it leaves with 2 changes", None)


@pytest.mark.parametrize(
    ("hold_for", "ends", "until"),
    [
        (None, None, 24 * 7),  # only a person ends it: held until the next train leaves
        (None, 24 * 30, 24 * 7),
        ("2d", None, 48),
        ("2d", 60, 48),
        ("9d", None, 24 * 7),
    ],
)
def test_it_is_held_no_longer_than_said_and_never_beyond_the_next_train(
    hold_for: str | None, ends: int | None, until: int
) -> None:
    line, window = train(hold_for=hold_for), shut(LEAVES + timedelta(hours=ends) if ends else None)
    assert asked(1, line, window=window)[::2] == ("held", LEAVES + timedelta(hours=until))
    assert asked(until, line, window=window)[0] == "merged_into_next"


def test_after_its_time_it_leaves_still_when_the_freeze_is_over_before_the_next_train() -> None:
    assert asked(50, train(hold_for="2d"))[0] == "depart"


def test_in_a_freeze_it_merges_into_the_next_when_so_configured() -> None:
    line = train(in_freeze="merge")
    answer, reason, until = asked(0, line, window=shut(LEAVES + timedelta(minutes=1)))
    assert (answer, until) == ("merged_into_next", None)
    assert reason == "production is frozen: audit; it leaves with the next train, at 2026-12-01T08:00:00Z"
    assert asked(-1, line, window=shut(None), cut=False)[0] == "cut"  # the freeze is asked when it would leave


def test_everything_that_closes_production_is_told() -> None:
    window = all_of([OPEN, shut(None), Window(open=False, reason="ring pilot is frozen")])
    assert "production is frozen: audit, and ring pilot is frozen" in asked(0, window=window)[1]


DUE = LEAVES - timedelta(hours=1)


def late(release: str, owner: str) -> MergeBack:
    return MergeBack(release, owner, "main", DUE - timedelta(days=3), DUE)


@pytest.mark.parametrize("cut", [True, False])
def test_an_overdue_merge_back_blocks_the_train_and_names_hotfix_and_owner(cut: bool) -> None:  # noqa: FBT001 - a table
    answer, reason, until = asked(0, owed=[late("h1", "dana"), late("h2", "emil")], cut=cut)
    assert (answer, until) == ("blocked", FOLLOWING)
    assert "h1 is not merged back into main, owed since 2026-11-21T07:00:00Z" in reason
    assert "h2 is not merged back into main, owed since" in reason


def test_a_merge_back_that_is_not_overdue_or_done_blocks_nobody() -> None:
    done = MergeBack("h2", "emil", "main", DUE - timedelta(days=3), DUE, merged=DUE)
    assert asked(-2, owed=[late("h1", "dana"), done], cut=False)[0] == "cut"
    assert asked(0, owed=[done])[0] == "depart"


def test_a_blocked_train_does_not_wait_beyond_the_next() -> None:
    assert asked(24 * 7, owed=[late("h1", "dana")])[0] == "merged_into_next"


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_train_leaves_early_empty_uncut_frozen_or_with_an_overdue_debt(data: st.DataObject) -> None:
    hours, cut, blocked = data.draw(st.integers(-300, 300)), data.draw(st.booleans()), data.draw(st.booleans())
    now = LEAVES + timedelta(hours=hours)
    window = data.draw(st.sampled_from([OPEN, shut(None), shut(now + timedelta(hours=20))]))
    line = train(in_freeze=data.draw(st.sampled_from(["hold", "merge"])))
    aboard, owed = data.draw(st.sampled_from([[], ["c1"]])), [late("h1", "dana")] if blocked else []
    answer, reason, until = asked(hours, line, cut=cut, window=window, owed=owed, aboard=aboard)
    if answer == "depart":
        assert LEAVES <= now < FOLLOWING
        assert cut
        assert aboard
        assert window.open
        assert not blocked
    assert reason
    assert until is None or until > now
    assert (answer in {"not_yet", "held", "blocked"}) == (until is not None)


def test_one_change_is_not_counted_as_several() -> None:
    assert asked(0, aboard=["c1"])[1] == "it leaves with 1 change"
