"""Where is the next slot of several calendars, and if there is none, which rules leave no room?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stationmaster.domain.calendar import DEFAULT, Action, Named
from stationmaster.domain.calendar_answers import (
    by_windows,
    cutoff,
    governed,
    opening,
    seconds_of,
    spans_of,
    unknown_days,
    unsure,
    utc,
)
from stationmaster.domain.calendar_fields import Governed
from stationmaster.domain.spans import Spans

HORIZON = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Slot:
    """From start to end, in UTC; what begins at start ends in time before the opening closes."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No slot within the horizon; `why` are the rules, sorted `FILE#name`, that leave no room."""

    why: tuple[str, ...]


def next_slot(
    calendars: Sequence[Named],
    duration: timedelta,
    after: datetime,
    horizon: timedelta = HORIZON,
    action: Action = "deploy",
) -> Slot | Nowhere:
    """The earliest slot of that length, in whole seconds, that starts within the horizon, not before an aware instant,
    and ends the longest cutoff before the opening closes.

    Raises:
        ValueError: there is no calendar, the duration is not positive, or the instant has no zone.
        OutsideCalendarsError: an instant is not within the years that can be asked about.
        UnknownDaysError: there is no slot that is known, and there may be one on days that are not.
    """
    length = int(duration.total_seconds())
    if length <= 0:
        raise ValueError("a slot lasts at least a second")
    counted = governed(action)
    begin = seconds_of(after) + (after.microsecond > 0)
    search = _Search(
        length + (cutoff(calendars) if counted else 0), begin, begin + int(horizon.total_seconds()), action
    )
    start = search.start(calendars)
    if start is not None:
        return Slot(utc(start), utc(start + length))
    dark = search.unsure(calendars)
    if dark is not None:
        raise unknown_days(calendars, dark, action)
    return Nowhere(tuple(sorted(set(search.in_the_way(calendars, counted)))) if counted else ())


@dataclass(frozen=True, slots=True)
class _Search:
    """For so many seconds, beginning from `begin` to before `limit`."""

    needed: int
    begin: int
    limit: int
    action: Action

    def start(self, calendars: Sequence[Named]) -> int | None:
        found = opening(calendars, self.begin, self.limit + self.needed, self.action)
        start = found.first_fit(self.needed, self.begin)
        return start if start is not None and start < self.limit else None

    def unsure(self, calendars: Sequence[Named]) -> int | None:
        """The first unknown second of a slot that there may be."""
        within = (self.begin, self.limit + self.needed)
        dark = unsure(calendars, *within, self.action)
        possible = dark | opening(calendars, *within, self.action)
        start = possible.first_fit(self.needed, self.begin) if dark else None
        if start is None or start >= self.limit:
            return None
        return int(dark.within(start, start + self.needed).starts[0])

    def in_the_way(self, calendars: Sequence[Named], action: Governed) -> Iterator[str]:
        """What closes the calendars that have no slot even alone; where each has one, what closes any of them."""
        bare = [Named(named.file, named.calendar.model_copy(update={"blackouts": ()})) for named in calendars]
        alone = [place for place, named in enumerate(calendars) if self.start([named]) is None]
        together = Spans.nothing() if alone else self._room(bare)
        for place in alone or range(len(calendars)):
            named = calendars[place]
            too_short = self.start([bare[place]]) is None
            if by_windows(named.calendar, action) and (too_short or not alone):
                yield named.ref(DEFAULT)
            yield from self._blackouts(named, action, self._room([bare[place]]) if alone else together)

    def _room(self, calendars: Sequence[Named]) -> Spans:
        """The openings that are long enough, and begin in time."""
        found = opening(calendars, self.begin, self.limit + self.needed, self.action)
        long = (found.ends - found.starts >= self.needed) & (found.starts < self.limit)
        return Spans(found.starts[long], found.ends[long])

    def _blackouts(self, named: Named, action: Governed, room: Spans) -> Iterator[str]:
        """Those that take some of the room."""
        for rule in named.calendar.blackouts:
            within = spans_of(named.calendar, rule, self.begin, self.limit + self.needed)
            if named.calendar.counts(rule, action) and within & room:
                yield named.ref(rule.name)
