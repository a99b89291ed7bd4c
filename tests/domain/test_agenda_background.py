"""When what works in the background may touch a tenant's rows: outside each blackout, whatever the windows are."""

from datetime import UTC, datetime

import pytest

from stationmaster.domain.agenda import Agenda
from stationmaster.domain.calendar import Calendar, Named

WINDOW = {"name": "night", "rrule": "FREQ=DAILY", "start": "22:00", "end": "23:00"}
AUDIT = {"name": "audit", "rrule": "FREQ=DAILY", "start": "06:00", "end": "20:00"}


def agenda(**calendar: object) -> Agenda:
    return Agenda({"acme": (Named("acme.yaml", Calendar.model_validate({"timezone": "UTC", **calendar})),)})


def at(hour: int) -> datetime:
    return datetime(2026, 11, 23, hour, tzinfo=UTC)


def test_it_needs_no_window() -> None:
    assert agenda(default="closed", windows=[WINDOW]).background("acme", at(12)).open


@pytest.mark.parametrize("more", [{}, {"applies_to": ["deploy"]}, {"applies_to": ["migration"]}])
@pytest.mark.parametrize("default", [{"default": "open"}, {"default": "closed", "windows": [WINDOW]}])
def test_a_blackout_keeps_it_away_until_its_end(more: dict[str, object], default: dict[str, object]) -> None:
    answer = agenda(**default, blackouts=[{**AUDIT, **more}]).background("acme", at(12))
    assert (answer.open, answer.until) == (False, at(20))
    assert "audit" in answer.reason
    assert agenda(**default, blackouts=[{**AUDIT, **more}]).background("acme", at(21)).open


def test_a_blackout_of_flags_alone_does_not() -> None:
    assert agenda(default="open", blackouts=[{**AUDIT, "applies_to": ["flag"]}]).background("acme", at(12)).open


def test_who_has_no_calendar_is_closed() -> None:
    assert not Agenda({"acme": "it has none"}).background("acme", at(12)).open
