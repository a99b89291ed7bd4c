"""A hotfix is cut from what runs, has approvals of its own, and owes its way back into the release branch."""

from datetime import timedelta

import pytest

from stationmaster.blocks.confirmation import OtherConfirmedError, confirm, kind_of
from stationmaster.blocks.leg import Leg, on_duty
from stationmaster.blocks.merge_backs import merge_backs, owed
from stationmaster.blocks.reminding import remind
from stationmaster.cli.steering import NoHotfixError, merged_back
from stationmaster.domain.hotfix import NoSuchVersionError, NotDescendedError
from stationmaster.domain.request import ReleaseRequest
from stationmaster.flows.leg import conduct
from stationmaster.flows.release import runbook
from stationmaster.tasks.confirmation import require_confirmation
from stationmaster.tasks.cut import cut
from stationmaster.tasks.hotfix import NoHotfixBranchError, require_base
from tests.shop import PRODUCT, product
from tests.world import World

OWN = PRODUCT + "\nhotfix: {approvals: {release-approver: 2}, merge_back_within: 2h}\n"


def asked(ref: str, kind: str = "hotfix") -> ReleaseRequest:
    return ReleaseRequest.model_validate({"id": "h1", "product": "shop", "ref": ref, "kind": kind, "starter": "ana"})


def fix(world: World, branch: str = "hotfix/1") -> str:
    """A fix of what runs, on a branch of that name."""
    commit = world.commit("v1.1", head="r1", product=OWN)
    world.source.refs[branch] = commit
    return commit


def based(world: World, ref: str, kind: str = "hotfix") -> None:
    with on_duty(world.tools, asked(ref, kind), "test") as leg:
        require_base.fn(leg, cut.fn(leg))


def test_a_branch_of_what_runs_is_a_base_and_so_is_a_commit_of_it(world: World) -> None:
    commit = fix(world)
    based(world, "hotfix/1")
    based(world, commit)


def test_a_branch_of_what_nobody_runs_is_refused_with_the_one_that_would_do(world: World) -> None:
    fix(world, "hotfix/7")
    with pytest.raises(NoSuchVersionError, match="version '7', which no tenant runs") as refused:
        based(world, "hotfix/7")
    assert refused.value.hint == "did you mean 'hotfix/1'?"


def test_one_with_nothing_new_is_refused(world: World) -> None:
    world.source.refs["hotfix/1"] = world.ledger.running()["acme"].fact["commit"]
    with pytest.raises(NotDescendedError, match="has nothing beyond"):
        based(world, "hotfix/1")


def test_one_that_was_not_cut_from_what_runs_is_refused(world: World) -> None:
    older = next(iter(world.source.commits))
    world.release()  # what runs is newer now
    world.source.refs["hotfix/2"] = older
    with pytest.raises(NotDescendedError, match="does not descend from"):
        based(world, "hotfix/2")


def test_any_other_release_has_no_base(world: World) -> None:
    fix(world, "hotfix/7")
    based(world, "hotfix/7", "manual")


def test_what_every_tenant_has_already_goes_on(world: World) -> None:
    commit = fix(world)
    for tenant in ("acme", "birch", "cedar"):
        entry = world.ledger.running()[tenant]
        fact = {**entry.fact, "commit": commit, "version": "1.1"}
        world.ledger.append(world.draft("h1", "deployed", tenant, fact), world.clock.now())
    based(world, "hotfix/1")
    based(world, commit)


def test_the_release_branch_is_no_hotfix_whatever_it_is_called(world: World) -> None:
    fix(world, "main")
    with pytest.raises(NoHotfixBranchError, match="main is on no hotfix branch of what runs") as refused:
        based(world, "main")
    assert "hotfix/1" in str(refused.value.hint)


def test_who_runs_what_it_does_not_contain_is_left_where_it_is(world: World) -> None:
    fix(world)
    newer = world.commit("v9", head="r1")  # after the fix, which does not contain it
    entry = world.ledger.running()["cedar"]
    fact = {**entry.fact, "commit": newer, "version": "9"}
    world.ledger.append(world.draft("r9", "deployed", "cedar", fact), world.clock.now())
    assert run(world) == "WaitingForApproval"
    (place,) = (one for one in world.last("planned", "h1").fact["placements"] if one["tenant"] == "cedar")
    assert (place["place"], place["reason"]) == ("newer", "runs 9 of r9, which this hotfix does not contain")


