"""The table of stages, walked pair by pair and at random."""

from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.entries import STEPS, Entry
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.stages import EDGES, STAGES, TABLE, WAY, Stage, UnfitEntryError, fold, furthest, transition
from tests.entries import GOOD, story

# What each stage makes of each step, written out a second time. `step` alone: the stage stays. ~ is the furthest
# stage of the way to which all facts stand; a stage of the way is reached at the least.
ANY = (
    "confirmed merged_back advanced skipped unskipped approval adopted paused resumed lifted told waived unwaived "
    "flagged refused reviewed consented declined attested closed contract mode_off"
)
LEG = f"{ANY} started>~ waiting passed linked scanned failed>failed aborted>aborted rollback>rolling_back"
FILLS = "backfilling backfilled"
BEGUN = f"verdict promoted held>held notice {FILLS}"
STOPPED = (
    f"{ANY} started>~ failed aborted>aborted rollback>rolling_back deployed expanding expanded passed mode_on {FILLS}"
)
BACK = "restored>rolled_back contained>held aborted>aborted lifted>held"
ALL = [step for step in STEPS if step not in {"frozen", "thawed", "ratified", "signed", "drifted", "checkpointed"}]
EXPECTED = {
    "requested": f"{LEG} cut>cut",
    "cut": f"{LEG} built>built",
    "built": f"{LEG} tested>tested",
    "tested": f"{LEG} rehearsed expanding expanded verdict staged>staged",
    "staged": f"{LEG} backfilled planned>planned",
    "planned": f"{LEG} {BEGUN} staged planned>~ mandated>~ approved>~ deployed released>released",
    "approved": f"{LEG} {BEGUN} staged planned>~ mandated>~ briefed>briefed deployed released>released",
    "briefed": (
        f"{LEG} {BEGUN} staged planned>~ mandated>~ mode_on expanding expanded deployed>deploying released>released"
    ),
    "deploying": (f"{LEG} {BEGUN} staged planned>~ mandated>~ mode_on expanding expanded deployed released>released"),
    "held": f"{STOPPED} rolled_back contained restored>rolled_back",
    "failed": STOPPED,
    "rolling_back": " ".join([*(step for step in ALL if f"{step}>" not in BACK), BACK]),
    "rolled_back": f"{ANY} started failed aborted rollback restored {FILLS}",
    "aborted": " ".join(ALL),
    "released": (
        f"{ANY} {FILLS} started aborted failed rollback>rolling_back deployed waiting proved contract_mandated "
        "contract_approved contracting contract_stopped contracted contract_over passed"
    ),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("step", STEPS)
def test_every_pair(stage: Stage, step: str) -> None:
    pairs = {event: to or stage for event, _, to in (each.partition(">") for each in EXPECTED[stage].split())}
    for reached in STAGES:
        if step not in pairs:
            with pytest.raises(UnfitEntryError, match=f"{step}.*{stage}"):
                transition(stage, step, reached)
        else:
            assert transition(stage, step, reached) == _target(stage, pairs[step], reached)


def _target(stage: Stage, to: str, reached: Stage) -> str:
    way = [name for name, _ in WAY]
    if to == "~" or (to != stage and to in way and reached in way[way.index(to) :]):
        return reached
    return to


def test_no_pair_has_two_edges_and_every_edge_says_who_causes_it() -> None:
    assert sum(len(edge.stages) for edge in EDGES) == len(TABLE)
    assert all(edge.by and edge.event in STEPS for edge in EDGES)


def test_a_good_release_goes_the_whole_way() -> None:
    entries = story(*GOOD)
    stages = [fold(entries[:end]) for end in range(1, len(entries) + 1)]
    seen = list(dict.fromkeys(stages))
    assert seen == ["requested", *(stage for stage, _ in WAY), "released"]


@pytest.mark.parametrize("end", range(1, len(GOOD)))
@pytest.mark.parametrize("how", ["killed", "failed", "waiting"])
def test_a_leg_that_ended_anywhere_is_continued_where_it_was(end: int, how: str) -> None:
    before = fold(story(*GOOD[:end]))
    ended = GOOD[:end] if how == "killed" else (*GOOD[:end], how)
    assert fold(story(*ended, "started")) == before


def test_a_restart_goes_back_as_far_as_facts_were_undone() -> None:
    deployed = GOOD[: GOOD.index(("deployed", "acme")) + 1]
    assert fold(story(*deployed, ("held", "pilot"))) == "held"
    assert fold(story(*deployed, ("held", "pilot"), "started")) == "deploying"
    contained = (("held", "pilot"), "rollback", ("rolled_back", "acme"), "contained")
    assert fold(story(*deployed, *contained)) == "held"
    assert fold(story(*deployed, *contained, "lifted", "started")) == "briefed"


def test_a_second_plan_needs_a_second_approval_and_then_goes_on_where_it_was() -> None:
    deployed = GOOD[: GOOD.index(("deployed", "acme")) + 1]
    assert fold(story(*deployed, "planned")) == "planned"
    assert fold(story(*deployed, "planned", "approved")) == "deploying"


def test_a_hold_is_not_hidden_by_an_error_after_it() -> None:
    assert fold(story(*GOOD[:-2], ("held", "pilot"), "failed")) == "held"


def test_what_a_leg_recorded_late_is_not_waited_for_again() -> None:
    assert fold(story("started", "rollback", "built", "lifted", "started", "cut")) == "built"


def test_what_is_recorded_after_an_abort_changes_nothing() -> None:
    assert fold(story(*GOOD[:-1], "aborted", ("deployed", "beta"), "failed", "released")) == "aborted"


def test_a_rollback_ends_rolled_back_and_an_aborted_one_ends_aborted() -> None:
    back = (*GOOD[:-1], "rollback", ("deployed", "late"), ("rolled_back", "acme"))
    assert fold(story(*back)) == "rolling_back"
    assert fold(story(*back, "failed", "started", "restored")) == "rolled_back"
    assert fold(story(*back, "aborted", "restored")) == "aborted"
    assert fold(story(*back, "aborted", "contained")) == "aborted"
    assert fold(story(*GOOD[:-1], "aborted", "rollback", ("rolled_back", "acme"), "restored")) == "aborted"
    assert fold(story(*GOOD, "rollback", "restored", "started", "lifted")) == "rolled_back"


@pytest.mark.parametrize("end", range(1, len(GOOD) + 1))
def test_a_pause_moves_nothing(end: int) -> None:
    assert fold(story(*GOOD[:end], "paused", "resumed")) == fold(story(*GOOD[:end]))


def test_an_entry_that_does_not_fit_names_itself() -> None:
    with pytest.raises(UnfitEntryError, match=r"entry 2: 'built' cannot follow when a release is failed") as caught:
        fold(story("started", "failed", "built"))
    assert isinstance(caught.value, StationmasterError)
    assert (caught.value.stage, caught.value.event) == ("failed", "built")


@given(st.data())
def test_on_every_walk_the_stage_is_what_the_facts_say(data: st.DataObject) -> None:
    """Walks the table at random. While a leg works, the stage is never ahead of the facts nor behind them."""
    told: list[tuple[str, str]] = [("started", "r1")]
    for _ in range(data.draw(st.integers(0, 40))):
        stage = fold(story(*told))
        step = data.draw(st.sampled_from([event for at, event in TABLE if at == stage]))
        told.append((step, data.draw(st.sampled_from(["acme", "beta"])) if step in _OF_TENANTS else "r1"))
        _agree(story(*told))


_OF_TENANTS = {"deployed", "adopted", "rolled_back"}


def _agree(entries: list[Entry]) -> None:
    stage, steps = fold(entries), [entry.step for entry in entries]
    ordered = _ordered(steps)
    assert ordered in {None, stage}
    if ordered is None and stage not in {"held", "failed"}:
        facts = {step: True for step in steps if step not in {"approved", "deployed"} or _last(entries, step)}
        reached = furthest(facts)
        assert reached in {stage, "briefed" if stage == "deploying" else stage}


def _ordered(steps: list[str]) -> str | None:
    """The stage into which orders and the end bring the release; None where its facts decide."""
    word = None
    for step in steps:
        if step == "rollback" and word in {None, "released"}:
            word = "rolling_back"
        elif step == "aborted" and word in {None, "rolling_back"}:
            word = "aborted"
        elif step == "released" and word is None:
            word = "released"
        elif step == "restored" and word in {None, "rolling_back"}:
            word = "rolled_back"
        elif step in {"contained", "lifted"} and word == "rolling_back":
            word = None
    return word


def _last(entries: list[Entry], step: str) -> bool:
    """Whether the step stands for some subject, decided by the last word about each."""
    words = {"approved": {"planned"}, "deployed": {"adopted", "rolled_back"}}[step] | {step}
    last = {entry.subject: entry.step for entry in entries if entry.step in words}
    return step in last.values()


def test_the_page_has_the_table_that_the_code_has() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/stages.md").read_text()
    rows = [
        f"| {_names(stages)} | {', '.join(f'`{edge.event}`' for edge in edges)} | {_TARGET.get(to, f'`{to}`')} | {by} |"
        for (stages, to, by), edges in groupby(EDGES, lambda edge: (edge.stages, edge.to, edge.by))
    ]
    assert [line for line in page.splitlines() if line.startswith("| ") and line.count("|") == 5][1:] == rows
    explained = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `") and line.count("|") == 3]
    assert explained == list(STAGES)


_TARGET = {"same": "the same", "reached": "the furthest reached"}


def _names(stages: tuple[Stage, ...]) -> str:
    return "any stage" if stages == STAGES else ", ".join(f"`{stage}`" for stage in stages)
