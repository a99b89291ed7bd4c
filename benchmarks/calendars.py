"""What a plan over 400 days costs for 10,000 tenants, each with three windows and two blackouts of its own making.

Cold is the first plan of a process, from calendars as they are read out of files to waves; warm is the second, with
everything known. Beside it, in the same run and for fewer tenants: dateutil, which expands each tenant's rules and
does nothing else, and recurring-ical-events, which does the same from iCalendar.
"""

import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from json import dumps, loads
from typing import TypeVar
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
from dateutil.rrule import rrulestr

from stationmaster.domain.calendar import Calendar, Named
from stationmaster.domain.candidates import Openings, candidates
from stationmaster.domain.slots import RINGS, Limits, Slotted, common_slot, lay_out
from stationmaster.domain.tenants import Tenant

T = TypeVar("T")

BEGIN = datetime(2026, 11, 24, tzinfo=UTC)
HORIZON = timedelta(days=400)
ZONES = (
    "Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "America/Santiago", "Asia/Kolkata",
    "Asia/Tokyo", "Asia/Beirut", "Africa/Cairo", "Australia/Lord_Howe", "Australia/Sydney", "Pacific/Auckland",
)  # fmt: skip
WEEK = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
SLOT = 2700
LIMIT_COLD_S, LIMIT_WARM_S, LIMIT_COMMON_S, LIMIT_MB = 10.0, 0.5, 1.0, 600.0


def main() -> dict[str, float]:
    """Each size in a process of its own, so that none finds what another left."""
    sizes = {size: _apart("plans", size) for size in (100, 1_000, 10_000)}
    big, peers = sizes[10_000], _apart("peers", 200)
    return {
        **{f"cold_{size}_seconds": round(sizes[size]["cold"], 2) for size in sizes},
        "limit_cold_10000_seconds": LIMIT_COLD_S,
        "growth_100_to_1000": round(sizes[1_000]["cold"] / sizes[100]["cold"], 1),
        "growth_1000_to_10000": round(big["cold"] / sizes[1_000]["cold"], 1),
        **{f"warm_{size}_seconds": round(sizes[size]["warm"], 3) for size in sizes},
        "limit_warm_10000_seconds": LIMIT_WARM_S,
        "warm_growth_1000_to_10000": round(big["warm"] / sizes[1_000]["warm"], 1),
        "waves_10000": big["waves"],
        "unplaced_10000": big["unplaced"],
        "memory_10000_mb": round(big["memory"], 0),
        "limit_memory_mb": LIMIT_MB,
        **{f"common_{size}_seconds": round(sizes[size]["common"], 3) for size in sizes},
        "common_10000_suits": big["suits"],
        "limit_common_seconds": LIMIT_COMMON_S,
        **{f"{name}_200_seconds": round(seconds, 2) for name, seconds in peers.items()},
        **{f"{name}_vs_ours": round(peers[name] / peers["ours"], 1) for name in ("dateutil", "ical_events")},
    }


