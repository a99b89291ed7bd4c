"""What the watchdog does about the contract of a release that nobody works on: it starts again what died and wakes what
waits, by time and by event. What failed is left to a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stationmaster.domain.contract_status import contract_status
from stationmaster.domain.deaths import ENOUGH
from stationmaster.domain.entries import Entry
from stationmaster.domain.flow_runs import FlowRun, Worker, condition
from stationmaster.domain.stages import fold
from stationmaster.domain.watchdog import Decision

_OFTEN = timedelta(minutes=5)  # between two looks for the sake of what others do: of each tenant there is an entry
_LATE = timedelta(minutes=1)  # by which a wait is over before its own alarm is not believed in any more


@dataclass(frozen=True)
class SeenContract:
    """What is known of a contract at `at`. `stirred` is the index of the last entry, whatever it is about, that may end
    a wait; `tries` what was started for it since the last new fact.
    """

    release: str
    at: datetime
    entries: Sequence[Entry]
    worker: Worker
    run: FlowRun | None
    stirred: int = -1
    tries: int = 0


def decide_contract(seen: SeenContract) -> Decision:
    """What is done now."""
    status, stage = contract_status(seen.entries), fold(seen.entries)
    if status is None or status.over or stage != "released":
        return Decision("leave", f"its release is {stage}" if stage != "released" else "its contract is over")
    if seen.worker.alive:
        return Decision("leave", "somebody works on it")
    if _stopped(seen) == "failed" and not _may_pass(seen):
        return Decision("leave", "its contract failed: a person decides")
    return _of_run(seen) or (
        _awaited(seen) if _stopped(seen) == "waiting" else Decision("restart", "nobody works on its contract")
    )


def _of_run(seen: SeenContract) -> Decision | None:
    """What its flow run, and how often it died, forbids."""
    last = next(entry for entry in reversed(seen.entries) if entry.step not in {"attested", "refused"})
    state = condition(seen.run, seen.worker, datetime.fromisoformat(last.at), seen.at)
    if state in {"coming", "dying", "stopped"}:
        return Decision("leave", f"its flow run is {state}")
    if seen.tries >= ENOUGH:
        return Decision("leave", f"its contract was begun {seen.tries} times and died: it is left", loud=True)
    return Decision("restart", f"its flow run is {seen.run.kind}") if seen.run and state == "dead" else None


def _may_pass(seen: SeenContract) -> bool:
    """Whether something outside failed, long enough ago to try again."""
    failed = next(entry for entry in reversed(seen.entries) if entry.step == "failed")
    return bool(failed.fact.get("outside")) and seen.at - datetime.fromisoformat(failed.at) > _LATE


def _stopped(seen: SeenContract) -> str | None:
    """How the last leg ended, if it said so."""
    steps = (entry.step for entry in reversed(seen.entries))
    return next((one for one in steps if one in {"waiting", "failed", "contract", "contracting", "contracted"}), None)


def _awaited(seen: SeenContract) -> Decision:
    wait = next(entry for entry in reversed(seen.entries) if entry.step == "waiting")
    since, until = datetime.fromisoformat(wait.at), wait.fact.get("until")
    if any(entry.step in {"approval", "contract"} and entry.index > wait.index for entry in seen.entries):
        return Decision("wake", "somebody answered")
    if seen.stirred > wait.index and seen.at - since >= _OFTEN:
        return Decision("wake", "something changed that it may wait for")
    if until and seen.at - datetime.fromisoformat(until) > _LATE:
        return Decision("wake", "its time has come")
    return Decision("leave", f"it waits for {wait.fact['for']}")
