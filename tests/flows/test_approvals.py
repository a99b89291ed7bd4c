"""Approvals as a release meets them: what voids them, who may change the rules, and what an emergency may."""

import json
from typing import Any

import pytest

from stationmaster.blocks.approval import mandate_of
from stationmaster.blocks.approving import ApprovalMissingError, OutsideMandateError
from stationmaster.blocks.leg import GateNotPassedError
from stationmaster.blocks.ratification import PolicyImpossibleError, proposal, put_approvers_in_force, put_signature
from stationmaster.blocks.signer import sign_with
from stationmaster.domain.approval_statement import Said
from stationmaster.domain.entries import Draft
from stationmaster.domain.plan import Wave
from stationmaster.tasks.approval import NobodyCanApproveError
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from stationmaster.tasks.deploy import deploy, shift
from tests.shop import FLAGS, OPEN, PRODUCT, TENANTS
from tests.world import World

EMERGENCY = PRODUCT.replace(
    "{deploy: {release-approver: 1}}", "{deploy: {release-approver: 2}, emergency: {role: commander}}"
)


def people(world: World, **roles: list[str]) -> None:
    """Gives people other roles, in the file alone."""
    file = world.root / "approvers.yaml"
    known = json.loads(file.read_text())
    for one in known["people"]:
        one["roles"] = roles.get(one["id"], one["roles"])
    file.write_text(json.dumps(known))


def dune(world: World) -> None:
    """One more tenant in the directory."""
    world.directory.write_text(f"{TENANTS}  - {{id: dune, name: Dune, ring: broad, {OPEN}}}\n")
    world.target.where["dune"] = ("cloud", "a")


def refused(world: World, release: str = "r2") -> list[str]:
    return [entry.fact["rule"] for entry in world.ledger.entries(release) if entry.step == "refused"]


def test_who_comes_into_the_plan_after_the_signature_voids_it(world: World) -> None:
    world.start()
    world.approve()
    dune(world)
    assert world.start().name == "WaitingForApproval"
    assert refused(world) == ["superseded"]
    assert set(world.production().values()) == {"1"}
    world.approve()
    assert world.start().name == "Released"


def test_who_goes_out_of_it_does_not(world: World) -> None:
    world.start()
    world.approve()
    world.ledger.append(world.draft("r2", "skipped", "cedar", {"reason": "their audit"}), world.clock.now())
    assert world.start().name == "Released"
    assert world.tenants()["cedar"] == "1"


def test_a_refused_attempt_is_on_record_once_and_names_nobody(world: World) -> None:
    world.start()
    world.approve(who="ana")
    world.start()
    world.start()
    assert refused(world) == ["starter"]
    entry = world.last("refused")
    assert world.ledger.personal(entry) == {"who": "ana"}
    assert "ana" not in entry.canonical().decode()


def test_no_act_touches_production_once_an_approval_is_gone(world: World) -> None:
    world.start()
    world.approve()
    world.freeze("ring:broad")
    world.start()  # the pilots have it, and the others are frozen
    people(world, ben=[])
    with world.leg() as leg:
        this = cut(leg)
        artifact = build(leg, this)
        with pytest.raises(ApprovalMissingError):
            deploy(leg, this, artifact, "cedar")
    world.thaw("ring:broad")
    assert world.start().name == "WaitingForApproval"
    assert world.production() == {"acme": "2", "birch": "1", "cedar": "1"}


def test_no_act_reaches_whom_the_mandate_does_not_name(world: World) -> None:
    world.start()
    world.approve()
    world.start()
    with world.leg() as leg:
        this = cut(leg)
        with pytest.raises(OutsideMandateError, match="nobody signed that r2 reaches dune"):
            shift(leg, this, build(leg, this), Wave("broad", {"cloud": ("dune",)}), {"cloud": "b"})