def run(world: World, ref: str = "hotfix/1") -> str | None:
    request = asked(ref)
    confirm(world.ledger, world.tools.signer, request, "command line", world.clock.now())
    return conduct(world.tools, request, "test", runbook).name


def test_it_passes_every_gate_with_approvals_of_its_own(world: World) -> None:
    fix(world)
    assert run(world) == "WaitingForApproval"
    assert "2 more release-approver" in world.last("waiting", "h1").fact["message"]
    passed = [step for step, _ in world.steps("h1")]
    assert [step for step in passed if step in {"built", "tested", "staged", "planned"}] == [
        "built", "tested", "staged", "planned",
    ]  # fmt: skip
    assert kind_of(world.ledger, "h1") == "hotfix"


def test_who_calls_another_release_a_hotfix_later_gets_no_other_approvals(world: World) -> None:
    fix(world)
    confirm(world.ledger, world.tools.signer, asked("hotfix/1", "manual"), "command line", world.clock.now())
    leg: Leg
    with (
        on_duty(world.tools, asked("hotfix/1"), "test") as leg,
        pytest.raises(OtherConfirmedError, match="confirmed with kind manual, not hotfix"),
    ):
        require_confirmation.fn(leg)


def test_it_owes_its_way_back_until_the_release_branch_has_it(world: World) -> None:
    before = world.source.refs["main"]
    fix(world)
    world.source.refs["main"] = before
    assert merge_backs(world.tools, product(), "main") == []
    run(world)
    assert owed(world.tools, product(), "main") == []  # nobody has it yet
    entry = world.ledger.running()["acme"]
    world.ledger.append(world.draft("h1", "deployed", "acme", dict(entry.fact)), world.clock.now())
    (back,) = owed(world.tools, product(), "main")
    assert (back.release, back.owner, back.into) == ("h1", "ana", "main")
    assert not back.overdue(world.clock.now())
    assert back.overdue(world.clock.now() + timedelta(days=4))
    world.source.refs["main"] = world.source.refs["hotfix/1"]
    assert owed(world.tools, product(), "main") == []
    assert len(merge_backs(world.tools, product(), "main")) == 1


def test_what_is_owed_is_told_once_and_once_more_when_it_is_overdue(world: World) -> None:
    before = world.source.refs["main"]
    fix(world)
    world.source.refs["main"] = before
    run(world)
    entry = world.ledger.running()["acme"]
    world.ledger.append(world.draft("h1", "deployed", "acme", dict(entry.fact)), world.clock.now())
    for _ in range(2):
        (said,) = remind(world.tools)
        assert "h1 is not merged back into main, owed since" in said
        assert "; ana owes it. " in said
        assert "The incident is reviewed by 20" in said
    told = len(world.chat.texts())
    world.clock.sleep(4 * 86400)
    assert "it blocks the next train" in remind(world.tools)[0]
    remind(world.tools)
    assert len(world.chat.texts()) == told + 1
    world.source.refs["main"] = world.source.refs["hotfix/1"]
    assert remind(world.tools) == []


def test_what_was_squashed_is_merged_back_when_a_person_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stationmaster.cli.steering.now", world.clock.now)
    monkeypatch.setattr("stationmaster.cli.lookup.now", world.clock.now)
    monkeypatch.setenv("STATIONMASTER_USER", "ben")
    before = world.source.refs["main"]
    world.source.refs["hotfix/1"] = world.commit("v1.1", head="r1")
    world.source.refs["main"] = before
    run(world)
    world.approve("h1")
    assert run(world) == "Released"
    assert len(owed(world.tools, product(), "main")) == 1
    for _ in range(2):
        merged_back(world.ledger, "h1", "main", "squashed in !311")
    assert owed(world.tools, product(), "main") == []
    assert world.steps("h1").count(("merged_back", "h1")) == 1
    world.commit("v3")
    world.start("r3", "v3")
    with pytest.raises(NoHotfixError):
        merged_back(world.ledger, "r3", "main", "squashed")


def test_what_was_seen_in_the_branch_once_is_not_asked_again(world: World) -> None:
    fix(world)
    run(world)
    entry = world.ledger.running()["acme"]
    world.ledger.append(world.draft("h1", "deployed", "acme", dict(entry.fact)), world.clock.now())
    assert remind(world.tools) == []
    world.source.refs["main"] = next(iter(world.source.commits))  # as if its branch were gone
    assert remind(world.tools) == []
    assert world.steps("h1").count(("merged_back", "h1")) == 1
