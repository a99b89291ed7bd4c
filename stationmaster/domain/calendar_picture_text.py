"""A calendar picture for a terminal: a line for each tenant, a character for some hours."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil
from string import ascii_uppercase

from stationmaster.domain.calendar_picture import Picture, Row, about
from stationmaster.domain.spans import Spans

NARROWEST = 40
_A_DAY = (24, 12, 8, 6, 4, 3, 2, 1)  # characters, each of whole hours
_SHARES = "░▒▓█"  # up to a quarter of the time open, up to half, three quarters, more
_KEYS = "123456789" + ascii_uppercase
_LONGEST = 24  # characters of a tenant's id


def text(picture: Picture, width: int = 100) -> str:
    """The picture in so many columns, NARROWEST at least; a tenant's name and reasons may be longer."""
    label = max(len(_short(row.tenant)) for row in picture.rows) + 2
    columns = _Columns.of(picture, max(width, NARROWEST) - label)
    lines = [about(picture), *(" " * label + line for line in columns.heads(picture))]
    for ring, rows in picture.rings:
        lines.append(f"{ring}:")
        lines += [_short(row.tenant).ljust(label) + columns.line(picture, row) for row in rows]
    return "\n".join(line.rstrip() for line in [*lines, "", *_legend(picture, columns)])


def key(wave: int) -> str:
    """The character that stands for a wave; waves that come after all characters share the last."""
    return _KEYS[wave] if wave < len(_KEYS) else "+"


class _Columns:
    """The edges of the characters, a group for each day, or for days where there is no room for one each."""

    def __init__(self, groups: Sequence[tuple[int, Sequence[int]]], gap: str, days: int) -> None:
        self.groups, self.gap, self.days = groups, gap, days

    @classmethod
    def of(cls, picture: Picture, room: int) -> "_Columns":
        days, count = picture.days, len(picture.days) - 1
        cells = next((cells for cells in _A_DAY if count * (cells + 1) - 1 <= room and cells > 1), None)
        if cells is not None:
            return cls([(day, _cut(days[day], days[day + 1], cells)) for day in range(count)], " ", 1)
        step = -(-count // room)
        return cls([(day, (days[day], days[min(day + step, count)])) for day in range(0, count, step)], "", step)

    @property
    def cells(self) -> int:
        return len(self.groups[0][1]) - 1

    def heads(self, picture: Picture) -> list[str]:
        dates = [picture.date(day) for day, _ in self.groups]
        told = [f"{at:%a}"[: min(self.cells, 3)] for at in dates], [f"{at.day:>2}" for at in dates]
        if self.cells > 1:
            return [self.gap.join(one.ljust(self.cells) for one in line) for line in told]
        return ["".join(one[0] for one in line) for line in (*told, [one[1] for one in told[1]])]

    def line(self, picture: Picture, row: Row) -> str:
        closed = Spans.of(pair for one in row.closings for pair in one.spans.pairs())
        groups = ((_cell(picture, row, closed, *edges) for edges in pairwise(group)) for _, group in self.groups)
        return self.gap.join("".join(group) for group in groups)


def _cut(begin: int, end: int, cells: int) -> list[int]:
    return [begin + (end - begin) * cell // cells for cell in range(cells + 1)]


def _cell(picture: Picture, row: Row, closed: Spans, begin: int, end: int) -> str:
    if row.wave is not None and picture.waves[row.wave].start < end and picture.waves[row.wave].end > begin:
        return key(row.wave)
    shut, opened = _share(closed, begin, end), _share(row.opening, begin, end)
    if shut * 2 >= 1 or (shut and not opened):
        return "x"
    return _SHARES[ceil(opened * 4) - 1] if opened else "·"


def _share(spans: Spans, begin: int, end: int) -> float:
    inside = spans.within(begin, end)
    return int((inside.ends - inside.starts).sum()) / (end - begin)


def _legend(picture: Picture, columns: _Columns) -> Iterator[str]:
    span = f"{columns.days} days" if columns.days > 1 else f"{24 // columns.cells} h"
    yield f"a character is {span}: · closed  ░▒▓█ open, more of it  x blackout  1 2 3 planned wave"
    for place, wave in enumerate(picture.waves):
        yield f"{key(place)}  {wave.name}  {picture.slot(place)}  {_count(len(wave.tenants))}"
    for name, tenants in picture.closings.items():
        yield f"x  {name}  {_count(len(tenants))}"
    for row in picture.rows:
        if row.wave is None and row.reason:
            yield f"no slot for {row.tenant}: {row.reason}"


def _count(tenants: int) -> str:
    return f"{tenants} tenant" if tenants == 1 else f"{tenants} tenants"


def _short(tenant: str) -> str:
    return tenant if len(tenant) <= _LONGEST else f"{tenant[: _LONGEST - 1]}…"