def test_a_forged_approved_entry_opens_nothing(world: World) -> None:
    world.start()
    mandate = mandate_of(world.ledger, "r2").digest
    forged = Draft(release="r2", step="approved", inputs={"mandate": mandate}, fact={"roles": [], "mandate": mandate})
    world.ledger.append(forged, world.clock.now())
    assert world.start().name == "WaitingForApproval"
    with world.leg() as leg:
        this = cut(leg)
        with pytest.raises((ApprovalMissingError, GateNotPassedError)):
            deploy(leg, this, build(leg, this), "cloud")
    assert set(world.production().values()) == {"1"}


def test_a_mandate_ends(world: World) -> None:
    world.start()
    world.approve()
    world.clock.sleep(15 * 86_400)
    assert world.start().name == "WaitingForApproval"
    assert refused(world) == ["superseded"]


# -- the rules


@pytest.mark.slow
def test_a_pull_request_that_weakens_its_own_gate_is_held_to_the_gate_before_it(world: World) -> None:
    strict = PRODUCT.replace("release-approver: 1", "release-approver: 2")
    world.commit("v2", product=strict)
    world.start()
    world.approve(who="ben")
    world.approve(who="mei")
    assert world.start().name == "Released"
    world.commit("v3", product=PRODUCT)
    world.start("r3", "v3")
    world.approve("r3", "ben")
    assert world.start("r3", "v3").name == "WaitingForApproval"  # two are in force, whatever v3 says
    world.approve("r3", "mei")
    assert world.start("r3", "v3").name == "Released"
    world.commit("v4", product=PRODUCT)
    world.start("r4", "v4")
    world.approve("r4", "ben")
    assert world.start("r4", "v4").name == "Released"  # what was approved under two is in force now


def test_a_rule_cannot_ask_for_more_people_than_hold_the_role(world: World) -> None:
    world.commit("v2", product=PRODUCT.replace("release-approver: 1", "lawyer: 1"))
    with pytest.raises(PolicyImpossibleError, match="'deploy' could never be met: it would take 1 more lawyer"):
        world.start()
    assert world.status().stage == "failed"


def test_nobody_gives_themselves_a_role(world: World) -> None:
    people(world, mei=[])
    world.start()
    people(world, mei=["release-approver"])
    world.approve(who="mei")
    assert world.start().name == "WaitingForApproval"
    assert refused(world) == ["role"]


def signed(world: World, who: str) -> bool:
    asked = proposal(world.ledger, world.tools.signer, "shop", world.clock.now())
    said = Said(release=asked.question.release, mandate=asked.question.mandate).statement(asked.question.digest)
    put_signature(world.ledger, "shop", sign_with(world.keys[who], said), who, world.clock.now())
    decided = proposal(world.ledger, world.tools.signer, "shop", world.clock.now())
    if decided.decision.satisfied:
        put_approvers_in_force(world.ledger, "shop", decided.approvers, "signatures", world.clock.now())
    return decided.decision.satisfied


@pytest.mark.slow
def test_those_who_have_the_right_now_give_it_to_others(world: World) -> None:
    people(world, mei=[])
    world.start()
    people(world, mei=["release-approver"])
    assert not signed(world, "mei")
    assert signed(world, "ben")
    world.approve(who="mei")
    assert world.start().name == "Released"


def test_a_signature_for_another_file_does_not_put_this_one_in_force(world: World) -> None:
    people(world, mei=[])
    world.start()
    people(world, mei=["release-approver"])
    assert signed(world, "ben")
    people(world, mei=["release-approver", "dba"])
    asked = proposal(world.ledger, world.tools.signer, "shop", world.clock.now())
    assert not asked.decision.satisfied


def test_what_nobody_could_approve_is_told_before_it_is_built(world: World) -> None:
    people(world, ben=[], mei=[])
    with pytest.raises(NobodyCanApproveError, match="nobody could approve r2: 1 more release-approver"):
        world.start()
    assert "built" not in {step for step, _ in world.steps()}


