"""Keys, attempts and what stands."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stationmaster.domain.entries import (
    OBSERVED,
    RUNS,
    STEPS,
    UNDOES,
    UNDONE_BY,
    Draft,
    Entry,
    attempt,
    canonical,
    compose,
    inputs_digest,
    standing,
)
from tests.entries import add, story

NOTHING = inputs_digest({})
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def entry(draft: Draft, at: datetime = datetime(2026, 11, 23, tzinfo=UTC)) -> Entry:
    return compose(draft, index=0, at=at, attempt=1, salt="00" * 16, payload=None)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_an_entry_read_back_from_its_bytes_is_itself(fact: dict[str, object]) -> None:
    written = entry(Draft(release="r1", step="cut", fact=fact))
    read = Entry.model_validate(json.loads(written.canonical()))
    assert read == written
    assert read.canonical() == written.canonical()


def test_canonical_bytes_are_those_of_rfc_8785() -> None:
    assert canonical({"b": [1.0, "é"], "a": None}) == '{"a":null,"b":[1,"é"]}'.encode()


def test_inputs_have_the_same_digest_in_any_order() -> None:
    assert inputs_digest({"a": 1, "b": 2}) == inputs_digest({"b": 2, "a": 1})
    assert NOTHING == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # sha256 of {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": "bulit"},
        {"release": "Release 1"},
        {"fact": {"share": float("nan")}},
        {"inputs": {"count": 2**60}},
        {"fact": {"at": datetime(2026, 1, 1, tzinfo=UTC)}},
        {"person": "ada"},
    ],
)
def test_a_draft_that_cannot_be_an_entry_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Draft.model_validate({"release": "r1", "step": "cut", **wrong})


def test_the_subject_is_the_release_unless_given() -> None:
    assert Draft(release="r1", step="cut").subject == "r1"
    assert Draft(release="r1", step="deployed", subject="acme").subject == "acme"


def test_an_instant_is_utc_in_whole_seconds_and_must_carry_its_zone() -> None:
    berlin = timezone(timedelta(hours=1))
    at = datetime(2026, 11, 23, 9, 0, 0, 999999, tzinfo=berlin)
    assert entry(Draft(release="r1", step="cut"), at).at == "2026-11-23T08:00:00Z"
    with pytest.raises(ValueError, match="zone"):
        entry(Draft(release="r1", step="cut"), at.replace(tzinfo=None))


def test_the_tables_speak_only_of_known_steps() -> None:
    named = OBSERVED | RUNS | set(UNDOES) | {step for undone in UNDOES.values() for step in undone}
    assert named <= set(STEPS)
    assert not OBSERVED & set(UNDOES), "what is only seen undoes nothing"


def test_the_last_entry_with_these_inputs_stands() -> None:
    entries = story("cut", "built")
    assert standing(entries, "r1", "cut", "r1", NOTHING) == entries[0]
    assert standing(entries, "r1", "cut", "r1", inputs_digest({"other": 1})) is None
    assert standing(entries, "r1", "tested", "r1", NOTHING) is None


def test_a_new_plan_voids_the_approval_and_nothing_else() -> None:
    entries = story("planned", "approved", "briefed", ("approval", "key-1"), "planned")
    assert standing(entries, "r1", "approved", "r1", NOTHING) is None
    assert standing(entries, "r1", "briefed", "r1", NOTHING) == entries[2]
    assert standing(entries, "r1", "approval", "key-1", NOTHING) == entries[3]


@pytest.mark.parametrize("undoing", sorted(UNDONE_BY["deployed"]))
def test_whatever_release_reaches_a_tenant_later_undoes_its_deploy(undoing: str) -> None:
    entries = story(("deployed", "acme"), ("deployed", "beta"))
    add(entries, Draft(release="r2", step=undoing, subject="acme"))
    assert standing(entries, "r1", "deployed", "acme", NOTHING) is None
    assert standing(entries, "r1", "deployed", "beta", NOTHING) == entries[1]
    assert attempt(entries, "r1", "deployed", "acme") == 2


@given(st.lists(st.tuples(st.sampled_from(["r1", "r2"]), st.sampled_from(sorted(STEPS)), st.sampled_from("xy"))))
def test_a_fact_stands_from_its_entry_until_the_first_that_undoes_it(told: list[tuple[str, str, str]]) -> None:
    entries: list[Entry] = []
    for release, step, subject in told:
        number = attempt(entries, release, step, subject)
        new = add(entries, Draft(release=release, step=step, subject=subject))
        assert (new.attempt, number) == (number, 1 + sum(_same(new, old) for old in entries[:-1]))
        assert standing(entries, release, step, subject, NOTHING) == (None if step in OBSERVED else new)
    for index, old in enumerate(entries):
        undone = any(new.subject == old.subject and _ends(new, old) for new in entries[index + 1 :])
        answer = standing(entries, old.release, old.step, old.subject, NOTHING)
        assert (answer == old) == (not undone and old.step not in OBSERVED)


def _same(new: Entry, old: Entry) -> bool:
    return (new.release, new.step, new.subject) == (old.release, old.step, old.subject)


def _ends(new: Entry, old: Entry) -> bool:
    return _same(new, old) or old.step in UNDOES.get(new.step, ())
