"""Tenants and their calendars as a plan wants them: when each is open, from when on, and what keeps it closed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial

from stationmaster.domain.calendar import Action, Named
from stationmaster.domain.calendar_answers import cutoff, notice_days, opening
from stationmaster.domain.calendar_rules import UnknownDaysError
from stationmaster.domain.calendar_slots import Nowhere, next_slot
from stationmaster.domain.product import Product
from stationmaster.domain.slots import Candidate, Limits
from stationmaster.domain.spans import Spans
from stationmaster.domain.tenants import Tenant
from stationmaster.domain.zones import instant_of, zone


class Openings:
    """When calendars are open during [begin, end), each asked once: a second plan within that time asks none again.

    Calendars are known by what holds them, so tenants who share one should share its tuple.
    """

    def __init__(self, begin: int, end: int, action: Action = "deploy") -> None:
        self.begin, self.end = begin, end
        self._action: Action = action
        self._known: dict[int, tuple[Sequence[Named], Spans]] = {}

    def of(self, calendars: Sequence[Named]) -> Spans:
        """When work may go on; what is after the last cutoff is taken off."""
        if id(calendars) not in self._known:
            cut = cutoff(calendars)
            found = opening(calendars, self.begin, self.end + cut, self._action)
            ends = found.ends - cut
            some = found.starts < ends
            self._known[id(calendars)] = (calendars, Spans(found.starts[some], ends[some]))
        return self._known[id(calendars)][1]


def candidates(
    tenants: Iterable[Tenant],
    calendars: Mapping[str, tuple[Named, ...] | str],
    openings: Openings,
    sent: datetime,
    duration: int,
) -> list[Candidate]:
    """The tenants, each with its calendars or closed for the reason that stands in their place. `sent` is when notices
    are taken to be sent; `duration` in seconds.
    """
    whys = _Whys(duration, openings.end)
    return [_candidate(tenant, calendars[tenant.id], openings, sent, whys) for tenant in tenants]


def _candidate(
    tenant: Tenant, calendars: tuple[Named, ...] | str, openings: Openings, sent: datetime, whys: "_Whys"
) -> Candidate:
    if isinstance(calendars, str):
        reason = (calendars,)
        return Candidate(tenant.id, tenant.ring, Spans.nothing(), 0, lambda _: reason)
    days = max(tenant.notice_days, notice_days(calendars))
    noticed = earliest(sent, days, calendars[0].calendar.timezone) if days else 0
    return Candidate(tenant.id, tenant.ring, openings.of(calendars), noticed, partial(whys.of, calendars))


class _Whys:
    """What leaves no slot from an instant on until the end, asked once for all who share the calendars; nothing if only
    the end comes too soon.
    """

    def __init__(self, duration: int, end: int) -> None:
        self._duration, self._end = timedelta(seconds=duration), end
        self._known: dict[tuple[int, int], tuple[Sequence[Named], tuple[str, ...]]] = {}

    def of(self, calendars: Sequence[Named], at: int) -> tuple[str, ...]:
        asked = (id(calendars), at)
        if asked not in self._known:
            self._known[asked] = (calendars, self._found(calendars, at))  # held, so that no other gets its id
        return self._known[asked][1]

    def _found(self, calendars: Sequence[Named], at: int) -> tuple[str, ...]:
        after = datetime.fromtimestamp(at, UTC)
        try:
            found = next_slot(calendars, self._duration, after, timedelta(seconds=self._end - at))
        except UnknownDaysError as error:
            return (error.message,)
        return found.why if isinstance(found, Nowhere) else ()


@cache
def earliest(sent: datetime, days: int, zone_name: str) -> int:
    """The end of a notice: local midnight of the day so many days after the local day on which it was sent, in seconds
    since the epoch. Where midnight does not exist it is the instant of the jump.
    """
    day = sent.astimezone(zone(zone_name)).date() + timedelta(days=days)
    return _midnight(day, zone_name)


def limits(product: Product, duration: int | None, begin: int, end: int, file: str) -> Limits:
    """What `stationmaster.yaml` says about a plan; `file` is what it is called. A release watches each wave before the
    next begins.
    """
    hours = product.support.hours
    return Limits(
        duration=duration if duration is not None else product.slot,
        soak={ring.name: ring.soak for ring in product.rings},
        gather=product.gather,
        per_wave=product.capacity.per_wave,
        per_day=product.capacity.per_day,
        one_at_a_time=True,
        support=opening([Named(file, hours)], begin, end) if hours else None,
        days=midnights(hours.timezone, begin, end) if hours else None,
    )


def midnights(zone_name: str, begin: int, end: int) -> tuple[int, ...]:
    """When the local days begin that meet [begin, end)."""
    first, last = (datetime.fromtimestamp(at, zone(zone_name)).date() for at in (begin, end))
    return tuple(_midnight(first + timedelta(days=day), zone_name) for day in range((last - first).days + 1))


def _midnight(day: date, zone_name: str) -> int:
    return int(instant_of(datetime.combine(day, datetime.min.time()), zone(zone_name)).timestamp())
