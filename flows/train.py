"""The next release train of a product: waits for its cut-off, cuts it, and starts its release, once. Where that goes
from there is `flows/release.py`.

It remembers nothing: the ledger knows which trains were cut, and each run serves the train that leaves after the run
was first due. So a run that is started again serves the same train.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed

from stationmaster.blocks.confirmation import confirm, confirmation
from stationmaster.blocks.toolbox import Toolbox, load
from stationmaster.blocks.trains import STARTER, Due, NoTrainError, must_be_known, next_train, production
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import InputError, OutsideError
from stationmaster.domain.request import ReleaseRequest, TrainRequest
from stationmaster.domain.train import Decision, decide
from stationmaster.domain.waiting import NAMES, OF_TRAINS
from stationmaster.flows.parking import park

RELEASE = "release/stationmaster"  # the deployment that takes it to its tenants
_MENDED = timedelta(minutes=15)  # after which it is looked whether a person mended what is wrong
_AGAIN = timedelta(minutes=5)  # after which what failed outside is tried again

Begin = Callable[[ReleaseRequest], None]


class ReleaseNotRegisteredError(OutsideError):
    """The Prefect server has no deployment that could take the train."""

    code = "release_not_registered"


@dataclass(frozen=True)
class Served:
    """How a run ends, and when it is looked at again if that is a wait."""

    state: State[None]
    until: datetime | None = None


@flow(name="train", flow_run_name="{request.product}", retries=0)
def train(request: TrainRequest) -> State[None]:
    """Cut the next release train at its cut-off and start its release.

    Args:
        request: Whose train. The run waits for the cut-off; when the release is started, the run ends.
    """
    served = serve(load(request.product), request, first_due(), begin)
    return park(served.state, served.until)


def serve(tools: Toolbox, request: TrainRequest, asked: datetime, start: Begin) -> Served:
    """What is done now for the train that leaves after `asked`, the aware instant at which the run was first due.
    `start` must start one release only, however often it is called for it. What a person must mend, such as a file that
    cannot be read, is waited for.

    Raises:
        NoTrainError: the product has no trains.
    """
    try:
        must_be_known(tools)
        due = next_train(tools, request.product, asked)
        known = _begun(tools, due, start)
        if known and asked >= due.cut_off:  # asked for when that one was cut already
            due = next_train(tools, request.product, due.departure)
            known = _begun(tools, due, start)
        return known or _serve(tools, request, due, start)
    except OutsideError as error:
        return Served(_ended(OF_TRAINS["outside"], error.message), tools.now() + _AGAIN)
    except NoTrainError:
        raise
    except InputError as error:  # a file that is broken for a moment must not cost a train
        told = f"{error.message} ({error.hint})" if error.hint else error.message
        return Served(_ended(NAMES["person"], told), tools.now() + _MENDED)


def first_due() -> datetime:
    """When this flow run was to begin for the first time; parking does not change that."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return (run and run.expected_start_time) or datetime.now(UTC)


def begin(request: ReleaseRequest) -> None:
    """Have Prefect run the release, once: the key answers with the run that there is.

    Raises:
        ReleaseNotRegisteredError: Prefect does not know how.
    """
    try:
        run_deployment(
            RELEASE, parameters={"request": request.model_dump(mode="json")}, flow_run_name=request.id,
            timeout=0, as_subflow=False, idempotency_key=request.id, tags=[f"product:{request.product}"],
        )  # fmt: skip
    except ObjectNotFound:
        raise ReleaseNotRegisteredError(
            f"the Prefect server has no deployment {RELEASE}", hint="stationmaster register"
        ) from None


def _begun(tools: Toolbox, due: Due, start: Begin) -> Served | None:
    """The end when the train was cut already. Whoever did so may have died before its release was started."""
    cut = confirmation(tools.ledger, due.release)
    if cut is None:
        return None
    asked = {name: value for name, value in cut.fact.items() if name != "assurance"}
    if not tools.ledger.about(due.release, ["started"]):
        start(ReleaseRequest.model_validate({**asked, "id": due.release, "starter": STARTER}))
    return Served(_ended("UnderWay", f"{due.release} was cut from {asked['ref'][:12]}, and its release is started"))


def _serve(tools: Toolbox, request: TrainRequest, due: Due, start: Begin) -> Served:
    decision = decide(
        due.train, due.departure, tools.now(),
        aboard=due.boarding.aboard, cut=False, window=production(tools), owed=due.owed,
    )  # fmt: skip
    if decision.answer == "cut" and due.commit is not None:
        return _cut(tools, request, due, due.commit, start)
    told = f"{due.release}: {decision.reason}"
    if decision.answer == "not_yet":
        return Served(_ended(OF_TRAINS["cut_off"], told), decision.until)
    if decision.answer == "blocked":
        first = next((one for one in due.owed if one.overdue(tools.now())), None)
        return Served(_ended(OF_TRAINS[first.awaited if first else "merge_back"], told))
    return Served(_over(due, decision))


def _cut(tools: Toolbox, request: TrainRequest, due: Due, commit: str, start: Begin) -> Served:
    """What is in the ledger first decides, also for another run that cut it at the same moment."""
    wanted = ReleaseRequest(
        id=due.release, product=request.product, ref=commit, kind="train", departs=due.departure, starter=STARTER
    )
    confirm(tools.ledger, tools.signer, wanted, "service", tools.now())
    begun = _begun(tools, due, start)
    assert begun is not None  # noqa: S101 - it was confirmed on the line before
    return Served(
        _ended("UnderWay", f"{begun.state.message}; {_aboard(due)}, and it leaves at {instant(due.departure)}")
    )


def _over(due: Due, decision: Decision) -> State[None]:
    """The end of a train that never runs."""
    if decision.answer == "empty":
        return _ended("Empty", f"{due.release}: {decision.reason}{_left_out(due)}")
    return _ended("MergedIntoNext", f"{due.release}: {decision.reason}")


def _left_out(due: Due) -> str:
    """What was merged and is not aboard all the same."""
    why = {
        "taken back by a revert": due.boarding.removed,
        "on hold since a rollback": due.boarding.on_hold,
        "merged after its cut-off": due.boarding.late,
    }
    return "".join(f"; {len(commits)} {reason}" for reason, commits in why.items() if commits)


def _aboard(due: Due) -> str:
    count = len(due.boarding.aboard)
    return f"{count} change{'' if count == 1 else 's'} aboard{_left_out(due)}"


def _ended(name: str, message: str) -> State[None]:
    return Completed(name=name, message=message)
