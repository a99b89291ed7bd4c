"""What a tenant's contract comes to at an instant, given what was said and when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.consent import Standing, awaited, has_ended, standing
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Draft, Entry, compose
from stationmaster.domain.tenants import Consent, Tenant

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DIGEST, OTHER = "sha256:" + "d" * 64, "sha256:" + "e" * 64
DAY = timedelta(days=1)


def tenant(**consent: Any) -> Tenant:
    asked = Consent(**{"contacts": ("it@acme.example",), "within": 2 * 86_400, **consent})
    return Tenant(id="acme", name="Acme", ring="pilot", approval=asked)


def entry(index: int, step: str, at: datetime = AT, subject: str = "acme", **fact: Any) -> Entry:
    draft = Draft(release="r2", step=step, subject=subject, fact={"digest": DIGEST, **fact})
    return compose(draft, index=index, at=at, attempt=1, salt="0" * 32, payload=None)


def planned(index: int, place: str = "unapproved", at: datetime = AT, who: str = "acme") -> Entry:
    return entry(
        index, "planned", at, "r2", placements=[{"tenant": who, "ring": "pilot", "place": place, "reason": ""}]
    )


def found(*entries: Entry, at: datetime = AT, **consent: Any) -> Standing:
    one = standing(tenant(**consent), entries, DIGEST, at)
    assert one is not None
    return one


def test_who_is_not_asked_by_contract_is_not_asked() -> None:
    assert standing(Tenant(id="acme", name="Acme", ring="pilot"), [], DIGEST, AT) is None


@pytest.mark.parametrize("place", ["wave", "unapproved"])
def test_the_time_begins_with_the_first_plan_that_asks(place: str) -> None:
    entries = [
        planned(0, "newer"),
        planned(1, "wave", who="birch"),
        planned(2, place, AT + DAY),
        planned(3, at=AT + 2 * DAY),
    ]
    assert found(*entries, at=AT + 2 * DAY).until == AT + 3 * DAY
    assert found(*entries[:2], at=AT).until == AT + 2 * DAY


@pytest.mark.parametrize("default", ["skip", "go"])
def test_silence_is_what_the_contract_says_and_not_a_second_earlier(default: str) -> None:
    end = AT + 2 * DAY
    assert found(planned(0), at=end - timedelta(seconds=1), default=default).state == "asked"
    one = found(planned(0), at=end, default=default)
    assert (one.state, one.comes) == (default, default == "go")
    assert one.reason.startswith(f"said nothing until {instant(end)}")


def test_the_last_word_counts_and_only_of_this_artifact_and_tenant() -> None:
    words = [planned(0), entry(1, "consented"), entry(2, "declined"), entry(3, "consented", digest=OTHER)]
    assert found(*words).state == "declined"
    assert found(*words, entry(4, "consented", subject="birch")).state == "declined"
    assert found(*words, entry(4, "consented")).state == "agreed"


def test_to_agree_may_come_too_late_and_to_decline_never() -> None:
    end, late = AT + 2 * DAY, AT + 3 * DAY
    assert found(planned(0), entry(1, "consented", end), at=late).state == "skip"
    assert found(planned(0), entry(1, "declined", end), at=late, default="go").state == "declined"
    assert (
        found(planned(0), entry(1, "declined"), entry(2, "consented", end), at=late, default="go").state == "declined"
    )


WORDS = st.lists(st.tuples(st.sampled_from(["consented", "declined"]), st.integers(0, 96)), max_size=6)


@given(WORDS, st.integers(0, 96), st.sampled_from(["skip", "go"]))
def test_nobody_is_reached_against_the_last_word_or_without_one(
    words: list[tuple[str, int]], hour: int, default: str
) -> None:
    """Said another way than it is computed: by what the last word before the instant was."""
    said = sorted(((step, at) for step, at in words if at <= hour), key=lambda one: one[1])
    entries = [planned(0), *(entry(n, step, AT + timedelta(hours=at)) for n, (step, at) in enumerate(said, 1))]
    one = found(*entries, at=AT + timedelta(hours=hour), default=default)
    counted = [step for step, at in said if step == "declined" or at < 48]
    if counted:
        assert one.comes == (counted[-1] == "consented")
    else:
        assert one.comes == (hour >= 48 and default == "go")
    assert one.until == AT + 2 * DAY


@given(WORDS, st.integers(0, 96))
def test_what_was_declined_stays_so_until_somebody_agrees_in_time(words: list[tuple[str, int]], hours: int) -> None:
    entries = [
        planned(0),
        entry(1, "declined"),
        *(entry(n, "declined", AT + timedelta(hours=at)) for n, (_, at) in enumerate(words, 2)),
    ]
    assert found(*entries, at=AT + timedelta(hours=hours), default="go").state == "declined"


def test_a_recorded_plan_says_whose_answer_it_awaits() -> None:
    ends = {"acme": instant(AT + DAY), "birch": instant(AT + 2 * DAY)}
    entries = [planned(0), entry(1, "planned", subject="r2", awaited=ends)]
    assert awaited(entries[1].fact) == {"acme": AT + DAY, "birch": AT + 2 * DAY}
    assert awaited(entries[0].fact) == {}
    cases = [(AT, AT, False), (AT, AT + DAY, True), (AT + DAY, AT + 1.5 * DAY, False), (AT + DAY, AT + 2 * DAY, True)]
    for since, at, ended in cases:
        assert has_ended(entries, since, at) is ended
    assert has_ended([], AT, AT + 9 * DAY) is False
    assert has_ended([*entries, planned(2)], AT, AT + 9 * DAY) is False
