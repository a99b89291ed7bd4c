"""One act each: read, decide, act, record. `act` makes a Prefect task of a function; a task never calls another."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed
from prefect.utilities.annotations import quote

from stationmaster.blocks import space
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.secrecy import mask_of
from stationmaster.domain.errors import OutsideError, StationmasterError, WaitingError
from stationmaster.domain.waiting import shown_as

P = ParamSpec("P")
R = TypeVar("R")


class ActBrokeError(StationmasterError):
    """An error of ours in the middle of an act. Its traceback is in the log of the flow run."""

    def __init__(self, act: str, error: Exception) -> None:
        super().__init__(
            f"{act} broke: {type(error).__name__}: {error}",
            hint="this is an error of ours, please report it with the flow run's log",
        )
        self.step = act


class ActOverdueError(OutsideError):
    """An act took longer than it may."""

    code = "act_overdue"

    def __init__(self, act: str, seconds: float) -> None:
        super().__init__(
            f"{act} did not end within {seconds:.0f} s", hint="see the flow run's log for what it waited for"
        )
        self.step = act


class StrayAnswerError(StationmasterError):
    """What came back from an act's task run is nothing that the act said: nobody knows whether it was done."""

    def __init__(self, act: str, answer: object) -> None:
        super().__init__(
            f"{act} came back from Prefect with {type(answer).__name__}, which is no answer of its own",
            hint="this is an error of ours, please report it with the flow run's log",
        )
        self.step = act


@dataclass(frozen=True, eq=False)
class _Answer(Generic[R]):
    """What an act returned, on its way through Prefect."""

    value: R


@dataclass(frozen=True, eq=False)
class _Wait:
    """What an act waits for, on its way through Prefect."""

    error: WaitingError


@dataclass(frozen=True)
class Act(Generic[P, R]):
    """A Prefect task run within a flow; anywhere else the function itself, so that a runbook can be walked without one.

    A wait ends the task run well, under the name of what is awaited, and is raised again out here. Only what `_Answer`
    holds gets past: whatever else a task run may end with is an error, so that no mistake leads past a gate.
    """

    fn: Callable[P, R]
    task: Task[P, Any]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if FlowRunContext.get() is None:
            return self.fn(*args, **kwargs)
        leg, *rest = args
        quoted: Any = (quote(leg), *rest)  # else Prefect walks through the whole toolbox at every call
        answer = self.task(*quoted, **kwargs)
        if isinstance(answer, _Answer):
            value: R = answer.value
            return value
        if wait := _wait_in(answer):
            raise wait.error
        raise StrayAnswerError(self.task.name, answer)


def act(
    name: str, *, timeout: float, retries: int = 3, shown: str | None = None, even_paused: bool = False
) -> "Callable[[Callable[Concatenate[Leg, P], R]], Act[Concatenate[Leg, P], R]]":
    """An act named `name`, tried again only when something outside failed; not begun when nothing may be done any more.
    `shown` is its run's name in the UI, with the act's arguments filled in. `even_paused` is for what a pause must not
    stop: watching what was begun.

    Whether an act was done already is answered by the ledger, never by Prefect's cache. The time limit is a last
    resort: every outside call in a task has its own.
    """

    def decorate(function: Callable[Concatenate[Leg, P], R]) -> Act[Concatenate[Leg, P], R]:
        told = _told(function, name, timeout, even_paused=even_paused)
        task = Task(
            fn=_sent(told),
            name=name,
            task_run_name=shown or name,
            retries=retries,
            retry_delay_seconds=[1.0, 4.0, 15.0][:retries],
            retry_condition_fn=_outside,
            timeout_seconds=timeout,
            cache_policy=NO_CACHE,
            persist_result=False,
        )
        return Act(told, task)

    return decorate


def _sent(told: Callable[P, R]) -> Callable[P, Any]:
    """The same, as Prefect runs it."""

    @functools.wraps(told)
    def sent(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - an _Answer, or a state that holds a _Wait
        try:
            return _Answer(told(*args, **kwargs))
        except WaitingError as wait:
            return Completed(name=shown_as(wait), message=wait.message, data=_Wait(wait))

    return sent


def _wait_in(answer: object) -> _Wait | None:
    """The wait in the state that `sent` returned, if it is that."""
    data = answer.data if isinstance(answer, State) else None
    found = getattr(data, "result", data)  # Prefect wraps it on the way
    return found if isinstance(found, _Wait) else None


def _told(
    function: Callable[Concatenate[Leg, P], R], name: str, timeout: float, *, even_paused: bool
) -> Callable[Concatenate[Leg, P], R]:
    """The function whose errors name the act that raised them and quote no secret."""

    @functools.wraps(function)
    def told(leg: Leg, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            leg.go_on(even_paused=even_paused)
            return function(leg, *args, **kwargs)
        except StationmasterError as error:
            error.step = error.step or name
            if error.hide(mask_of(leg.tools).text):
                raise error from None  # what it came from quotes what was hidden, and Prefect keeps it all
            raise
        except TimeoutError as error:
            raise ActOverdueError(name, timeout) from error
        except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a sentence
            broke = _full(leg, name, error) or ActBrokeError(name, error)
            raise broke from (None if broke.hide(mask_of(leg.tools).text) else error)

    return told


def _full(leg: Leg, act: str, error: Exception) -> space.NoSpaceError | None:
    """A disk that is full, wherever an act writes, is no error of ours."""
    if not space.is_full(error):
        return None
    place = Path(getattr(error, "filename", None) or leg.tools.work)
    full = space.no_space(f"what {act} writes", place)
    full.step = act
    return full


def _outside(_task: object, _run: object, state: Any) -> bool:  # noqa: ANN401 - Prefect's state
    return isinstance(state.data, OutsideError)
