"""Acts on production against what had been approved, without a bundle around them."""

import time
from datetime import timedelta

import pytest

from stationmaster.domain.entries import Entry
from stationmaster.domain.mandate import Mandate, Opening
from stationmaster.domain.verify_acts import Sofar, act
from tests.entries import AT, story

ARTIFACT, OLD = ("sha256:" + letter * 64 for letter in "ab")
COMMIT, BEFORE = "c2", "c1"


def told(tenants: int) -> list[Entry]:
    """Planned, mandated and approved for so many tenants, and deployed to all of them."""
    names = [f"t{number}" for number in range(tenants)]
    planned = {"waves": [], "placements": [{"tenant": name, "ring": "broad"} for name in names]}
    salt = story("planned")[0].salt
    found = [Opening.of(name, "broad", ("pilot", "broad"), salt) for name in names]
    made = Mandate.lay_down("r1", {"artifact": ARTIFACT}, found, AT + timedelta(days=9), planned=0)
    facts = {"planned": planned, "mandated": made.fact(), "deployed": {"digest": ARTIFACT}}
    return story("planned", "mandated", "approved", *(("deployed", name) for name in names), facts=facts)


def flaws(entries: list[Entry]) -> list[str]:
    sofar, found = Sofar(tenant=None), list[str]()
    for entry in entries:
        found += act(entry, sofar)
        sofar.learn(entry)
    return found


def test_what_was_approved_is_good() -> None:
    assert flaws(told(3)) == []


def late(step: str, subject: str = "t0", **fact: object) -> list[str]:
    """What is wrong with an act that was recorded at the end of the mandate."""
    entries = story("planned", facts={"planned": {"waves": [], "placements": [{"tenant": "t0", "ring": "broad"}]}})
    found = [Opening.of("t0", "broad", ("broad",), entries[0].salt)]
    made = Mandate.lay_down("r1", {"artifact": ARTIFACT, "commit": COMMIT}, found, AT, planned=0)
    facts = {"planned": entries[0].fact, "mandated": made.fact()}
    facts[step] = {"digest": ARTIFACT, "commit": COMMIT, **fact}
    return flaws(story("planned", "mandated", "approved", (step, subject), facts=facts))


@pytest.mark.parametrize("step", ["deployed", "expanding", "expanded", "flagged"])
def test_nothing_is_done_when_the_mandate_is_over(step: str) -> None:
    """What takes long says when it was asked; that was before."""
    assert late(step) == late(step, asked_at="2026-11-23T08:00:00Z") != []
    assert late(step)[0].endswith("at 2026-11-23T08:00:00Z, and what was approved ended at 2026-11-23T08:00:00Z")
    assert late(step, asked_at="2026-11-23T07:59:59Z") == []
    for none in ("never", "2026-11-23", None, 7, ["2026-11-23T07:59:59Z"]):
        assert late(step, asked_at=none)


def test_what_was_found_to_be_done_had_been_approved_some_time() -> None:
    assert late("deployed", found=True) == []
    assert "that nobody had ever approved" in late("deployed", "t1", found=True)[0]
    assert "that nobody had ever approved" in late("deployed", found=True, digest="sha256:" + "0" * 64)[0]
    assert late("deployed", found="yes")
    assert late("expanded", found=True)


def test_what_was_found_may_have_been_done_under_an_earlier_mandate() -> None:
    entries = told(1)
    later = story("planned", "mandated", facts={"mandated": {**entries[1].fact, "planned": 9}})
    found = entries[-1].model_copy(update={"fact": {"digest": ARTIFACT, "found": True}})
    assert flaws([*entries[:3], *later, found]) == []
    assert flaws([*entries[:2], *later, found])
    assert flaws([*entries[:3], *later, entries[-1]])


def flags(*steps: str, commit: str) -> list[str]:
    """After a mandate that was approved, these steps and then flags of the commit; what is wrong with these."""
    made = Mandate.lay_down("r1", {"artifact": ARTIFACT, "commit": COMMIT}, [], AT + timedelta(days=9), planned=0)
    facts = {"mandated": made.fact(), "flagged": {"commit": commit}, "rolled_back": {"commit": BEFORE, "digest": OLD},
             "staged": {"pairs": [[OLD, "s2"], [ARTIFACT, "s2"]]}}  # fmt: skip
    return flaws(story("staged", "mandated", "approved", *steps, "flagged", facts=facts))


def test_flags_go_back_with_the_tenants_whatever_became_of_the_approval() -> None:
    assert flags(commit=COMMIT) == []
    assert flags("mandated", "rollback", "rolled_back", commit=BEFORE) == []
    assert "another commit" in flags("rollback", commit=BEFORE)[0]
    assert "nobody had approved" in flags("mandated", "rollback", "rolled_back", commit=COMMIT)[0]


@pytest.mark.parametrize("pairs", [[[ARTIFACT, "s2"]], [], None, [OLD], [[OLD, "s2", "more"]], [[[], "s2"]]])
def test_what_a_tenant_goes_back_to_was_proved_in_stage(pairs: object) -> None:
    facts: dict[str, dict[str, object]] = {"staged": {"pairs": pairs}, "rolled_back": {"digest": OLD}}
    said = flaws(story("staged", ("rolled_back", "acme"), facts=facts))
    assert said == ["log/entries.jsonl: entry 1 led acme back to what was not proved for this release"]
    facts["staged"]["pairs"] = [[OLD, "s2"]]
    assert flaws(story("staged", ("rolled_back", "acme"), facts=facts)) == []


def test_a_mandate_is_read_once_however_many_tenants_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    read, entries = [0], told(50)

    def counted(fact: dict[str, object]) -> Mandate:
        read[0] += 1
        return whole(fact)

    whole = Mandate.read
    monkeypatch.setattr(Mandate, "read", counted)
    assert flaws(entries) == []
    assert read[0] <= 2


def test_eight_times_the_tenants_cost_eight_times_as_much() -> None:
    """With room for a busy machine; it was sixty times as much."""
    few, many = told(250), told(2000)

    def cost(entries: list[Entry]) -> float:
        best = 99.0
        for _ in range(3):
            begin = time.process_time()
            flaws(entries)
            best = min(best, time.process_time() - begin)
        return best

    assert cost(many) < 20 * cost(few)
