"""How every leg of a release begins and ends: the lease is held, and the outcome is in the ledger and in Prefect."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from stationmaster.blocks.confirmation import must_be_confirmed_so
from stationmaster.blocks.contracting import want_contract
from stationmaster.blocks.holder import this_process
from stationmaster.blocks.leg import Leg, ReleaseAbortedError, ReleaseGoingBackError, first_request, on_duty, way_back
from stationmaster.blocks.modes import serve_again
from stationmaster.blocks.ordering import give_order
from stationmaster.blocks.secrecy import mask_of
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import InputError, OutsideError, StationmasterError, WaitingError
from stationmaster.domain.orders import ORDERS, in_force
from stationmaster.domain.request import BackfillRequest, ContractRequest, ReleaseRequest, RollbackRequest
from stationmaster.domain.rollback import Order
from stationmaster.domain.stages import CLOSED, fold
from stationmaster.domain.story import sentence
from stationmaster.domain.waiting import shown_as
from stationmaster.ledger.leases import LeaseLostError
from stationmaster.tasks.attest import attest
from stationmaster.tasks.brief import tell_rollback, update_brief
from stationmaster.tasks.close import WaveHeldError
from stationmaster.tasks.seal import seal

GOING_BACK = "GoingBack"
NOT_WATCHED = (ReleaseAbortedError, ReleaseGoingBackError, LeaseLostError, WaveHeldError)  # others see to what it has
BACK = {"restored": "RolledBack", "contained": "Contained"}
_PAUSES = (1.0, 4.0, 15.0)  # seconds between tries to say how a leg ended, while the ledger is away


class OtherReleaseError(InputError):
    """The name belongs to a release of something else."""

    code = "other_release"


def conduct(tools: Toolbox, request: ReleaseRequest, holder: str, runbook: Callable[[Leg], None]) -> State[None]:
    """Run one leg of a release. A wait ends the run well, under a name that says what is awaited.

    Raises:
        LeaseHeldError: another leg works on it. Nothing is recorded.
        OtherReleaseError: the name was used for another product or ref. Nothing is recorded.
        UnknownStarterError: nobody would know who must not approve it. Nothing is recorded.
    """
    with on_duty(tools, request, holder) as leg:
        known = tools.ledger.entries(request.id)
        stage = fold(known)
        if known and (stage in CLOSED or any(entry.step in BACK for entry in known)):
            farewell(replace(leg, back=True))
        if in_force(known) == "rollback":  # also of one that was given up
            return _going_back(leg)
        if stage in CLOSED:
            return Completed(message=f"{request.id} is over already")
        if not _begun(tools, request, known):
            tools.signer.people().starter(request.starter)
        leg.observe("started", request.asked(), starter=request.starter)
        return _run(leg, runbook, lambda: _through(leg))


def go_back(tools: Toolbox, request: RollbackRequest, holder: str, undo: Callable[[Leg, Order], None]) -> State[None]:
    """Run one leg of a rollback. The order is in the ledger before the lease is taken: a leg under way sees it and
    ends, and one in the middle of a long act is taken over from.

    Raises:
        UnknownReleaseError, NothingToRollBackError, RollbackOfRollbackError, NotOnReleaseError: nothing is recorded.
    """
    give_order(tools, request)
    with way_back(tools, request.release, holder, request.starter) as leg:
        if in_force(tools.ledger.entries(request.release)) != "rollback":
            farewell(leg)
            return _back(leg)  # somebody else was faster
        leg.observe("started", leg.request.asked(), starter=request.starter)
        return _run(leg, lambda leg: _carry_out(leg, undo), lambda: _back(leg))


def take_away(tools: Toolbox, request: ContractRequest, holder: str, runbook: Callable[[Leg], None]) -> State[None]:
    """Run one leg of a contract, under the lease of its release: a rollback of that never meets it.

    Raises:
        UnknownReleaseError, NotOverError: nothing is recorded.
        LeaseHeldError: another leg works on it. Nothing is recorded.
    """
    want_contract(tools, request)
    asked = first_request(tools, request.of, request.starter)
    with on_duty(tools, asked, holder) as leg:
        return _run(
            leg, runbook, lambda: Completed(name="Contracted", message=f"{request.of} is contracted everywhere")
        )


def fill_up(tools: Toolbox, request: BackfillRequest, holder: str, runbook: Callable[[Leg], None]) -> State[None]:
    """Run one leg of a release's backfills, under the lease of the release.

    Raises:
        LeaseHeldError: another leg works on it. Nothing is recorded.
    """
    asked = first_request(tools, request.of, request.starter)
    with on_duty(tools, asked, holder) as leg:
        return _run(leg, runbook, lambda: Completed(name="Backfilled", message=f"{request.of}: every row is filled in"))


def _carry_out(leg: Leg, undo: Callable[[Leg, Order], None]) -> None:
    """The order that is in force, and the wider one that came meanwhile, if one did."""
    while in_force(leg.tools.ledger.about(leg.release, ORDERS)) == "rollback":
        undo(leg, Order.from_fact(leg.tools.ledger.about(leg.release, ["rollback"])[0].fact))


def farewell(leg: Leg) -> None:
    """What people are told when a release or its rollback is over, told again to nobody who knows it; and its seal."""
    update_brief(leg, leg.release)
    tell_rollback(leg)
    attest(leg)
    seal(leg)


def order_of(tools: Toolbox, request: ReleaseRequest) -> RollbackRequest:
    """The rollback of the release that was decided last, as a request: asked for again, it is the same."""
    order = Order.from_fact(tools.ledger.about(request.id, ["rollback"])[0].fact)
    return RollbackRequest(
        release=request.id, product=request.product, scope=order.scope, tenants=order.tenants, now=order.now,
        reason=order.reason, starter=request.starter,
    )  # fmt: skip


def went_back(ended: State[None]) -> State[None]:
    """How a release ends whose rollback ended so: it failed, whatever became of the way back."""
    return Failed(name=ended.name, message=ended.message)


def until(tools: Toolbox, release: str) -> datetime | None:
    """The instant at which what the release waits for is over by itself, if the ledger knows one."""
    waits = [entry.fact["until"] for entry in tools.ledger.about(release, ["waiting"])]
    return datetime.fromisoformat(waits[0]) if waits and waits[0] else None


def this_run() -> str:
    """Who works on the release, for whoever finds it taken."""
    return this_process(f"flow run {runtime.flow_run.id}")


def _through(leg: Leg) -> State[None]:
    """The runbook ended well: every wave is through, or one broke its promise and its routes are back."""
    if in_force(leg.tools.ledger.about(leg.release, ORDERS)) == "rollback":
        return _going_back(leg)
    return Completed(name="Released", message=f"{leg.release} runs for its whole plan")


def _going_back(leg: Leg) -> State[None]:
    return Completed(name=GOING_BACK, message=f"{leg.release} goes back to the version before")


def _back(leg: Leg) -> State[None]:
    """How the rollback ended, in words."""
    ended = leg.tools.ledger.about(leg.release, BACK)
    if not ended:
        return Completed(name="NobodyWentBack", message=f"nobody who has {leg.release} may go back now")
    return Completed(name=BACK[ended[-1].step], message=sentence(ended[-1]))


def _begun(tools: Toolbox, request: ReleaseRequest, known: list[Entry]) -> bool:
    """Whether there was a leg before; one of something else may not be gone on with."""
    first = next((entry.fact for entry in known if entry.step == "started"), None)
    if first is None and any(entry.step != "confirmed" for entry in known):
        raise OtherReleaseError(
            f"{request.id} is the name of what ran before the first release", hint="give the release another name"
        )
    if first and (first["product"], first["ref"]) != (request.product, request.ref):
        raise OtherReleaseError(
            f"{request.id} is a release of {first['product']} from {first['ref']}, "
            f"not of {request.product} from {request.ref}",
            hint="give it another name, or start it as it was",
        )
    must_be_confirmed_so(tools.ledger, request)
    return first is not None


def _run(leg: Leg, runbook: Callable[[Leg], None], done: Callable[[], State[None]]) -> State[None]:
    try:
        serve_again(leg)
        runbook(leg)
    except WaitingError as wait:
        _record(leg, "waiting", {"for": wait.waiting_for, "until": wait.until, **_said(leg, wait), **wait.more})
        return Completed(name=shown_as(wait), message=wait.message)
    except ReleaseAbortedError as aborted:
        with suppress(LeaseLostError):  # whoever gave it up may have taken it over to lead its tenants back
            farewell(replace(leg, back=True))
        return Completed(name="Aborted", message=aborted.message)
    except ReleaseGoingBackError:
        return _going_back(leg)
    except WaveHeldError as held:  # recorded where it was decided
        update_brief(leg, leg.release)
        return Failed(name="Held", message=held.message)
    except LeaseLostError:
        raise  # not ours to record any more
    except Exception as error:
        _record_failure(leg, error)
        raise
    return done()


def _record_failure(leg: Leg, error: Exception) -> None:
    """Whatever becomes of the record, the error itself is what the run ends with."""
    known = error if isinstance(error, StationmasterError) else StationmasterError(f"{type(error).__name__}: {error}")
    try:
        outside = isinstance(known, OutsideError)
        said = {"step": known.step, "code": known.code, "outside": outside, **_said(leg, known)}
        _record(leg, "failed", {**said, **known.more})
    except LeaseLostError as lost:  # what it broke on is of the world that another leg works in
        raise lost from error
    except StationmasterError as unsaid:
        error.add_note(f"The ledger does not know of this: {unsaid.message}")


def _said(leg: Leg, error: StationmasterError) -> dict[str, str | None]:
    """Message and hint as they may stay in the ledger for ever: the log of a guest may quote what it was given, and who
    people are can never be taken out of a fact.
    """
    mask, (message, hint) = mask_of(leg.tools), error.kept
    return {"message": mask.text(message), "hint": hint and mask.text(hint)}


def _record(leg: Leg, step: str, fact: dict[str, Any]) -> None:
    """How the leg ended, also to a ledger that is away for a moment: the same end told twice says no more than once."""
    for pause in _PAUSES:
        try:
            leg.observe(step, fact)
        except OutsideError:
            leg.tools.sleep(pause)
        else:
            return
    leg.observe(step, fact)
