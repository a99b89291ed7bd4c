"""Zones are those of tzdata, whatever the machine has; wall times are instants, also where the clocks jump."""

import zoneinfo
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stationmaster.domain.wall_times import DAY, new_year, offsets
from stationmaster.domain.zones import countries, instant_of, known_zones, tzdata_version, zone

# Both hemispheres, half an hour of DST, odd offsets, no midnight or two of them, a day left out, DST that is less.
ZONES = (
    "UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/Havana", "America/Santiago",
    "America/Asuncion", "America/Sao_Paulo", "America/St_Johns", "Atlantic/Azores", "Africa/Cairo",
    "Africa/Casablanca", "Asia/Beirut", "Asia/Kathmandu", "Asia/Tehran", "Australia/Lord_Howe", "Australia/Adelaide",
    "Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati", "Antarctica/Troll",
)  # fmt: skip
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock time


def wall(text: str) -> int:
    return int((datetime.fromisoformat(text) - EPOCH).total_seconds())


def said(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def test_what_lies_on_the_machine_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    assert {"Europe/Berlin", "UTC", "US/Eastern"} <= known_zones()
    assert not {"localtime", "Factory", "posixrules"} & known_zones()
    assert zone("Europe/Berlin") is zone("Europe/Berlin")
    assert zone("Europe/Berlin").key == "Europe/Berlin"
    assert tzdata_version()[:4].isdigit()


def test_every_known_zone_can_be_read() -> None:
    assert all(datetime(2026, 7, 1, tzinfo=zone(name)).utcoffset() is not None for name in known_zones())


@pytest.mark.parametrize("name", ["Europe/Berln", "../../etc/passwd", "", "europe/berlin", "Factory"])
def test_an_unknown_zone_is_an_error_and_never_utc(name: str) -> None:
    with pytest.raises(ValueError, match="unknown IANA zone"):
        zone(name)


@pytest.mark.parametrize(
    ("name", "text", "start", "end"),
    [
        ("Europe/Berlin", "2027-03-28T02:30", "2027-03-28 01:00", "2027-03-28 01:00"),  # jumped over
        ("Europe/Berlin", "2027-03-28T03:00", "2027-03-28 01:00", "2027-03-28 01:00"),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25 00:30", "2026-10-25 01:30"),  # twice
        ("Europe/Berlin", "2026-10-25T02:00", "2026-10-25 00:00", "2026-10-25 01:00"),
        ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25 02:00", "2026-10-25 02:00"),
        ("Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03 14:45", "2027-04-03 15:15"),  # half an hour, twice
        ("Africa/Cairo", "2027-04-30T00:00", "2027-04-29 22:00", "2027-04-29 22:00"),  # no midnight
        ("Atlantic/Azores", "2026-10-25T00:00", "2026-10-25 00:00", "2026-10-25 01:00"),  # two midnights
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30 10:00", "2011-12-30 10:00"),  # a day that never was
    ],
)
def test_a_bound_where_the_clocks_change(name: str, text: str, start: str, end: str) -> None:
    known, walls = offsets(name, int(text[:4])), np.array([wall(text)])
    assert (said(int(known.starts(walls)[0])), said(int(known.ends(walls)[0]))) == (start, end)


@pytest.mark.parametrize("name", ZONES)
@settings(max_examples=40)
@given(year=st.integers(2000, 2045), minute=st.integers(0, 366 * 24 * 60))
def test_a_start_is_what_one_alone_is_and_after_an_end_the_clocks_show_more(name: str, year: int, minute: int) -> None:
    clock, known = zone(name), offsets(name, year)
    local = wall(f"{year}-01-01T00:00") + minute * 60
    start, end = (int(of(np.array([local]))[0]) for of in (known.starts, known.ends))
    assert start == int(instant_of(EPOCH + timedelta(seconds=local), clock).timestamp())
    assert start <= end
    assert shown(end, name) == local or shown(end - 1, name) < local < shown(end, name)
    assert all(shown(at, name) > local for at in range(end + 1, end + 2 * DAY, 1800))


def shown(at: int, name: str) -> int:
    offset = datetime.fromtimestamp(at, zone(name)).utcoffset()
    assert offset is not None
    return at + int(offset.total_seconds())


def test_the_countries_of_a_zone() -> None:
    assert "DE" in countries("Europe/Berlin")
    assert countries("UTC") == countries("US/Eastern") == frozenset()


def test_the_first_second_of_a_year() -> None:
    assert said(new_year(2027)) == "2027-01-01 00:00"
