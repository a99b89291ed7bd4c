"""The flow `approve`: what its run ends with, and what its form takes."""

import pytest
from prefect.client.schemas.objects import StateType
from pydantic import ValidationError

from stationmaster.blocks.approval import mandate_of
from stationmaster.blocks.signer import sign_with
from stationmaster.domain.approval_code import code_of
from stationmaster.domain.approval_statement import Said
from stationmaster.domain.confirming import Wish, asked_digest
from stationmaster.domain.request import ApprovalRequest, ReleaseRequest
from stationmaster.flows.approve import register, shown
from stationmaster.flows.leg import conduct
from stationmaster.flows.release import runbook
from tests.world import World, world


def code(made: World, who: str) -> ApprovalRequest:
    """What `approve --print` gives to somebody."""
    mandate = mandate_of(made.ledger, "r2")
    statement = Said(release="r2", mandate=mandate.digest).statement(mandate.parts["artifact"] or "")
    return ApprovalRequest(release="r2", product="shop", code=code_of(sign_with(made.keys[who], statement)))


def test_an_approval_from_the_form_takes_the_release_on() -> None:
    with world() as made:
        made.start()
        ended = shown(register(made.tools, code(made, "ben")))
        assert (ended.type, ended.name, ended.message) == (StateType.COMPLETED, "Counts", "it counts: r2 is approved")
        assert made.start().name == "Released"


def test_one_that_does_not_count_ends_the_run_as_failed_and_says_why() -> None:
    with world() as made:
        made.start()
        ended = shown(register(made.tools, code(made, "ana")))
        assert (ended.type, ended.name) == (StateType.FAILED, "DoesNotCount")
        assert "who starts a release cannot approve it (starter)" in str(ended.message)
        assert made.last("refused").fact["rule"] == "starter"


def test_a_start_from_the_ui_waits_until_a_code_confirms_it_and_its_signer_may_not_approve() -> None:
    asked = ReleaseRequest(id="r2", product="shop", ref="v2", starter="ana")  # whoever filled in the form says so
    with world() as made:
        assert conduct(made.tools, asked, "one", runbook).name == "WaitingForStart"
        wish = Wish(release="r2", request=asked_digest("r2", asked.asked()))
        confirming = sign_with(made.keys["ben"], wish.statement())
        assert register(made.tools, ApprovalRequest(release="r2", product="shop", code=code_of(confirming))).counts
        assert "WaitingForApproval" in str(conduct(made.tools, asked, "two", runbook).name)
        assert not register(made.tools, code(made, "ben")).counts
        assert made.last("refused").fact["rule"] == "starter"
        assert register(made.tools, code(made, "mei")).counts


@pytest.mark.parametrize("given", ["", "x" * 20_001])
def test_the_form_takes_a_code_of_some_length(given: str) -> None:
    with pytest.raises(ValidationError):
        ApprovalRequest(release="r2", product="shop", code=given)
