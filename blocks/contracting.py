"""The gates of a contract, asked of whoever knows and of the signatures themselves, immediately before a database is
touched: no mistake in a flow, and no other entrance, leads past them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stationmaster.blocks.approval import asked, contract_waits, mandate_of
from stationmaster.blocks.approving import ApprovalMissingError, OutsideMandateError, desk_of
from stationmaster.blocks.contract_facts import Witness
from stationmaster.blocks.contract_revisions import Contracting, Todo
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.approval import Decision
from stationmaster.domain.contract import Condition, conditions, contract_digest, wait_of
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Draft
from stationmaster.domain.errors import OutsideError, RefusedError, WaitingError
from stationmaster.domain.release import UnknownReleaseError
from stationmaster.domain.request import ContractRequest
from stationmaster.domain.stages import Stage, fold
from stationmaster.domain.tenants import STAGE

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


class ContractWaitsError(WaitingError):
    """A condition of each database that is left is not met yet."""

    code = "contract_waits"

    def __init__(self, release: str, found: Sequence[Condition]) -> None:
        wait = wait_of(release, found)
        super().__init__(
            wait.message, waiting_for=wait.awaited, until=wait.until,
            hint=f"{wait.hint}; `stationmaster release contract {release}` looks again",
        )  # fmt: skip
        self.more = {"contract": [one.model_dump() for one in found if not one.met]}


class NotOverError(RefusedError):
    """What code before a release needs is not taken away before the release is through."""

    code = "not_over"


class StageAwayError(OutsideError):
    """Stage's database does not say where it is, so nothing can be proved there."""

    code = "stage_away"


def want_contract(tools: Toolbox, request: ContractRequest) -> None:
    """Record that somebody wants the contract of a release, once.

    Raises:
        UnknownReleaseError: nobody knows the release.
        NotOverError: it is not through, or of another product.
    """
    want_released(tools.ledger, request)
    if not tools.ledger.about(request.of, ["contract"]):
        tools.signer.people().starter(request.starter)
        fact, who = {"product": request.product}, {"who": request.starter}
        tools.ledger.append(Draft(release=request.of, step="contract", fact=fact, personal=who), tools.now())


def want_released(ledger: "Ledger", request: ContractRequest) -> None:
    """Return if what is wanted is the contract of a release that is through. Raises as `want_contract`."""
    entries = ledger.entries(request.of)
    first = next((entry for entry in entries if entry.step == "started"), None)
    if first is None:
        raise UnknownReleaseError(request.of)
    if first.fact["product"] != request.product:
        raise NotOverError(f"{request.of} is a release of {first.fact['product']}, not of {request.product}")
    _must_be_released(request.of, fold(entries))


def must_be_over(leg: Leg) -> None:
    """Return if the release is released, and did not go back since.

    Raises:
        NotOverError: it is anything else.
    """
    _must_be_released(leg.release, fold(leg.tools.ledger.entries(leg.release)))


def _must_be_released(release: str, stage: Stage) -> None:
    if stage != "released":
        raise NotOverError(
            f"{release} is {stage}: what the version before needs stays", hint=f"stationmaster release why {release}"
        )


def found_of(leg: Leg, what: Contracting) -> dict[str, tuple[Condition, ...]]:
    """The conditions of each production database that is left, as they are now."""
    witness = Witness(leg, what)
    return {todo.instance: conditions(witness.facts(todo)) for todo in what.todo if todo.instance != STAGE}


def must_be_met(leg: Leg, what: Contracting, todo: Todo) -> None:
    """Return if every condition of one database is met at this moment. Of stage none is asked but that the release is
    over: it is there to break.

    Raises:
        ContractWaitsError: with all that are not.
    """
    must_be_over(leg)
    if todo.away is not None and todo.instance == STAGE:
        raise StageAwayError(f"stage: {todo.away}", hint=f"then: stationmaster release contract {leg.release}")
    found = conditions(Witness(leg, what).facts(todo)) if todo.instance != STAGE else ()
    if any(not one.met for one in found):
        raise ContractWaitsError(leg.release, found)


def decision_of(leg: Leg, what: Contracting) -> Decision:
    """What the approvals of the contract come to now.

    Raises:
        OutsideMandateError: nothing is laid down that could be approved.
    """
    if not contract_waits(leg.tools.ledger, leg.release):
        raise OutsideMandateError(
            f"nobody was asked for the contract of {leg.release}", hint=f"stationmaster release contract {leg.release}"
        )
    desk, mandate = desk_of(leg), mandate_of(leg.tools.ledger, leg.release, "contract_mandated")
    return desk.decide(what.cut, asked(desk, what.cut, mandate), leg.tools.now())


def must_be_signed(leg: Leg, what: Contracting, todo: Todo) -> dict[str, str]:
    """Return if exactly this SQL was signed for exactly this database, or none is left to run, and the quorum is there
    now: with the instant at which that was asked.

    Raises:
        OutsideMandateError: something else was signed, or it is over.
        ApprovalMissingError: the quorum is not there.
    """
    at, decision = leg.tools.now(), decision_of(leg, what)
    mandate = mandate_of(leg.tools.ledger, leg.release, "contract_mandated")
    signed = dict(leg.tools.ledger.about(leg.release, ["contract_mandated"])[-1].fact["databases"])
    other = bool(todo.sql) and signed.get(todo.instance) != todo.digest
    number = contract_digest(what.cut.commit.commit, what.revisions, signed)
    if at >= mandate.ends or other or mandate.parts.get("contract") != number:
        raise OutsideMandateError(
            f"what was signed for the contract of {leg.release} is over, or is not what would run on {todo.instance}",
            hint=f"it is laid down anew: stationmaster release contract {leg.release}",
        )
    if mandate.parts["commit"] != what.cut.commit.commit:
        raise OutsideMandateError(f"what was signed is commit {mandate.parts['commit']}")
    if not decision.satisfied:
        raise ApprovalMissingError(leg.release, decision)
    return {"asked_at": instant(at)}
