"""The gate of approvals as an act on production meets it: asked of the signatures themselves, at that moment, so that
no mistake in a flow, no forged entry and no other entrance leads past it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from stationmaster.blocks.approval import Desk, asked, mandate_of
from stationmaster.blocks.migration_estimates import fingerprint
from stationmaster.blocks.policies import replaces
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import RefusedError, WaitingError
from stationmaster.domain.mandate import Mandate, Opening
from stationmaster.domain.ratification import content_digest, policy_content

if TYPE_CHECKING:
    from stationmaster.blocks.leg import Leg
    from stationmaster.domain.approval import Decision
    from stationmaster.domain.artifact import Artifact, Cut


class ApprovalMissingError(WaitingError):
    """The quorum is not reached yet."""

    code = "approval_missing"

    def __init__(self, release: str, decision: "Decision") -> None:
        roles = [f"{n} more {role}" for role, n in decision.missing.items()]
        wanted = ", ".join((*roles, *decision.lacking)) or "somebody who may approve"
        refused = "".join(f"; refused: {refusal.message}" for refusal in decision.refused)
        super().__init__(
            f"{release} waits for {wanted}{refused}",
            waiting_for="approval",
            hint=f"stationmaster approve {release} --key FILE",
        )
        rules = ", ".join(dict.fromkeys(refusal.rule for refusal in decision.refused))
        more = f"; refused by rule: {rules} (`stationmaster approvals status {release}`)" if rules else ""
        self.unname(f"{release} waits for {', '.join(roles) or 'somebody else who may approve'}{more}", hint=self.hint)


class OutsideMandateError(RefusedError):
    """What is about to be done is not what was signed."""

    code = "outside_mandate"


def desk_of(leg: "Leg") -> Desk:
    """Where the approvals of a leg's release are weighed."""
    return Desk(leg.tools.ledger, leg.tools.source, leg.tools.signer)


def parts_of(leg: "Leg", cut: "Cut", artifact: "Artifact") -> dict[str, str | None]:
    """The digests of what would be carried out; the mandate is over all of them."""
    source, commit, product = leg.tools.source, cut.commit.commit, cut.product
    rehearsed = fingerprint(leg.tools.ledger, leg.release)
    return {
        "artifact": artifact.digest,
        "commit": commit,
        "migrations": source.fingerprint(commit, product.database.migrations) if product.database else None,
        "backfills": source.fingerprint(commit, product.database.backfills) if product.database else None,
        "flags": source.fingerprint(commit, product.flags) if product.flags else None,
        "configuration": source.fingerprint(commit, "stationmaster.yaml"),
        "policy": content_digest(policy_content(product)),
        "instead": replaces(leg.tools.ledger, source, cut),
        **({"rehearsal": rehearsed} if rehearsed else {}),
    }


def decision_on(leg: "Leg", cut: "Cut") -> "Decision":
    """What the approvals that were given come to now.

    Raises:
        NothingToApproveError: there is no mandate.
    """
    desk, mandate = desk_of(leg), mandate_of(leg.tools.ledger, leg.release)
    return desk.decide(cut, asked(desk, cut, mandate), leg.tools.now())


def must_be_approved(
    leg: "Leg", cut: "Cut", *, artifact: "Artifact | None" = None, tenants: Iterable[str] = ()
) -> dict[str, str]:
    """Return if the release may touch production with this commit, and reach these tenants with this artifact, by what
    was signed: with the instant at which it was asked, as the fact of what is done has it. What takes long may be
    recorded when the mandate is over.

    Raises:
        GateNotPassedError: it never passed the gate, or was planned anew since.
        ApprovalMissingError: the quorum is not there any more.
        OutsideMandateError: the mandate is over, is for something else, or a tenant is not in it.
    """
    leg.must_have_reached("approved")
    at, mandate = leg.tools.now(), mandate_of(leg.tools.ledger, leg.release)
    _must_be_the_same(mandate, cut, artifact)
    decision = decision_on(leg, cut)
    if not decision.satisfied:
        raise ApprovalMissingError(leg.release, decision)
    _must_cover(leg, cut, mandate, tenants, at)
    return {"asked_at": instant(at)}


def _must_be_the_same(mandate: Mandate, cut: "Cut", artifact: "Artifact | None") -> None:
    carried = {"commit": cut.commit.commit, **({"artifact": artifact.digest} if artifact else {})}
    for part, digest in carried.items():
        if mandate.parts[part] != digest:
            raise OutsideMandateError(
                f"what was signed for {mandate.release} is the {part} {mandate.parts[part]}, not {digest}",
                hint=f"start it again: stationmaster release start {mandate.release}",
            )


def _must_cover(leg: "Leg", cut: "Cut", mandate: Mandate, tenants: Iterable[str], at: datetime) -> None:
    if at >= mandate.ends:
        raise OutsideMandateError(
            f"what was signed for {leg.release} is over",
            hint=f"start it again: stationmaster release start {leg.release}",
        )
    rings = [ring.name for ring in cut.product.rings]
    planned = next(entry for entry in leg.tools.ledger.entries(leg.release) if entry.index == mandate.planned)
    known = set(mandate.tenants)
    for tenant in tenants:
        may = {Opening.of(tenant, ring, rings, planned.salt).digest for ring in rings}
        if not may & known:
            raise OutsideMandateError(
                f"nobody signed that {leg.release} reaches {tenant}", hint=f"stationmaster release start {leg.release}"
            )
