"""The contract, act by act: what would run, whether it may, who agreed, stage, then each database."""

from datetime import timedelta

from stationmaster.blocks.approval import asked, mandate_of, record_refusals
from stationmaster.blocks.approving import ApprovalMissingError, desk_of, parts_of
from stationmaster.blocks.carried import recalled
from stationmaster.blocks.contract_acts import (
    begin_contract,
    failures,
    give_back,
    is_under_way_in_stage,
    run_contract,
    stop_contract,
)
from stationmaster.blocks.contract_proof import (
    artifact_of,
    must_be_as_it_was,
    must_be_proved,
    proofs,
    target_of,
    versions_to_prove,
)
from stationmaster.blocks.contract_revisions import Contracting, Todo, read_contract
from stationmaster.blocks.contracting import (
    ContractWaitsError,
    decision_of,
    found_of,
    must_be_met,
    must_be_over,
    must_be_signed,
)
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.policies import policy_for
from stationmaster.domain.compatibility import schema_of
from stationmaster.domain.contract import Condition, contract_digest, ready
from stationmaster.domain.errors import RefusedError, StationmasterError
from stationmaster.domain.homes import recorded_as
from stationmaster.domain.mandate import Mandate
from stationmaster.domain.migration_outlook import contract_way_back
from stationmaster.domain.tenants import STAGE
from stationmaster.tasks import act


class ContractFailedInStageError(RefusedError):
    """A version that runs does not work without what the contract takes away. Production is untouched."""

    code = "contract_failed_in_stage"

    def __init__(self, failed: list[str], *, back: bool) -> None:
        stage = "stage is as it was" if back else "there is no copy of stage any more: restore it"
        super().__init__(
            f"in stage, on the contracted schema: {'; '.join(failed)}",
            hint=f"release what works without it, then its contract; {stage}, and production untouched",
        )


@act("read contract", timeout=900)
def read(leg: Leg) -> Contracting:
    """What is left to be run, and where. A release that is not over has no contract yet."""
    must_be_over(leg)
    fact = next(iter(leg.tools.ledger.about(leg.release, ["cut"]))).fact
    return read_contract(leg, recalled(leg.tools.source, leg.release, fact))


@act("conditions", timeout=1800)
def look(leg: Leg, what: Contracting) -> dict[str, tuple[Condition, ...]]:
    """Every condition of every database that is left. Never answered from the ledger."""
    return found_of(leg, what)


@act("require conditions", timeout=60)
def require(leg: Leg, found: dict[str, tuple[Condition, ...]]) -> tuple[str, ...]:
    """The databases that may be contracted now; each waits alone. Waits when there is none."""
    told = [one for conditions in found.values() for one in conditions]
    may = ready(told)
    if told and not may:
        raise ContractWaitsError(leg.release, told)
    return may


@act("lay down contract", timeout=120)
def lay_down(leg: Leg, what: Contracting, may: tuple[str, ...]) -> None:
    """What the approvers sign: this SQL on the databases that may be contracted now, and on stage's. What was signed
    stands while that is the same, or less: where it ran and only its record is missing, nothing is left to sign.
    """
    databases = {one.instance: one.digest for one in what.todo if one.sql and one.instance in {*may, STAGE}}
    known = leg.tools.ledger.about(leg.release, ["contract_mandated"])
    now = leg.tools.now()
    if known:
        mandate, signed = Mandate.read(known[-1].fact), known[-1].fact["databases"]
        same = mandate.parts["contract"] == contract_digest(what.cut.commit.commit, what.revisions, signed)
        if same and now < mandate.ends and databases.items() <= signed.items():
            return
    number = contract_digest(what.cut.commit.commit, what.revisions, databases)
    parts = {**parts_of(leg, what.cut, artifact_of(leg)), "contract": number}
    planned = leg.tools.ledger.about(leg.release, ["planned"])[-1].index
    ends = now + timedelta(seconds=policy_for(leg.tools.ledger, what.cut).approvals.valid_for)
    made = Mandate.lay_down(leg.release, parts, (), ends, planned)
    question = asked(desk_of(leg), what.cut, made)
    back = [contract_way_back(what.cut.product.database.restore)] if what.cut.product.database else []
    fact = {
        **question.fact(),
        **made.fact(),
        "databases": databases,
        "revisions": list(what.revisions),
        "way_back": back,
    }
    leg.record("contract_mandated", {"digest": made.digest}, fact, personal=question.personal())


