"""What `release retry`, `release advance` and `release skip` do: words of a person about one release, in the ledger,
seen by its next leg.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from stationmaster.cli import lookup
from stationmaster.cli.output import say
from stationmaster.cli.person import now, whoami
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.errors import InputError, RefusedError, nearest
from stationmaster.domain.release import Status
from stationmaster.domain.skipping import ADVANCES, skipped_tenants
from stationmaster.domain.stages import CLOSED

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


class NothingToRetryError(RefusedError):
    """Nothing failed, and no wave is held."""

    code = "nothing_to_retry"


class NothingToAdvanceError(RefusedError):
    """No wave is held, or it is held for a breach."""

    code = "nothing_to_advance"


class NothingToSkipError(RefusedError):
    """The tenant has the release, or the release is over."""

    code = "nothing_to_skip"


class NoHotfixError(RefusedError):
    """The release is no hotfix."""

    code = "no_hotfix"


class NotPlannedError(InputError):
    """The plan of the release does not know the tenant."""

    code = "not_planned"


def must_have_stopped(found: Status) -> None:
    """Return if something failed or is held, so that trying again means anything.

    Raises:
        NothingToRetryError: with what it does instead.
    """
    if found.stage not in {"failed", "held"}:
        raise NothingToRetryError(
            f"{found.id} is {found.stage.replace('_', ' ')}: nothing failed",
            hint=f"stationmaster release why {found.id}",
        )


def advance(ledger: "Ledger", release: str, reason: str) -> None:
    """Let a held wave be followed by the next although its verdict was not good enough. A breach cannot be set aside.

    Raises:
        UnknownReleaseError, NothingToAdvanceError: nothing is recorded.
    """
    found = _asked(ledger, release, reason)
    entries = ledger.entries(release)
    held = next((entry for entry in reversed(entries) if entry.step == "held"), None)
    if found.stage != "held" or held is None or held.fact.get("verdict") not in ADVANCES:
        verdict = f", and the verdict is {held.fact.get('verdict')}" if found.stage == "held" and held else ""
        raise NothingToAdvanceError(
            f"{release} is {found.stage.replace('_', ' ')}{verdict}: there is no wave to let go on",
            hint=f"stationmaster release why {release}",
        )
    fact = {"verdict": held.fact["verdict"], "reason": reason, "held": held.index}
    _record(ledger, release, "advanced", held.subject, fact)
    say(
        f"wave {held.subject} is watched once more and followed unless it breaks: stationmaster release start {release}"
    )


def merged_back(ledger: "Ledger", release: str, into: str, reason: str) -> None:
    """Say that a hotfix is in the release branch, where git cannot see it: it was squashed, or picked with changes.

    Raises:
        UnknownReleaseError, NoHotfixError: nothing is recorded.
    """
    found = _asked(ledger, release, reason)
    if found.kind != "hotfix":
        raise NoHotfixError(f"{release} is no hotfix, so it owes nothing", hint="`stationmaster release list`")
    given = {"into": into, "reason": reason}
    draft = Draft(release=release, step="merged_back", inputs={"into": into}, fact=given, personal={"who": whoami()})
    ledger.append(draft, now())


def skip(ledger: "Ledger", release: str, tenants: Collection[str], reason: str, *, undo: bool) -> None:
    """Leave tenants out of a release that they do not have yet, or take them in again.

    Raises:
        UnknownReleaseError, NotPlannedError, NothingToSkipError: nothing is recorded, for none of them.
    """
    found = _asked(ledger, release, reason)
    if found.stage in CLOSED:
        raise NothingToSkipError(f"{release} is {found.stage.replace('_', ' ')}", hint="start another release")
    entries, running = ledger.entries(release), ledger.running()
    for tenant in tenants:
        _must_be_ahead(entries, running, release, tenant)
    out = skipped_tenants(entries)
    for tenant in tenants:
        if (tenant in out) != undo:
            say(f"{tenant} is {'left out' if tenant in out else 'not left out'} already")
        else:
            _record(ledger, release, "unskipped" if undo else "skipped", tenant, {"reason": reason})
    if lookup.worker(ledger, release):
        say("somebody works on it: who is left out is not moved, and the next leg plans anew")


def _must_be_ahead(entries: list[Entry], running: dict[str, Entry], release: str, tenant: str) -> None:
    """Return if the tenant is one that the release could still go to: it runs something, or is in the plan."""
    planned = [one for entry in entries if entry.step == "planned" for one in entry.fact.get("placements", [])]
    known = {*running, *(one["tenant"] for one in planned)}
    if tenant not in known:
        raise NotPlannedError(f"there is no tenant {tenant!r}", hint=nearest(tenant, known))
    entry = running.get(tenant)
    if entry and (entry.release, entry.step) == (release, "deployed"):
        raise NothingToSkipError(
            f"{tenant} has {release} already",
            hint=f"stationmaster release rollback {release} --tenant {tenant} --reason WHY takes it back",
        )


def _asked(ledger: "Ledger", release: str, reason: str) -> Status:
    if not reason.strip():
        raise InputError("without a reason nothing is changed", hint='--reason "what others must know"')
    return lookup.find(ledger, release)


def _record(ledger: "Ledger", release: str, step: str, subject: str, fact: dict[str, str | int]) -> None:
    given = Draft(release=release, step=step, subject=subject, inputs=fact, fact=fact, personal={"who": whoami()})
    ledger.append(given, now())
