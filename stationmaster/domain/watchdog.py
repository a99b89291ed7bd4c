"""What the watchdog does about a release that nobody works on: one table of rules, asked in its order.

It starts again what died, wakes what waits when its time or its event came, has a rollback carried out, and holds a
wave that nobody watches. It never touches what failed, what a verdict holds, what is paused, and what is over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

from stationmaster.domain.consent import has_ended
from stationmaster.domain.deaths import ENOUGH, deaths, is_unwatched
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry
from stationmaster.domain.flow_runs import Condition, FlowRun, Worker, condition
from stationmaster.domain.orders import in_force
from stationmaster.domain.progress import open_wave, unfinished
from stationmaster.domain.release import Trouble, status
from stationmaster.domain.stages import CLOSED, Stage, fold
from stationmaster.domain.waiting import look_again

_UNWATCHED = timedelta(seconds=60)
_LATE = timedelta(minutes=1)  # by which a wait is over before we believe that its own alarm did not ring
_OF_A_TRAIN = timedelta(minutes=10)  # in which a run of a train, which waits without a process, does all that it does
_ORDERED = timedelta(seconds=10)  # in which whoever ordered a rollback begins it


@dataclass(frozen=True)
class Seen:
    """What is known of one open release at `at`."""

    release: str
    at: datetime
    entries: Sequence[Entry]
    worker: Worker
    run: FlowRun | None  # of flow `release`
    back: FlowRun | None = None  # of flow `rollback`
    thawed: int = -1  # index of the last entry that ended a freeze
    released: int = -1  # index of the last entry by which a release reached everybody
    tries: int = 0  # what the watchdog started for it since the last new fact

    @cached_property
    def stage(self) -> Stage:
        return fold(self.entries)

    @cached_property
    def trouble(self) -> Trouble | None:
        """None too for a release that was only asked for."""
        return status(self.release, list(self.entries), {}).trouble if self.entries else None

    @cached_property
    def heard(self) -> datetime:
        """The last word of or about it."""
        return _read(self.entries[-1].at) if self.entries else datetime.min.replace(tzinfo=UTC)

    def condition(self, run: FlowRun | None) -> Condition:
        return condition(run, self.worker, self.heard, self.at)


@dataclass(frozen=True)
class Decision:
    """What is done, and why. `about` is the ring that is held. `loud`: a person should know, though nothing is done."""

    do: Literal["leave", "restart", "wake", "roll_back", "hold", "tell"]
    why: str
    about: str = ""
    loud: bool = False


def decide(seen: Seen) -> Decision:
    """The first rule that has an answer has the say."""
    return next(found for rule in _RULES if (found := rule(seen)))


def of_train(run: FlowRun, at: datetime) -> Decision:
    """What is done about a run of a train, which no ledger knows until the train is cut: started again, it serves the
    same train.
    """
    found = condition(run, Worker(), run.since + _OF_A_TRAIN, at)
    if found != "dead":
        return Decision("leave", f"its flow run is {found}")
    if run.starts >= ENOUGH:
        return Decision("leave", f"it was begun {run.starts} times and died: it is left to a person", loud=True)
    return Decision("restart", f"its flow run is {run.kind} and nobody works on it")


def _nobody_is_needed(seen: Seen) -> Decision | None:
    if seen.worker.alive:
        return Decision("leave", "somebody works on it")
    if seen.stage not in CLOSED or in_force(seen.entries) == "rollback":
        return None
    if unfinished(seen.entries) and seen.at - seen.heard > _UNWATCHED:
        return _tired(seen) or Decision("tell", f"it is {seen.stage}, and nobody was told")
    return Decision("leave", f"it is {seen.stage}")


def _hold(seen: Seen) -> Decision | None:
    """A wave under way must be watched, whoever is to blame that it is not."""
    waits = seen.trouble is not None and seen.trouble.step == "waiting"
    ring = open_wave(seen.entries) if seen.stage == "deploying" and not waits else None
    last = max(seen.heard, seen.worker.renewed or seen.heard)
    if ring is None or seen.at - last <= _UNWATCHED:
        return None
    return Decision("hold", f"nobody has watched wave {ring} since {instant(last)}", about=ring)


def _go_back(seen: Seen) -> Decision | None:
    if in_force(seen.entries) != "rollback":
        return None
    if seen.trouble and seen.trouble.step == "failed" and not _may_pass(seen):
        return Decision("leave", "its rollback failed")
    if seen.at - seen.heard <= _ORDERED or any(seen.condition(run) == "coming" for run in (seen.run, seen.back)):
        return Decision("leave", "its rollback is about to begin")
    return _tired(seen) or Decision("roll_back", "its rollback was decided, and nobody carries it out")


def _may_pass(seen: Seen) -> bool:
    """Whether a rollback failed because of something outside, long enough ago to try again: it runs to its end."""
    failed = next(entry for entry in reversed(seen.entries) if entry.step == "failed")
    return bool(failed.fact.get("outside")) and seen.at - seen.heard > _UNWATCHED


def _for_a_person(seen: Seen) -> Decision | None:
    if in_force(seen.entries) == "pause":
        return Decision("leave", "it is paused")
    if seen.stage == "failed":
        return Decision("leave", "it failed")
    stopped = next((one for one in reversed(seen.entries) if one.step in {"held", "contained"}), None)
    if seen.stage == "held" and stopped and not is_unwatched(stopped):
        return Decision("leave", "a person decides how it goes on")
    return None


def _waits(seen: Seen) -> Decision | None:
    if seen.trouble is None or seen.trouble.step != "waiting":
        return None
    news, found = _news(seen, seen.trouble), seen.condition(seen.run)
    if news is None:
        return Decision("leave", f"it waits for {seen.trouble.about}")
    if found in {"coming", "dying", "stopped"}:
        return Decision("leave", f"{news}, and its flow run is {found}")
    return _tired(seen) or Decision("wake", news)


def _tired(seen: Seen) -> Decision | None:
    """What died again and again without a new fact would do so for ever."""
    count = max(deaths(seen.entries), seen.tries, 0 if seen.entries or not seen.run else seen.run.starts)
    if count < ENOUGH:
        return None
    words = f"it was begun {count} times in a row and died each time without a new fact: it is left to a person"
    return Decision("leave", words, loud=True)


def _died(seen: Seen) -> Decision:
    found = seen.condition(seen.run)
    if found == "dead" and seen.run:
        return Decision("restart", f"its flow run is {seen.run.kind} and nobody works on it")
    if found == "over" and (seen.run is None or seen.run.kind == "FAILED") and seen.at - seen.heard > _ORDERED:
        return Decision("restart", "its flow run ended, and the ledger does not know why")  # that was away just then
    if found == "over":
        ended = f"ended as {seen.run.kind}" if seen.run else "is not known to Prefect"
        return Decision("leave", f"nobody works on it, and its flow run {ended}: it is left to a person", loud=True)
    return Decision("leave", f"its flow run is {found}")


_RULES: tuple[Callable[[Seen], Decision | None], ...] = (
    _nobody_is_needed, _hold, _go_back, _for_a_person, _waits, _tired, _died,
)  # fmt: skip


def _news(seen: Seen, wait: Trouble) -> str | None:
    """Why the wait may be over."""
    waiting = next(entry for entry in reversed(seen.entries) if entry.step == "waiting")
    if wait.answered:
        return "somebody answered"
    if wait.about in {"approval", "window", "soak"} and has_ended(seen.entries, _read(waiting.at), seen.at - _LATE):
        return "the time of a tenant that was asked is over"
    if wait.about == "window" and seen.thawed > waiting.index:
        return "a freeze is over"
    if wait.about != "confirm_start" and seen.released > waiting.index:
        return "another release is through, and may have taken its place"
    until = waiting.fact.get("until")
    due = look_again(wait.about, until and _read(until), _read(waiting.at))
    return f"it was to be looked at again at {instant(due)}" if seen.at - due > _LATE else None


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text)