@act("contract approval", timeout=60)
def require_contract_approval(leg: Leg, what: Contracting) -> None:
    """Pass when the quorum of the policy for a contract signed; wait otherwise."""
    decision = decision_of(leg, what)
    record_refusals(leg.tools.ledger, leg.release, decision, leg.tools.now(), leg.lease)
    if not decision.satisfied:
        raise ApprovalMissingError(leg.release, decision)
    mandate = mandate_of(leg.tools.ledger, leg.release, "contract_mandated").digest
    fact = {
        "roles": [one.role for one in decision.counting],
        "mandate": mandate,
        "assurances": sorted({one.said.assurance for one in decision.counting}),
    }
    personal = {"who": [one.who for one in decision.counting]}
    leg.record("contract_approved", {"mandate": mandate}, fact, personal=personal)


@act("contract", timeout=3600, shown="contract {instance}")
def contract_database(leg: Leg, what: Contracting, instance: str) -> None:
    """Take away from one database what old code needs. Every gate is asked here again, once before the intention is on
    record and once after: a way back that is decided in between is seen by one of the two. What the second refuses is
    not begun, and that is on record, too.
    """
    todo = what.of(instance)
    if todo is None:
        return
    begun = begin_contract(leg, what, todo, target_of(leg, what, todo), _must_pass(leg, what, todo))
    try:
        asked = _must_pass(leg, what, todo)
    except StationmasterError as error:
        stop_contract(leg, what, begun, error)
        raise
    run_contract(leg, what, todo, begun, asked)


def _must_pass(leg: Leg, what: Contracting, todo: Todo) -> dict[str, str]:
    """Every gate of a production database: signed, met, proved, and not moved since."""
    asked = must_be_signed(leg, what, todo)
    must_be_met(leg, what, todo)
    must_be_proved(leg, what, todo)
    must_be_as_it_was(leg, todo)
    return asked


@act("prove contract", timeout=1800)
def prove(leg: Leg, what: Contracting) -> None:
    """In stage, every version that runs, and that somebody may go back to, passes its journeys without what was taken
    away. When one does not, stage gets it back, and production is not touched.
    """
    revision = schema_of(leg.tools.database.revision(what.stage))
    wanted, failed, known = versions_to_prove(leg, what), list[str](), proofs(leg)
    if all(known.proved(number, [revision]) for number in wanted):
        leg.tools.database.drop_copy(what.stage)
        return
    with leg.tools.database.steady(what.stage):
        for number, commit in wanted.items():
            failed += failures(leg, what.cut, commit, number)
    if failed:
        raise ContractFailedInStageError(failed, back=give_back(leg, what))
    pairs = [[number, revision] for number in wanted]
    leg.record("proved", {**what.inputs, "pairs": pairs}, {"revision": revision, "pairs": pairs})
    leg.tools.database.drop_copy(what.stage)


@act("contract stage", timeout=3600)
def contract_stage(leg: Leg, what: Contracting) -> None:
    """The same on stage's database, of which a copy is kept until the versions that run are proved on it. One that is
    not of this contract's making would take more back than this contract, and is dropped.
    """
    todo = what.of(STAGE)
    if todo is None:
        return
    must_be_signed(leg, what, todo)
    must_be_met(leg, what, todo)
    must_be_as_it_was(leg, todo)
    if not is_under_way_in_stage(leg):
        leg.tools.database.drop_copy(what.stage)
    leg.tools.database.keep_copy(what.stage)
    begun = begin_contract(leg, what, todo, tuple(sorted({*todo.heads, *what.revisions})), {})
    run_contract(leg, what, todo, begun, {})


@act("end contract", timeout=60)
def end(leg: Leg, what: Contracting) -> None:
    """It is over when no database is left."""
    if not what.todo:
        databases = sorted(map(recorded_as, what.databases))
        leg.record("contract_over", what.inputs, {"databases": databases, "revisions": list(what.revisions)})
