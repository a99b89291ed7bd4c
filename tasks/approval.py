"""The approval gate: enough people other than the starter signed for this artifact."""

from stationmaster.blocks.confirmation import starter_of
from stationmaster.blocks.leg import Leg
from stationmaster.domain.approval import Decision, decide
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.errors import WaitingError
from stationmaster.tasks import act


class ApprovalMissingError(WaitingError):
    """The quorum is not reached yet."""

    code = "approval_missing"

    def __init__(self, release: str, decision: Decision) -> None:
        wanted = ", ".join(f"{count} more {role}" for role, count in decision.missing.items())
        refused = "".join(f"; refused: {refusal.message}" for refusal in decision.refused)
        super().__init__(
            f"{release} waits for {wanted}{refused}",
            waiting_for="approval",
            hint=f"stationmaster approve {release} --key FILE",
        )


@act("approval", timeout=60)
def require_approval(leg: Leg, cut: Cut, artifact: Artifact) -> None:
    """Pass when the policy's quorum signed; wait otherwise. The signatures are counted anew at each leg: what an entry
    says of them proves nothing, and a key may have been withdrawn since.
    """
    given = [entry for entry in leg.tools.ledger.entries(leg.release) if entry.step == "approval"]
    decision = decide(
        required=cut.product.quorum(leg.request.kind),
        approvers=leg.tools.signer.people(),
        starter=starter_of(leg.tools.ledger, leg.release),
        envelopes=[entry.fact["envelope"] for entry in given],
        release=leg.release,
        digest=artifact.digest,
        at=leg.tools.now(),
    )
    if not decision.satisfied:
        raise ApprovalMissingError(leg.release, decision)
    who = {"who": [approval.who for approval in decision.given]}
    inputs = {"digest": artifact.digest}
    leg.record("approved", inputs, {"roles": [approval.role for approval in decision.given]}, personal=who)
