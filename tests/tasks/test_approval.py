"""The approval gate, from the entries of the ledger; the rules themselves are the domain's."""

import pytest

from stationmaster.blocks.approving import ApprovalMissingError
from stationmaster.domain.artifact import Artifact
from stationmaster.domain.entries import Draft
from stationmaster.tasks.approval import lay_down_mandate, require_approval
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from stationmaster.tasks.plan import make_plan
from tests.shop import people
from tests.world import World


def asked(world: World) -> Artifact:
    with world.leg() as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        plan = make_plan.fn(leg, this, artifact)
        lay_down_mandate.fn(leg, this, artifact, plan)
        require_approval.fn(leg, this)
    return artifact


def test_without_a_signature_it_waits(world: World) -> None:
    with pytest.raises(ApprovalMissingError, match="r2 waits for 1 more release-approver") as waits:
        asked(world)
    assert (waits.value.waiting_for, waits.value.hint) == ("approval", "stationmaster approve r2 --key FILE")


def test_with_one_it_passes_and_says_in_which_role(world: World) -> None:
    with pytest.raises(ApprovalMissingError):
        asked(world)
    world.approve()
    asked(world)
    entry = world.last("approved")
    assert entry.fact == {
        "roles": ["release-approver"], "mandate": world.last("mandated").fact["digest"], "assurances": ["signed"],
        "emergency": False,
    }  # fmt: skip
    assert world.ledger.personal(entry) == {"who": ["ben"]}


def test_the_starter_s_own_does_not_count_and_is_told(world: World) -> None:
    with pytest.raises(ApprovalMissingError):
        asked(world)
    world.approve(who="ana")
    with pytest.raises(ApprovalMissingError, match="refused: Ana: who starts a release cannot approve it"):
        asked(world)


def test_an_entry_that_says_approved_proves_nothing(world: World) -> None:
    with pytest.raises(ApprovalMissingError):
        asked(world)
    digest = world.last("built").fact["digest"]
    forged = Draft(release="r2", step="approved", inputs={"digest": digest}, fact={"roles": ["release-approver"]})
    world.ledger.append(forged, world.clock.now())
    with pytest.raises(ApprovalMissingError):
        asked(world)


def test_a_key_that_was_withdrawn_since_does_not_count_any_more(world: World) -> None:
    with pytest.raises(ApprovalMissingError):
        asked(world)
    world.approve()
    asked(world)
    people(world.root / "approvers.yaml")  # everybody got another key
    with pytest.raises(ApprovalMissingError):
        asked(world)
