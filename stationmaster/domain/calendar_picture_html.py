"""A calendar picture as a page of its own: where everything is, in pixels. `calendar_picture_page.py` is the page.

Time runs linearly from left to right, so a day of 23 or 25 hours is as wide as it is long. What a tenant or a file is
called is never markup.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stationmaster.domain.calendar_picture import Picture, Row, about
from stationmaster.domain.calendar_picture_page import PAGE

LEFT, PLOT = 200, 1120  # pixels: names of tenants, then time
HEAD, RING = 50, 24
_TALL, _FLAT, _MANY = 24, 16, 60  # height of a row; with more rows than that they are flat
_LEAST = 4  # pixels that a slot is wide, however short
_LETTER = 6.2  # pixels of an average one
_NARROW = 26  # pixels: narrower days are not all labelled
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds since the epoch to pixels."""

    first: int
    last: int

    def x(self, at: int) -> float:
        return round(LEFT + (at - self.first) * PLOT / (self.last - self.first), 2)

    def box(self, start: int, end: int) -> tuple[float, float]:
        """Left edge and width."""
        return self.x(start), round(self.x(end) - self.x(start), 2)


def html(picture: Picture, title: str = "Calendars and plan") -> str:
    """The page. The same picture gives the same bytes."""
    scale = Scale(picture.days[0], picture.days[-1])
    height = _TALL if len(picture.rows) <= _MANY else _FLAT
    rings, y = [], 0
    for ring, rows in picture.rings:
        placed = [_row(picture, scale, row, y + RING + place * height, height) for place, row in enumerate(rows)]
        rings.append({"name": ring, "y": y, "rows": placed})
        y += RING + height * len(rows)
    shown = {
        "title": title,
        "about": about(picture),
        "days": _days(picture, scale),
        "rings": rings,
        "size": {"left": LEFT, "right": LEFT + PLOT, "width": LEFT + PLOT + 8, "head": HEAD, "ring": RING, "tall": y},
        "period": (scale.x(picture.begin), scale.x(picture.end)),
        "waves": [(wave.name, picture.slot(place), wave.tenants) for place, wave in enumerate(picture.waves)],
        "closings": picture.closings,
    }
    return PAGE.render(shown)


def _days(picture: Picture, scale: Scale) -> list[dict[str, Any]]:
    every = []
    step = max(1, -(-_NARROW * (len(picture.days) - 1) // PLOT))
    for day in range(len(picture.days) - 1):
        x, width = scale.box(picture.days[day], picture.days[day + 1])
        at = picture.date(day)
        month = f"{at:%B %Y}" if day == 0 or at.day == 1 else ""
        told = {"week": f"{at:%a}", "day": at.day} if day % step == 0 else {}
        every.append({"x": x, "width": width, "month": month, "weekend": at.weekday() >= _SATURDAY, **told})
    return _apart(every)


def _apart(days: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first month is not named where the next begins before its name ends."""
    second = next((day["x"] for day in days[1:] if day["month"]), None)
    if second is not None and second - days[0]["x"] < len(days[0]["month"]) * _LETTER * 1.2:
        days[0]["month"] = ""
    return days


def _row(picture: Picture, scale: Scale, row: Row, y: int, height: int) -> dict[str, Any]:
    hours = round(sum(end - start for start, end in row.opening.pairs()) / 3600, 1)
    said = f"in wave {picture.waves[row.wave].name}, {picture.slot(row.wave)}" if row.wave is not None else ""
    slot = _slot(picture, scale, row.wave) if row.wave is not None else None
    note = _cut("" if slot else _note(picture, row), PLOT / _LETTER - 4)
    return {
        "tenant": row.tenant,
        "label": _cut(row.tenant, (LEFT - 30) / _LETTER),
        "said": said or f"no slot: {row.reason or 'it is not planned'}",
        "about": f"{row.tenant} ({row.name}): open {hours:g} h",
        "hours": f"{hours:g}",
        "y": y,
        "height": height,
        "open": "".join(_filled(scale, row, y + 4, height - 8)),
        "closings": [
            (*scale.box(start, end), f"{one.name}: {_when(picture, start)} to {_when(picture, end)}")
            for one in row.closings
            for start, end in one.spans.pairs()
        ],
        "slot": slot,
        "note": note,
        "note_width": round(len(note) * _LETTER * 0.92 + 8),
    }


def _filled(scale: Scale, row: Row, y: int, height: int) -> Iterator[str]:
    """Open time as one path."""
    for start, end in row.opening.pairs():
        x, width = scale.box(start, end)
        yield f"M{x:g} {y}h{width:g}v{height}h-{width:g}z"


def _note(picture: Picture, row: Row) -> str:
    """What is written into a row that shows no slot."""
    if row.wave is None:
        return f"✕ no slot: {row.reason}" if row.reason else ""
    return f"not on these days: {picture.waves[row.wave].name}, {picture.slot(row.wave)}"


def _slot(picture: Picture, scale: Scale, place: int) -> dict[str, Any] | None:
    """None where it is not on the days of the picture."""
    wave = picture.waves[place]
    if wave.start >= scale.last or wave.end <= scale.first:
        return None
    x, width = scale.box(max(wave.start, scale.first), min(wave.end, scale.last))
    width = max(width, _LEAST)
    fits = x + width + len(wave.name) * _LETTER + 6 < LEFT + PLOT
    at = x + width + 4 if fits else x - 4
    return {"x": x, "width": width, "name": wave.name, "at": round(at, 2), "anchor": "start" if fits else "end"}


def _when(picture: Picture, at: int) -> str:
    return f"{picture.local(at):%Y-%m-%d %H:%M}"


def _cut(words: str, letters: float) -> str:
    return words if len(words) <= letters else f"{words[: int(letters) - 1]}…"
