"""What `release pause` and `release resume` do: an order in the ledger, seen before the next act. Asks no server."""

from typing import TYPE_CHECKING

from stationmaster.cli import lookup
from stationmaster.cli.output import say
from stationmaster.cli.person import now, whoami
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.errors import InputError, RefusedError
from stationmaster.domain.orders import ORDERS, in_force, on_hold
from stationmaster.domain.release import Status
from stationmaster.domain.stages import CLOSED

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


class NothingToPauseError(RefusedError):
    """The release is over, or on its way back."""

    code = "nothing_to_pause"


class NothingToResumeError(RefusedError):
    """Nobody paused the release, and its changes are not on hold."""

    code = "nothing_to_resume"


def pause(ledger: "Ledger", release: str, reason: str) -> None:
    """Stop a release before its next act. Says so when it is paused already.

    Raises:
        UnknownReleaseError, NothingToPauseError: nothing is recorded.
    """
    found = _asked(ledger, release, reason)
    given = ledger.about(release, ORDERS)
    if in_force(given) == "rollback":
        raise NothingToPauseError(
            f"{release} is being rolled back, and a rollback runs to its end",
            hint=f"stationmaster release why {release}",
        )
    if found.stage in CLOSED:
        raise NothingToPauseError(
            f"{release} is {_over(found)}", hint="`stationmaster release list` shows what is open"
        )
    if in_force(given) == "pause":
        return say(f"{release} is paused already: {_last(given, 'paused').fact['reason']}")
    _record(ledger, release, "paused", reason)
    if held := lookup.worker(ledger, release):
        say(f"{held.holder} ends before its next act; a wave under way is watched to its end")
    return None


def resume(ledger: "Ledger", release: str, reason: str) -> None:
    """Let a paused release go on, and lift the hold on the changes of one that was rolled back. Says so when both are
    done already.

    Raises:
        UnknownReleaseError, NothingToResumeError: nothing is recorded.
    """
    found = _asked(ledger, release, reason)
    given = ledger.about(release, ORDERS)
    order, held = in_force(given), on_hold(given)
    stuck = found.trouble is not None and found.trouble.step == "failed"
    if order == "rollback" and not stuck:  # one that is refused would keep its own mending away for ever
        raise NothingToResumeError(
            f"{release} is being rolled back; its changes can be let go on when that is over",
            hint=f"stationmaster release why {release}",
        )
    if held:
        _record(ledger, release, "lifted", reason)
        say(f"its changes may be released again{_next(found)}")
    if order == "pause" and found.stage not in CLOSED:
        _record(ledger, release, "resumed", reason)
        say(f"{release} goes on: the watchdog wakes it, or at once: stationmaster release start {release}")
    elif not held:
        _must_have_been(found, given)


def _must_have_been(found: Status, given: list[Entry]) -> None:
    """Return, having said so, if somebody resumed it before."""
    if not {"resumed", "lifted"} & {entry.step for entry in given} or found.stage == "aborted":
        raise NothingToResumeError(
            f"{found.id} is {_over(found) if found.stage in CLOSED else 'not paused'}",
            hint=f"stationmaster release why {found.id}",
        )
    say(f"{found.id} is resumed already")


def _asked(ledger: "Ledger", release: str, reason: str) -> Status:
    if not reason.strip():
        raise InputError("without a reason nothing is changed", hint='--reason "what others must know"')
    return lookup.find(ledger, release)


def _record(ledger: "Ledger", release: str, step: str, reason: str) -> None:
    ledger.append(Draft(release=release, step=step, fact={"reason": reason}, personal={"who": whoami()}), now())


def _last(given: list[Entry], step: str) -> Entry:
    return next(entry for entry in reversed(given) if entry.step == step)


def _over(found: Status) -> str:
    return {"rolled_back": "rolled back"}.get(found.stage, found.stage)


def _next(found: Status) -> str:
    return f": stationmaster release start {found.id}" if found.stage == "held" else ", by a release of another name"
