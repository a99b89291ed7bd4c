"""What people are told of a schema change beside its forecast."""

from datetime import date

import pytest

from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.migration_forecast import Slack, forecast
from stationmaster.domain.migration_outlook import contract_way_back, expected, table, took, ways_back
from stationmaster.domain.migration_rehearsal import Estimate, NoDown, Trial
from stationmaster.domain.ways_out import Restore
from tests.domain.test_migration_rehearsal import ADD, INDEX, estimate, ran
from tests.entries import add

RESTORE = Restore(takes=2700, loses=900, measured=date(2026, 11, 1))
_SAYS = "only a restore of the backup leads back, which takes 45m and loses what was written in the last 15m"


def kinds() -> Estimate:
    """ADD short and INDEX long, as the runner calls them, and one that nobody waits for."""
    quiet = ran("CREATE INDEX CONCURRENTLY x ON orders (a)", 9000.0, lock="SHARE UPDATE EXCLUSIVE")
    return estimate(ADD, {**INDEX, "kind": "long"}, {**quiet, "kind": "watched"})


def test_each_kind_has_its_time_and_its_longest_lock_with_the_slack_of_last_time() -> None:
    assert [one.said for one in expected(kinds(), Slack("shop-41", 3.0))] == [
        "changes of metadata (1): 2 ms rehearsed, 6 ms expected; longest lock ACCESS EXCLUSIVE, expected for 2.7 s",
        "validations and concurrent builds (1): 9.0 s rehearsed, 27.0 s expected",
        "work on all rows (1): 900 ms rehearsed, 2.7 s expected; longest lock SHARE, expected for 2.7 s",
    ]


def test_as_a_table_it_has_a_row_a_kind() -> None:
    rows = table([kinds()], None)
    assert rows[0] == {
        "from": "e1", "to": "e2", "statements": "1 changes of metadata", "rehearsed": "2 ms", "expected": "2 ms",
        "longest lock": "ACCESS EXCLUSIVE for 912 ms",
    }  # fmt: skip
    assert rows[1]["longest lock"] == "none that others wait for"


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (
            [estimate(ADD, down_ms=3.0)],
            f"way back: a downgrade, 3 ms in rehearsal, until its contract runs; from then on {_SAYS}",
        ),
        (
            [estimate(ADD, no_down=(NoDown(revision="e2", reason="archived"),))],
            f"way back: none by a downgrade once e2 ran (e2: archived): from then on {_SAYS}",
        ),
        ([], f"way back: no downgrade was tried; as far as anybody knows {_SAYS}"),
    ],
)  # fmt: skip
def test_a_plan_says_up_to_when_a_downgrade_leads_back(found: list[Estimate], says: str) -> None:
    assert ways_back(found, RESTORE) == [f"{says} (measured 2026-11-01)"]


def test_what_nobody_measured_is_said_to_be_so() -> None:
    told = contract_way_back(None)
    assert "in production no downgrade: from the first statement on" in told
    assert told.endswith("which nobody measured (declare database.restore)")


def test_what_each_database_took_is_told_beside_its_rehearsal() -> None:
    timed = {"rehearsed": {"ratio": 2.0, "took_ms": 2000.0, "rehearsed_ms": 1000.0, "unrehearsed": 1}}
    entries: list[Entry] = []
    for subject, fact in (("stage", timed), ("cloud", timed), ("cedar", {})):
        add(entries, Draft(release="r1", step="expanded", subject=subject, fact=fact))
    assert list(took(entries)) == [
        "cloud was expanded in 2.0 s, 2 times what was rehearsed, 1 statements of it not rehearsed"
    ]


def test_who_works_on_it_is_told_and_who_does_not() -> None:
    sha = f"sha256:{64 * '1'}"
    tried = (
        Trial(digest=sha, version="1.2.0", needed=True),
        Trial(digest=sha, version="1.0.0", needed=False, failed=("order, place: answered 500",)),
    )
    told = forecast([estimate(ADD, versions=tried)])
    assert "  works on the new schema: 1.2.0" in told
    assert "  nobody can go back to 1.0.0 from it: order, place: answered 500" in told
