"""The approval gate: what is to be signed is laid down, enough people other than its authors and its starter signed it,
and it is asked again before anything in production is touched.
"""

from datetime import timedelta

from stationmaster.blocks.approval import ask, asked, mandate_of, record_refusals
from stationmaster.blocks.approving import ApprovalMissingError, decision_on, desk_of, parts_of
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.policies import policy_for, replaces
from stationmaster.blocks.ratification import must_be_possible, put_policy_in_force, ratify_first
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.mandate import Mandate, end_of, openings
from stationmaster.domain.plan import Plan
from stationmaster.domain.quorum import beyond_reach
from stationmaster.tasks import act


class NobodyCanApproveError(RefusedError):
    """The quorum could never be met by those who may sign."""

    code = "nobody_can_approve"

    def __init__(self, release: str, why: tuple[str, ...]) -> None:
        super().__init__(
            f"nobody could approve {release}: {'; '.join(why)}",
            hint="change approvers.yaml, have it ratified (`stationmaster approvals ratify`), and start the release",
        )
        self.unname(f"nobody could approve {release}; started again, it says who is missing", hint=self.hint)


@act("approvable", timeout=60)
def require_approvable(leg: Leg, cut: Cut) -> None:
    """Refuse what nobody could ever approve, before anything is built. The first rules that a ledger sees are put on
    record here.
    """
    tools, desk = leg.tools, desk_of(leg)
    ratify_first(tools.ledger, tools.signer, cut.product, tools.now())
    must_be_possible(cut.product.rules, desk.approvers(cut.product.product), tools.now())
    question = ask(desk, cut, "", "", tools.now())
    if not question.emergency and (why := beyond_reach(question, desk.approvers(cut.product.product), tools.now())):
        raise NobodyCanApproveError(leg.release, why)


@act("mandate", timeout=120)
def lay_down_mandate(leg: Leg, cut: Cut, artifact: Artifact, plan: Plan) -> None:
    """What the approvers sign. One that was laid down stands while the plan stays inside it; else all that was signed
    is void, and signed anew.
    """
    leg.go_on(even_paused=True)
    now, entries = leg.tools.now(), leg.tools.ledger.entries(leg.release)
    planned = next(entry for entry in reversed(entries) if entry.step == "planned")
    salts, rings = {entry.index: entry.salt for entry in entries}, [ring.name for ring in cut.product.rings]
    parts, end = parts_of(leg, cut, artifact), end_of(plan, now)
    known = next((Mandate.read(entry.fact) for entry in reversed(entries) if entry.step == "mandated"), None)
    if known and known.covers(parts, openings(plan, rings, salts[known.planned]), end, now):
        return
    ends = end + timedelta(seconds=policy_for(leg.tools.ledger, cut).approvals.valid_for)
    made = Mandate.lay_down(leg.release, parts, openings(plan, rings, planned.salt), ends, planned.index)
    question = asked(desk_of(leg), cut, made)
    leg.record("mandated", {"digest": made.digest}, {**question.fact(), **made.fact()}, personal=question.personal())


@act("approval", timeout=60)
def require_approval(leg: Leg, cut: Cut) -> None:
    """Pass when the policy's quorum signed; wait otherwise. The policy that the release brings is in force then: those
    whom the one before it asks for have signed it. Whoever goes ahead alone in an emergency changes no rules.
    """
    ledger, now, decision = leg.tools.ledger, leg.tools.now(), decision_on(leg, cut)
    record_refusals(ledger, leg.release, decision, now, leg.lease)
    if not decision.satisfied:
        raise ApprovalMissingError(leg.release, decision)
    mandate, counting = mandate_of(ledger, leg.release).digest, decision.counting
    fact = {
        "roles": [one.role for one in counting],
        "mandate": mandate,
        "assurances": sorted({one.said.assurance for one in counting}),
        "emergency": decision.alone is not None,
    }
    leg.record("approved", {"mandate": mandate}, fact, personal={"who": [one.who for one in counting]})
    if decision.met and replaces(ledger, leg.tools.source, cut):
        put_policy_in_force(ledger, cut.product, leg.release, now)
