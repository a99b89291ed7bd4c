"""Whose policy a release is held to, and when its own comes in force."""

import pytest

from stationmaster.blocks.approving import OutsideMandateError
from stationmaster.blocks.ratification import proposal
from stationmaster.tasks.cut import cut
from stationmaster.tasks.deploy import deploy, publish_flags
from stationmaster.tasks.tickets import TicketMissingError
from tests.flows.test_approvals import EMERGENCY, people, refused, signed
from tests.shop import PRODUCT
from tests.world import World

LAWYER = PRODUCT.replace("{deploy: {release-approver: 1}}", "{deploy: {release-approver: 1}, policy: {lawyer: 1}}")
TWO = PRODUCT.replace("release-approver: 1", "release-approver: 2")


def rules(world: World) -> tuple[str, dict[str, int]]:
    """By which release, and how many a deploy takes now."""
    entry = world.ledger.history("ratified", "shop/policy")[-1]
    return entry.fact["by"], entry.fact["content"]["approvals"]["deploy"]


def test_a_change_of_the_policy_asks_those_whom_the_policy_names_for_it(world: World) -> None:
    people(world, mei=["lawyer"])
    world.commit("v2", product=LAWYER)
    assert world.release().name == "Released"  # the first that the ledger sees changes nothing
    world.commit("v3", product=PRODUCT)
    world.start("r3", "v3")
    world.approve("r3", "ben")
    assert world.start("r3", "v3").name == "WaitingForApproval"
    assert rules(world)[0] == "first"
    world.approve("r3", "mei")
    assert world.start("r3", "v3").name == "Released"
    assert rules(world)[0] == "r3"


def test_whoever_goes_ahead_alone_changes_no_rules(world: World) -> None:
    people(world, ana=["commander", "release-approver"])
    world.commit("v2", product=EMERGENCY)
    world.start()
    world.approve(who="ben")
    world.approve(who="mei")
    assert world.start().name == "Released"
    weak = EMERGENCY.replace("{release-approver: 2}", "{commander: 1}")
    world.commit("v3", product=weak)
    world.start("r3", "v3")
    world.go_ahead("r3", "ana")
    assert world.start("r3", "v3").name == "Released"
    assert rules(world) == ("first", {"release-approver": 2})
    world.commit("v4", product=weak)
    world.start("r4", "v4")
    world.approve("r4", "ben")
    assert world.start("r4", "v4").name == "WaitingForApproval"  # it is still a proposal, under the rules of before
    world.approve("r4", "mei")
    assert world.start("r4", "v4").name == "Released"
    assert rules(world) == ("r4", {"commander": 1})


@pytest.mark.slow
def test_an_older_release_that_goes_on_takes_no_rule_back(world: World) -> None:
    world.start()
    world.approve()
    world.freeze("env:production")
    assert world.start().name == "WaitingForWindow"
    world.commit("v3", product=TWO)
    world.start("r3", "v3")
    world.approve("r3")
    world.start("r3", "v3")
    assert rules(world) == ("r3", {"release-approver": 2})
    assert world.start().name == "WaitingForApproval"  # it is held to what is in force now
    world.approve(who="mei")
    world.thaw("env:production")
    assert world.start().name == "Released"
    assert rules(world) == ("r3", {"release-approver": 2})


@pytest.mark.slow
def test_one_that_comes_between_voids_what_was_signed_for_a_change_of_another(world: World) -> None:
    people(world, mei=["release-approver", "lawyer"])
    assert world.release().name == "Released"
    world.commit("v3", product=TWO)
    world.commit("v4", product=LAWYER)
    world.start("r4", "v4")
    world.approve("r4", "ben")
    world.freeze("env:production")
    assert world.start("r4", "v4").name == "WaitingForWindow"
    assert rules(world) == ("r4", {"release-approver": 1})
    world.start("r3", "v3")  # under the lawyer's rule now, which it takes away
    world.approve("r3", "ben")
    world.approve("r3", "mei")
    world.start("r3", "v3")
    assert rules(world) == ("r3", {"release-approver": 2})


@pytest.mark.slow
def test_two_changes_that_were_signed_under_one_policy_are_not_both_put_in_force(world: World) -> None:
    people(world, mei=["release-approver", "lawyer"])
    assert world.release().name == "Released"
    world.commit("v3", product=TWO)
    world.commit("v4", product=LAWYER)
    world.start("r3", "v3")
    world.start("r4", "v4")
    world.approve("r3", "ben")
    world.approve("r4", "ben")
    assert world.start("r3", "v3").name == "Released"
    assert world.start("r4", "v4").name == "WaitingForApproval"  # signed in the place of another than is in force now
    assert rules(world) == ("r3", {"release-approver": 2})
    assert refused(world, "r4") == ["superseded"]


def test_what_was_signed_for_the_approvers_before_does_not_bring_them_back(world: World) -> None:
    people(world, mei=[])
    world.start()
    people(world, mei=["release-approver"])
    assert signed(world, "ben")
    people(world, mei=[])
    assert signed(world, "ben")
    people(world, mei=["release-approver"])
    assert not proposal(world.ledger, world.tools.signer, "shop", world.clock.now()).decision.satisfied
    assert signed(world, "ben")


@pytest.mark.slow
def test_a_change_is_held_to_the_tickets_that_it_does_away_with(world: World) -> None:
    world.commit("v2", product=f"{PRODUCT}require_ticket: true\n")
    fragment = "---\nkind: added\nrefs: {ticket: CHG-1}\n---\nSomething.\n"
    world.source.commits[world.source.refs["v2"]]["changes/v2.md"] = fragment
    assert world.release().name == "Released"
    world.commit("v3", product=PRODUCT)
    with pytest.raises(TicketMissingError, match="the policy in force has `require_ticket: true`"):
        world.start("r3", "v3")


@pytest.mark.slow
def test_a_change_is_scanned_by_the_rules_that_it_does_away_with(world: World) -> None:
    assert world.release().name == "Released"
    world.commit("v3", product=f"{PRODUCT}scans: {{secrets: {{scan: false}}}}\n")
    assert world.release("r3", "v3").name == "Released"
    assert world.last("scanned", "r3").fact["secrets"]["result"] == "clean"


@pytest.mark.slow
def test_a_change_is_judged_by_the_limits_that_it_does_away_with(world: World) -> None:
    assert world.release().name == "Released"
    world.commit("v3", product=PRODUCT.replace("max_bad: 0.05", "max_bad: 0.9"), bad={"cloud": 5})
    world.release("r3", "v3")
    assert world.production() == dict.fromkeys(world.production(), "2")


def test_no_act_carries_out_what_was_not_signed(world: World) -> None:
    world.start()
    world.approve()
    world.freeze("env:production")
    world.start()
    other = world.root / "other"
    other.write_text('{"version": "2", "evil": true}')
    made = world.store.publish(other)
    with world.leg() as leg:
        this = cut(leg)
        with pytest.raises(OutsideMandateError, match=f"is the artifact sha256:.* not {made.digest}"):
            deploy(leg, this, made, "cloud")
        elsewhere = this.model_copy(update={"commit": this.commit.model_copy(update={"commit": "0" * 40})})
        with pytest.raises(OutsideMandateError, match="is the commit"):
            publish_flags(leg, elsewhere)
