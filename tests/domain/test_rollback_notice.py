"""The message about a rollback says what happened in plain words, and holds whatever the facts say."""

import json
from typing import Any

import pytest

from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.rollback_notice import RollbackNotice, decided, rollback_notice, safe
from tests.entries import GOOD, add, story

MS = 1_795_420_802_400  # 2026-11-23T08:00:02.4Z
ORDER: dict[str, Any] = {
    "scope": "instance",
    "tenants": ["acme"],
    "cause": "breach",
    "reason": "journey order of tenant acme failed 3 of 3",
    "decided_at": "2026-11-23T08:00:02Z",
    "decided_ms": MS,
}
END: dict[str, Any] = {
    "tenants": ["acme", "bolt"],
    "flags": "back",
    "bad_requests": 3,
    "seconds_to_routes": 0.2,
    "seconds_to_last": 0.7,
}


def told(step: str = "restored", *, order: dict[str, Any] | None = None, **end: Any) -> list[Entry]:
    """A release that went back, as its entries tell it."""
    facts = {
        "cut": {"version": "1.3.0"},
        "rolled_back": {"version": "1.2.0"},
        "rollback": {**ORDER, **(order or {})},
        step: {**END, **end},
    }
    return story(
        *GOOD[:10], ("deployed", "acme"), ("deployed", "bolt"),
        "rollback", ("rolled_back", "acme"), ("rolled_back", "bolt"), step,
        facts=facts,
    )  # fmt: skip


def notice(entries: list[Entry], who: str | None = None) -> RollbackNotice:
    made = rollback_notice(entries, who)
    assert made is not None
    return made


def said(made: RollbackNotice) -> str:
    return "\n".join(_texts(made.blocks))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for inner in value.values() for text in _texts(inner)]
    return [text for inner in value for text in _texts(inner)] if isinstance(value, list) else []


def test_it_says_what_went_back_for_whom_since_when_and_why() -> None:
    made = notice(told())
    assert (made.number, made.text) == (1, "orderdesk 1.3.0 was rolled back for 2 tenants")
    for part in (
        "↩ orderdesk 1.3.0 was rolled back for 2 tenants",
        "*Why.* Journey order of tenant acme failed 3 of 3. Stationmaster decided it by itself at 08:00:02 UTC.",
        "Flags are as 1.2.0 has them.",
        "*Back on 1.2.0*\nacme, bolt",
        "*Safe since*\n08:00:03 UTC, 0.7 s after the decision",
        "*Bad requests*\n3 from then until it was safe",
        "*Still on it*\nnobody",
        "*What customers may have noticed.* Between 08:00:00 and 08:00:03 UTC",
        "Its changes are on hold",
        "`stationmaster release resume r1 --reason WHY`",
    ):
        assert part in said(made)


def test_others_who_keep_it_are_named_and_a_person_decides() -> None:
    text = said(notice(told("contained", left=["corn", "dell"])))
    assert "*Still on it*\ncorn, dell" in text
    assert "A person decides" in text
    assert "on hold" not in text


def test_a_person_who_decided_is_named() -> None:
    ordered = told(order={"cause": "person"}, flags="kept")
    assert "Ana &lt;!here&gt; decided it at 08:00:02 UTC." in said(notice(ordered, "Ana <!here>"))
    assert "a person whose name was erased decided it" in said(notice(ordered))
    assert "Flags" not in said(notice(ordered))


def test_what_the_verdict_counted_before_the_decision_is_told_too() -> None:
    verdict = {"counts": {"new": {"total": 70, "bad": 26}, "old": {"total": 100, "bad": 0}}, "decided_ms": MS}
    entries = story(
        *GOOD[:10], ("deployed", "acme"), ("verdict", "pilot"), "rollback", ("rolled_back", "acme"), "restored",
        facts={"cut": {"version": "1.3.0"}, "rolled_back": {"version": "1.2.0"}, "rollback": ORDER, "restored": END,
               "verdict": verdict},
    )  # fmt: skip
    assert "*Bad requests*\n26 of 70 before the decision, 3 from then until it was safe" in said(notice(entries))


def test_what_nobody_knows_is_not_made_up() -> None:
    text = said(notice(told(order={"decided_ms": None, "decided_at": None}, bad_requests=None, seconds_to_last=None)))
    assert "*Bad requests*\nnot counted from then until it was safe" in text
    assert "nobody could say when the last answer came" in text
    assert "*What customers may have noticed.* For a while" in text


def test_without_a_last_answer_it_is_safe_when_the_routes_are_back() -> None:
    assert "0.2 s after the decision" in said(notice(told(seconds_to_last=None)))


def test_each_rollback_has_its_number_and_one_that_moved_nobody_has_none() -> None:
    entries = told("contained", left=["corn"])
    add(entries, Draft(release="r1", step="rollback", fact={**ORDER, "reason": "the others too"}))
    assert notice(entries).number == 1
    add(entries, Draft(release="r1", step="rolled_back", subject="corn", fact={"version": "1.2.0"}))
    add(entries, Draft(release="r1", step="restored", fact={**END, "tenants": ["corn"]}))
    second = notice(entries)
    assert (second.number, second.text) == (2, "orderdesk 1.3.0 was rolled back for 1 tenant")
    assert "The others too." in said(second)
    add(entries, Draft(release="r1", step="restored", fact={**END, "tenants": []}))
    assert notice(entries) == second


def test_a_release_that_did_not_go_back_has_none() -> None:
    assert rollback_notice(told()[:-1]) is None


def test_a_thousand_tenants_fit_one_message() -> None:
    tenants = [f"tenant-{n:05}-{'x' * 45}" for n in range(1_000)]
    made = notice(told("contained", tenants=tenants, left=tenants, order={"reason": "word " * 4_000}))
    assert len(made.blocks) <= 50
    assert len(json.dumps(made.blocks, ensure_ascii=False)) <= 13_000
    assert "and 993 more" in said(made)


@pytest.mark.parametrize(
    ("fact", "at"),
    [
        ({"decided_ms": MS, "decided_at": "2026-11-23T08:00:02Z"}, "2026-11-23T08:00:02.400000+00:00"),
        ({"decided_at": "2026-11-23T08:00:02Z"}, "2026-11-23T08:00:02+00:00"),
    ],
)
def test_the_decision_is_as_exact_as_the_fact(fact: dict[str, Any], at: str) -> None:
    found = decided(fact)
    assert found is not None
    assert found.isoformat() == at


def test_without_a_decision_nobody_knows_since_when_it_is_safe() -> None:
    assert safe({}, END) is None
