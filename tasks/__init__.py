"""One act each: read, decide, act, record. `act` makes a Prefect task of a function; a task never calls another."""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.utilities.annotations import quote

from stationmaster.blocks.leg import Leg
from stationmaster.blocks.secrecy import mask_of
from stationmaster.domain.errors import OutsideError, StationmasterError

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


class Act(Task[P, R], Generic[P, R]):
    """A Prefect task within a flow; anywhere else the function itself, so that a runbook can be walked without one."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override] # no futures, no states
        if FlowRunContext.get() is None:
            return self.fn(*args, **kwargs)
        leg, *rest = args
        quoted: Any = (quote(leg), *rest)  # else Prefect walks through the whole toolbox at every call
        return super().__call__(*quoted, **kwargs)


def act(
    name: str, *, timeout: float, retries: int = 2, shown: str | None = None, even_paused: bool = False
) -> "Callable[[Callable[Concatenate[Leg, P], R]], Act[Concatenate[Leg, P], R]]":
    """An act named `name`, tried again only when something outside failed; not begun when nothing may be done any more.
    `shown` is its run's name in the UI, with the act's arguments filled in. `even_paused` is for what a pause must not
    stop: watching what was begun.

    Whether an act was done already is answered by the ledger, never by Prefect's cache. The time limit is a last
    resort: every outside call in a task has its own.
    """

    def decorate(function: Callable[Concatenate[Leg, P], R]) -> Act[Concatenate[Leg, P], R]:
        return Act(
            fn=_told(function, name, timeout, even_paused=even_paused),
            name=name,
            task_run_name=shown or name,
            retries=retries,
            retry_delay_seconds=[1.0, 4.0, 15.0][:retries],
            retry_condition_fn=_outside,
            timeout_seconds=timeout,
            cache_policy=NO_CACHE,
            persist_result=False,
        )

    return decorate


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
            broke = ActBrokeError(name, error)
            raise broke from (None if broke.hide(mask_of(leg.tools).text) else error)

    return told


def _outside(_task: object, _run: object, state: Any) -> bool:  # noqa: ANN401 - Prefect's state
    return isinstance(state.data, OutsideError)