def plans(size: int) -> dict[str, float]:
    """Seconds of a cold and a warm plan and of a common slot; the memory of the whole process in MB."""
    tenants, calendars = made(size)
    openings = Openings(_seconds(BEGIN), _seconds(BEGIN + HORIZON))
    cold, first = _timed(lambda: planned(tenants, calendars, openings))
    warm, second = _timed(lambda: planned(tenants, calendars, openings))
    if first.digest != second.digest:
        raise SystemExit("the same tenants gave another plan")
    every = candidates(tenants, calendars, openings, BEGIN, SLOT)
    common, found = _timed(lambda: common_slot(every, SLOT, openings.begin, openings.end))
    return {
        "cold": cold,
        "warm": warm,
        "common": common,
        "suits": size - len(found.left),
        "waves": len(first.waves),
        "unplaced": len(first.unplaced),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def peers(size: int) -> dict[str, float]:
    """Seconds for the same calendars: ours, dateutil and recurring-ical-events. The peers only expand the rules."""
    tenants, calendars = made(size)
    openings = Openings(_seconds(BEGIN), _seconds(BEGIN + HORIZON))
    named = [calendars[tenant.id][0].calendar for tenant in tenants]
    return {
        "ours": _timed(lambda: planned(tenants, calendars, openings))[0],
        "dateutil": _timed(lambda: [_by_dateutil(each) for each in named])[0],
        "ical_events": _timed(lambda: [_by_ical_events(each) for each in named])[0],
    }


def planned(tenants: Sequence[Tenant], calendars: dict[str, tuple[Named, ...]], openings: Openings) -> Slotted:
    """One plan, from calendars to waves."""
    every = candidates(tenants, calendars, openings, BEGIN, SLOT)
    return lay_out(every, RINGS, Limits(SLOT), openings.begin, openings.end)


def made(size: int) -> tuple[list[Tenant], dict[str, tuple[Named, ...]]]:
    """Tenants over twelve zones, no two calendars made from one; the same at every call."""
    dice = random.Random(7)  # noqa: S311 - dice, no secret
    names = [f"t-{number:05}" for number in range(size)]
    tenants = [Tenant(id=name, name=name, ring=dice.choice(RINGS)) for name in names]
    return tenants, {name: (Named(f"{name}.yaml", Calendar.model_validate(_calendar(dice))),) for name in names}


def _calendar(dice: random.Random) -> dict[str, object]:
    days = dice.sample(WEEK, 3)
    windows = [
        {
            "name": f"window {day}",
            "rrule": f"FREQ=WEEKLY;BYDAY={day}",
            "start": f"{dice.randrange(18, 24)}:{dice.choice(('00', '15', '30'))}",
            "end": f"0{dice.randrange(2, 6)}:{dice.choice(('00', '15', '30'))}",
        }
        for day in days
    ]
    first = date(2026, 12, 1) + timedelta(days=dice.randrange(300))
    blackouts = [
        {"name": "month end", "rrule": f"FREQ=MONTHLY;BYMONTHDAY=-{dice.randrange(2, 5)},-1,1", "all_day": True},
        {"name": "audit", "from": f"{first}T00:00", "to": f"{first + timedelta(days=dice.randrange(2, 9))}T00:00"},
    ]
    return {
        "timezone": dice.choice(ZONES),
        "windows": windows,
        "blackouts": blackouts,
        "cutoff": f"{dice.choice((0, 15, 30))}m",
        "min_notice_days": dice.choice((0, 0, 5, 10)),
    }


def _by_dateutil(calendar: Calendar) -> int:
    """How many instants: each day a rule names, at its wall-clock times, in UTC."""
    zone, begin, count = ZoneInfo(calendar.timezone), BEGIN.replace(tzinfo=None), 0
    for rule in (*calendar.windows, *calendar.blackouts):
        if rule.rrule is None:
            continue
        for day in rrulestr(rule.rrule, dtstart=begin).between(begin, begin + HORIZON):
            count += len({datetime.combine(day, at or datetime.min.time(), zone).astimezone(UTC)
                          for at in (rule.start, rule.end)})  # fmt: skip
    return count


def _by_ical_events(calendar: Calendar) -> int:
    """How many events."""
    zone, ical = ZoneInfo(calendar.timezone), icalendar.Calendar()
    for rule in (*calendar.windows, *calendar.blackouts):
        if rule.rrule is None:
            continue
        event, start = icalendar.Event(), datetime.combine(BEGIN.date(), rule.start or datetime.min.time(), zone)
        event.add("dtstart", start)
        event.add("dtend", start + timedelta(hours=6))
        event.add("rrule", icalendar.vRecur.from_ical(rule.rrule))
        ical.add_component(event)
    return len(recurring_ical_events.of(ical).between(BEGIN, BEGIN + HORIZON))


def _apart(what: str, size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.calendars", what, str(size)]
    found: dict[str, float] = loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _timed(ask: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    found = ask()
    return time.perf_counter() - began, found


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


if __name__ == "__main__":
    print(dumps({"plans": plans, "peers": peers}[sys.argv[1]](int(sys.argv[2])) if sys.argv[1:] else main()))
