"""What is frozen when, and whom it closes."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.duration import instant
from stationmaster.domain.entries import FREEZE, Draft, Entry
from stationmaster.domain.freeze import FREEZES, Environment, closing, closing_in_words, in_force, in_words, scope_of
from tests.entries import AT, add


def last(*told: tuple[str, str, int | None]) -> dict[str, Entry]:
    """Each: the step, the scope, and how many hours from AT it ends."""
    entries: list[Entry] = []
    for step, scope, hours in told:
        fact: dict[str, Any] = {"reason": f"because of {scope}"}
        if step == "frozen":
            fact["until"] = None if hours is None else instant(AT + timedelta(hours=hours))
        add(entries, Draft(release=FREEZE, step=step, subject=scope, fact=fact))
    return {entry.subject: entry for entry in entries}


@pytest.mark.parametrize(
    ("hours", "frozen"), [(0.0, True), (1.999, True), (2.0, False), (3.0, False)]
)  # it ends at its end  # fmt: skip
def test_a_freeze_lasts_to_its_end_and_not_through_it(hours: float, frozen: bool) -> None:  # noqa: FBT001 - a table
    found = in_force(last(("frozen", "env:production", 2)), AT + timedelta(hours=hours))
    assert [freeze.scope for freeze in found] == (["env:production"] if frozen else [])


def test_one_without_an_end_lasts_until_somebody_ends_it() -> None:
    ten_years = AT + timedelta(days=3650)
    (freeze,) = in_force(last(("frozen", "ring:pilot", None)), ten_years)
    assert (freeze.scope, freeze.since, freeze.until) == ("ring:pilot", instant(AT), None)
    assert in_force(last(("frozen", "ring:pilot", None), ("thawed", "ring:pilot", None)), ten_years) == ()


@pytest.mark.parametrize(
    ("scope", "hours", "said"),
    [
        ("env:production", None, "production is frozen: because of env:production"),
        ("ring:pilot", 2, "ring pilot is frozen until 2026-11-23T10:00:00Z: because of ring:pilot"),
        ("tenant:acme", 2, "tenant acme is frozen until 2026-11-23T10:00:00Z: because of tenant:acme"),
    ],
)
def test_it_says_what_until_when_and_why(scope: str, hours: int | None, said: str) -> None:
    (freeze,) = in_force(last(("frozen", scope, hours)), AT)
    assert freeze.window.reason == said
    assert not freeze.window.open
    assert freeze.window.until == freeze.until


@pytest.mark.parametrize(
    ("env", "rings", "tenant", "closed"),
    [
        ("production", (), None, {"env:production"}),
        ("stage", (), None, {"env:stage"}),
        ("production", ("pilot",), "acme", {"env:production", "ring:pilot", "tenant:acme"}),
        ("production", ("pilot", "broad"), "birch", {"env:production", "ring:pilot", "ring:broad"}),
        ("production", ("late",), "zebra", {"env:production"}),
    ],
)
def test_a_freeze_closes_its_environment_its_ring_and_its_tenant(
    env: Environment, rings: tuple[str, ...], tenant: str | None, closed: set[str]
) -> None:
    scopes = ("env:production", "env:stage", "ring:pilot", "ring:broad", "tenant:acme", "tenant:pilot")
    freezes = in_force(last(*(("frozen", scope, None) for scope in scopes)), AT)
    assert {freeze.scope for freeze in closing(freezes, env=env, rings=rings, tenant=tenant)} == closed


@pytest.mark.parametrize(
    ("given", "scope", "words"),
    [
        ({}, "env:production", "production"),
        ({"env": "stage"}, "env:stage", "stage"),
        ({"ring": "pilot"}, "ring:pilot", "ring pilot"),
        ({"tenant": "acme"}, "tenant:acme", "tenant acme"),
    ],
)
def test_a_scope_is_production_unless_another_is_named(given: dict[str, Any], scope: str, words: str) -> None:
    assert scope_of(**given) == scope
    assert in_words(scope) == words


hours = st.none() | st.integers(-2, 4)
told = st.lists(st.tuples(st.sampled_from(FREEZES), st.sampled_from(["env:production", "tenant:acme"]), hours))


@given(told, st.integers(-3, 5))
def test_the_last_word_about_a_scope_counts_and_no_other(told: list[tuple[str, str, int | None]], now: int) -> None:
    expected = set()
    for scope in ("env:production", "tenant:acme"):
        words = [word for word in told if word[1] == scope]
        if words and words[-1][0] == "frozen" and (words[-1][2] is None or now < words[-1][2]):
            expected.add(scope)
    assert {freeze.scope for freeze in in_force(last(*told), AT + timedelta(hours=now))} == expected


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("env:production", "the freeze of production"),
        ("tenant:acme", "the freeze of tenant acme"),
        ("blackout:eu/acme.yaml#month end: all", "blackout eu/acme.yaml#month end: all"),
    ],
)
def test_what_closes_is_told_by_the_name_of_its_gate(gate: str, said: str) -> None:
    assert closing_in_words(gate) == said
