"""Several answers as one."""

from datetime import UTC, datetime, timedelta

import pytest

from stationmaster.domain.window import Window, all_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = Window(open=True, reason="open")


def shut(hours: int | None) -> Window:
    return Window(open=False, reason=f"{hours} h", until=None if hours is None else AT + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([], Window(open=True, reason="nothing closes it")),
        ([OPEN, Window(open=True, reason="also open")], OPEN),
        ([OPEN, shut(2)], shut(2)),
        ([shut(3), shut(2)], Window(open=False, reason="3 h, and 2 h", until=AT + timedelta(hours=3))),
        ([shut(3), shut(None)], Window(open=False, reason="3 h, and None h", until=None)),
    ],
)
def test_open_only_if_all_are_open_and_until_the_last_opens(answers: list[Window], said: Window) -> None:
    assert all_of(answers) == said


def test_what_names_somebody_is_joined_without_the_name_too() -> None:
    named = Window(open=False, reason="1 of 2 waivers, Rosa's", unnamed="1 of 2 waivers")
    found = all_of([named, shut(2)])
    assert (found.reason, found.kept) == ("1 of 2 waivers, Rosa's, and 2 h", "1 of 2 waivers, and 2 h")
    assert all_of([shut(2)]).unnamed is None
