"""Every step of the ledger is either listed or has a reason why it is not, so that a new one cannot be forgotten."""

import pytest

from stationmaster.domain.entries import STEPS
from stationmaster.domain.production_changes import CHANGES, NO_CHANGES, change_of, why_none
from tests.accounts import Account, good


def test_every_step_is_in_one_half_of_the_table_and_no_other_is() -> None:
    assert set(CHANGES) | set(NO_CHANGES) == set(STEPS)
    assert not set(CHANGES) & set(NO_CHANGES)


def test_what_is_not_always_listed_says_why_and_so_does_what_never_is() -> None:
    assert [step for step, change in CHANGES.items() if (change.unless is not None) != bool(change.because)] == []
    assert all(why_none(step) for step in NO_CHANGES)


def test_a_step_that_nobody_placed_is_an_error() -> None:
    with pytest.raises(KeyError):
        why_none("flew")


@pytest.mark.parametrize(
    ("step", "fact", "subject", "said"),
    [
        ("deployed", {}, "acme", "deployment deployed"),
        ("adopted", {}, "acme", "adoption found"),
        ("flagged", {}, "shop", "flag published"),
        ("expanding", {"before": []}, "cloud", "migration begun"),
        ("expanded", {"before": ["1"], "after": ["2"]}, "cloud", "migration done"),
        ("expanded", {"before": ["1"], "after": ["1"]}, "cloud", "migration unchanged"),
        ("expanded", {"before": ["1"], "after": ["2"]}, "stage", None),
        ("expanding", {"before": []}, "stage", None),
        ("mode_on", {"mode": "read_only"}, "acme", "mode limited"),
        ("mode_off", {"mode": "read_only"}, "acme", "mode served in full"),
        ("approval", {"action": "emergency"}, "k", "emergency given"),
        ("approval", {"action": "deploy"}, "k", None),
        ("approval", {}, "k", None),
        ("reviewed", {"verdict": "justified"}, "r1", "emergency reviewed: justified"),
        ("waived", {}, "k", "waiver given"),
        ("unwaived", {}, "k", "waiver revoked"),
        ("passed", {}, "pilot", "waiver used"),
        ("advanced", {}, "pilot", "override advanced"),
        ("ratified", {}, "shop/policy", "policy in force"),
        ("drifted", {"found": [{}, {}]}, "shop", "drift 2 found"),
        ("drifted", {"found": []}, "shop", None),
        ("failed", {}, "r1", "release failed"),
        ("aborted", {}, "r1", "release aborted"),
        ("contained", {}, "r1", "rollback contained"),
    ],
)
def test_what_is_listed_depends_on_what_the_entry_says(
    step: str, fact: dict[str, object], subject: str, said: str | None
) -> None:
    entry = Account().tell(step, fact, subject)
    change = change_of(entry)
    assert (change and f"{change.kind} {change.ended(entry)}") == said


def test_a_good_release_changes_databases_and_tenants_and_nothing_else() -> None:
    listed = [(entry.step, entry.subject) for entry in good().of() if change_of(entry)]
    assert listed == [
        *[(step, place) for place in ("cloud", "cedar") for step in ("expanding", "expanded")],
        *[("deployed", tenant) for tenant in ("acme", "birch", "cedar")],
        ("released", "r1"),
    ]
