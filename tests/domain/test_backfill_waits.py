"""What a release waits for when its backfills are not through."""

from datetime import UTC, datetime

from stationmaster.domain.backfill_waits import Left, Outcome, wait_of

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


def test_nothing_is_awaited_when_nothing_is_left() -> None:
    assert wait_of("r2", []) is None
    assert wait_of("r2", [Outcome("cloud", "totals")]) is None


def test_a_poisoned_row_is_named_with_the_ways_out() -> None:
    left = (Left("acme", "failed", "row 17: value too long"),)
    wait = wait_of("r2", [Outcome("cloud", "totals", left), Outcome("cedar", "totals")])
    assert wait is not None
    assert (wait.awaited, wait.until) == ("person", None)
    assert wait.message == "r2 waits: backfill totals on cloud: acme: row 17: value too long"
    assert "backfill skip --database URL totals --tenant acme --key KEY" in wait.hint
    assert wait.hint.endswith("then: stationmaster release start r2")


def test_a_pause_names_how_it_ends() -> None:
    wait = wait_of("r2", [Outcome("cloud", "totals", (Left("acme", "paused", "month end"),))])
    assert wait is not None
    assert wait.hint.startswith("stationmaster backfill resume --database URL totals --tenant acme")


def test_calendars_alone_are_a_window_until_the_first_opens() -> None:
    left = (Left("acme", "closed", "audit", LATER), Left("birch", "closed", "stocktaking", AT))
    wait = wait_of("r2", [Outcome("cloud", "totals", left)])
    assert wait is not None
    assert (wait.awaited, wait.until) == ("window", AT)
    assert "acme: audit until 2026-11-23T20:00:00Z, birch: stocktaking until" in wait.message
    assert wait.hint == "it is looked at again by itself, or now: stationmaster release start r2"


def test_a_person_is_awaited_before_a_calendar_and_it_is_looked_at_when_that_opens() -> None:
    left = (Left("acme", "closed", "audit", AT), Left("birch", "failed", "row 1"))
    wait = wait_of("r2", [Outcome("cloud", "totals", left)])
    assert wait is not None
    assert (wait.awaited, wait.until) == ("person", AT)
    assert "--tenant birch" in wait.hint


def test_no_more_than_three_are_named() -> None:
    left = tuple(Left(f"t{number}", "open", "was not come to") for number in range(5))
    wait = wait_of("r2", [Outcome("cloud", "totals", left)])
    assert wait is not None
    assert wait.message.endswith("t2: was not come to, and 2 more")
