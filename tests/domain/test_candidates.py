"""Tenants and their calendars on the way into a plan: cutoff, notice, reasons, and the limits of stationmaster.yaml."""

from datetime import UTC, datetime

import pytest

from stationmaster.domain.calendar import Calendar, Named
from stationmaster.domain.candidates import Openings, candidates, earliest, limits, midnights
from stationmaster.domain.tenants import Tenant
from tests.domain.test_plan import product

DAY = 86_400
BEGIN = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp())
NIGHTLY = {"name": "night", "rrule": "FREQ=DAILY", "start": "22:00", "end": "23:00"}


def tenant(name: str, notice_days: int = 0) -> Tenant:
    return Tenant(id=name, name=name, ring="pilot", notice_days=notice_days)


def calendar(**keys: object) -> tuple[Named, ...]:
    return (Named("a.yaml", Calendar.model_validate({"timezone": "UTC", "windows": [NIGHTLY], **keys})),)


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_the_cutoff_is_taken_off_every_end_and_not_off_the_end_of_the_plan() -> None:
    cut = Openings(BEGIN, BEGIN + 2 * DAY).of(calendar(cutoff="20m")).pairs()
    assert [(start - BEGIN, end - BEGIN) for start, end in cut] == [
        (day * DAY + 22 * 3600, day * DAY + 22 * 3600 + 2400) for day in (0, 1)
    ]
    always = (Named("a.yaml", Calendar(timezone="UTC", default="open", cutoff=1200)),)
    assert Openings(BEGIN, BEGIN + DAY).of(always).pairs() == [(BEGIN, BEGIN + DAY)]
    assert not Openings(BEGIN, BEGIN + DAY).of(calendar(cutoff="1h"))


def test_calendars_are_asked_once() -> None:
    shared, openings = calendar(), Openings(BEGIN, BEGIN + DAY)
    assert openings.of(shared) is openings.of(shared)
    first, second = candidates([tenant("x"), tenant("y")], {"x": shared, "y": shared}, openings, datetime.now(UTC), 60)
    assert first.opening is second.opening


def test_without_a_calendar_the_reason_stands_for_the_rules() -> None:
    (one,) = candidates([tenant("x")], {"x": "it is lost"}, Openings(BEGIN, BEGIN + DAY), datetime.now(UTC), 60)
    assert not one.opening
    assert one.rules(BEGIN) == ("it is lost",)


def test_what_leaves_no_slot_is_named() -> None:
    blackout = {"name": "peak", "from": "2026-11-24T00:00", "to": "2026-11-26T00:00"}
    openings = Openings(BEGIN, BEGIN + 2 * DAY)
    (one,) = candidates([tenant("x")], {"x": calendar(blackouts=[blackout])}, openings, datetime.now(UTC), 60)
    assert one.rules(BEGIN) == one.rules(BEGIN) == ("a.yaml#peak",)
    (free,) = candidates([tenant("x")], {"x": calendar()}, openings, datetime.now(UTC), 60)
    assert free.rules(BEGIN) == ()


@pytest.mark.parametrize(("own", "of_calendar", "days"), [(3, 0, 3), (0, 4, 4), (3, 4, 4), (5, 4, 5)])
def test_the_longer_notice_counts(own: int, of_calendar: int, days: int) -> None:
    sent = datetime(2026, 11, 24, 12, tzinfo=UTC)
    calendars = {"x": calendar(min_notice_days=of_calendar)}
    (one,) = candidates([tenant("x", own)], calendars, Openings(BEGIN, BEGIN + DAY), sent, 60)
    assert one.not_before == BEGIN + days * DAY


@pytest.mark.parametrize(
    ("sent", "days", "zone", "ends"),
    [
        ("2026-11-24T23:30:00Z", 1, "Europe/Berlin", "2026-11-25T23:00:00Z"),  # it is the 25th in Berlin
        ("2026-11-24T12:00:00Z", 0, "UTC", "2026-11-24T00:00:00Z"),
        ("2027-03-27T12:00:00Z", 1, "Asia/Beirut", "2027-03-27T22:00:00Z"),  # no midnight: the instant of the jump
        ("2027-04-29T12:00:00Z", 1, "Africa/Cairo", "2027-04-29T22:00:00Z"),
        ("2027-03-27T12:00:00Z", 2, "Europe/Berlin", "2027-03-28T22:00:00Z"),  # over the change of clocks
    ],
)
def test_a_notice_ends_at_local_midnight(sent: str, days: int, zone: str, ends: str) -> None:
    assert earliest(datetime.fromisoformat(sent), days, zone) == seconds(ends)


def test_days_begin_at_local_midnight_and_are_as_long_as_they_are() -> None:
    found = midnights("Europe/Berlin", seconds("2027-03-27T12:00:00Z"), seconds("2027-03-29T12:00:00Z"))
    assert found == tuple(seconds(f"2027-03-{at}:00:00Z") for at in ("26T23", "27T23", "28T22"))


def test_the_configuration_limits_a_plan() -> None:
    hours = Calendar.model_validate({"timezone": "Europe/Berlin", "windows": [NIGHTLY]})
    plain = product()
    told = limits(plain, None, BEGIN, BEGIN + DAY, "stationmaster.yaml")
    assert (told.duration, told.gather, told.per_wave, told.per_day) == (2700, DAY, None, None)
    assert (told.support, told.days) == (None, None)
    assert set(told.soak.values()) == {0}
    with_hours = plain.model_copy(update={"support": plain.support.model_copy(update={"hours": hours})})
    told = limits(with_hours, 60, BEGIN, BEGIN + DAY, "stationmaster.yaml")
    assert told.duration == 60
    assert told.support is not None
    assert told.support.pairs() == [(BEGIN + 21 * 3600, BEGIN + 22 * 3600)]
    assert told.days == (BEGIN - 3600, BEGIN + DAY - 3600)


def test_a_calendar_that_nobody_can_answer_costs_its_own_tenant_alone() -> None:
    begin = seconds("2036-06-01T00:00:00Z")
    dark = calendar(blackouts=[{"name": "festivals", "holidays": "IN"}])
    several, openings = {"x": dark, "y": calendar()}, Openings(begin, begin + DAY)
    first, second = candidates([tenant("x"), tenant("y")], several, openings, datetime.now(UTC), 60)
    assert not first.opening
    (why,) = first.rules(begin)
    assert why == "a.yaml#festivals: the public holidays of IN are known from 2001 to 2035, not in 2036"
    assert second.opening