def test_an_author_who_is_nobody_in_the_file_is_told_there_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    change = world.source._change

    def eve(commit: str) -> Any:
        return change(commit).model_copy(update={"authors": ("Ana <ana@shop.example>", "Eve <eve@x.example>")})

    monkeypatch.setattr(world.source, "_change", eve)
    with pytest.raises(NobodyCanApproveError, match=r"Eve <eve@x\.example> wrote some of it and is nobody"):
        world.start()


def test_a_rule_for_trains_that_no_train_with_a_migration_could_meet_is_refused_before_it_is_ratified(
    world: World,
) -> None:
    people(world, mei=["dba", "captain"])
    rules = "migrate: {dba: 1}, rules: [{action: deploy, kind: train, quorum: {captain: 1}}]"
    world.commit(
        "v2", product=PRODUCT.replace("deploy: {release-approver: 1}", f"deploy: {{release-approver: 1}}, {rules}")
    )
    with pytest.raises(PolicyImpossibleError, match=r"'deploy with migrate, policy' could never be met: .* 1 more"):
        world.start()


# -- what a release changes

FLAG = PRODUCT.replace("{deploy: {release-approver: 1}}", "{deploy: {release-approver: 1}, flag: {pm: 1}}")


@pytest.mark.slow
@pytest.mark.parametrize("change", ["turned", "gone"])
def test_a_release_that_changes_flags_asks_also_those_who_must_agree_to_flags(world: World, change: str) -> None:
    people(world, mei=["pm"])
    commit = world.commit("v2", product=FLAG)
    if change == "turned":
        world.source.commits[commit]["flags.json"] = FLAGS.replace("ENABLED", "DISABLED")
    else:
        world.source.commits[world.source.refs["v1"]].pop("flags.json")
    world.start()
    world.approve()
    assert world.start().message == "r2 waits for 1 more pm"
    world.approve(who="mei")
    assert world.start().name == "Released"
    assert sorted(world.last("approved").fact["roles"]) == ["pm", "release-approver"]


@pytest.mark.slow
def test_one_that_leaves_the_flags_alone_does_not(world: World) -> None:
    people(world, mei=["pm"])
    world.commit("v2", product=FLAG)
    world.start()
    world.approve()
    assert world.start().name == "Released"


# -- an emergency


@pytest.mark.slow
def test_whoever_is_named_goes_ahead_alone_past_a_freeze_and_it_is_told_as_what_it_is(world: World) -> None:
    people(world, ana=["commander"])
    world.commit("v2", product=EMERGENCY)
    world.start()
    world.freeze("env:production")
    world.go_ahead(who="ana")
    assert world.start().name == "Released"
    assert world.last("approved").fact["emergency"] is True
    (gate,) = world.last("passed").fact["gates"]
    assert (gate["gate"], gate["tickets"]) == ("env:production", ["INC-1"])
    assert "ana" not in "".join(entry.canonical().decode() for entry in world.ledger.entries("r2"))


def test_nobody_else_may(world: World) -> None:
    people(world, mei=["commander"])
    world.commit("v2", product=EMERGENCY)
    world.start()
    world.go_ahead(who="ana")
    assert world.start().name == "WaitingForApproval"
    assert refused(world) == ["role"]
    assert set(world.production().values()) == {"1"}


def test_what_is_kept_of_a_wait_names_nobody(world: World) -> None:
    world.start()
    world.approve(who="ana")
    state = world.start()
    assert state.name == "WaitingForApproval"
    assert "Ana" in str(state.message)
    kept = world.last("waiting").fact
    assert kept["message"] == (
        "r2 waits for 1 more release-approver; refused by rule: starter (`stationmaster approvals status r2`)"
    )
    people(world, ben=[], mei=[], ana=[])
    world.commit("v3")
    with pytest.raises(PolicyImpossibleError):
        world.start("r3", "v3")
    facts = "".join(entry.canonical().decode() for entry in [*world.ledger.entries("r2"), *world.ledger.entries("r3")])
    assert not [name for name in ("Ana", "Ben", "Mei", "ana@") if name in facts]
