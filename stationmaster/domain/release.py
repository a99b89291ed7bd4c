"""Where a release is and what blocks it: a projection of its entries, never a second truth. It changes nothing."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.backfilled import Filling, all_verified, fillings
from stationmaster.domain.deaths import ENOUGH, deaths
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import InputError
from stationmaster.domain.homes import OwnDatabase, own_databases
from stationmaster.domain.interruption import modes_of
from stationmaster.domain.orders import in_force, on_hold
from stationmaster.domain.stages import CLOSED, Stage, fold

Awaited = Literal["window", "approval", "confirm_start", "soak", "notice", "person", "versions"]

_START = "stationmaster release start {id}"
_RESUME = "stationmaster release resume {id} --reason WHY"
_APPROVE = "stationmaster approve {id} --key FILE"

# What unblocks each kind of waiting. What opens by itself is looked at again by a start.
_COMMANDS: dict[Awaited, str] = {
    "window": _START,
    "approval": _APPROVE,
    "confirm_start": _START,
    "soak": _START,
    "notice": _START,
    "person": _START,
    "versions": "stationmaster release contract {id}",  # of its contract, after it
}
# What there is to say of a release that is over, and what a person may still do.
_OVER: dict[Stage, tuple[str, str | None]] = {
    "released": ("{id} is released; nothing blocks it.", None),
    "aborted": ("{id} was aborted; nothing can continue it.", None),
    "rolled_back": ("{id} was rolled back; its changes may be released again, under another name.", None),
}
_ON_HOLD = ("{id} was rolled back, and its changes are on hold: no release may carry them.", _RESUME)

# What may end a wait, by the step that records it.
ANSWERS: dict[str, frozenset[str]] = {
    "confirmed": frozenset({"confirm_start"}),
    "approval": frozenset({"approval"}),
    "resumed": frozenset({"person"}),
    "waived": frozenset({"window"}),
    "consented": frozenset({"approval", "window", "soak"}),  # it gets a wave, perhaps before the one that waits
    "declined": frozenset({"approval", "window", "soak"}),
}


class UnknownReleaseError(InputError):
    """The ledger has no entry of this release."""

    code = "unknown_release"

    def __init__(self, release: str, hint: str | None = None) -> None:
        super().__init__(f"there is no release {release!r}", hint=hint or "`stationmaster release list` shows them")
        self.release = release


class Trouble(BaseModel):
    """The last entry that stopped a leg, as far as it still does."""

    model_config = ConfigDict(frozen=True)

    step: Literal["waiting", "held", "failed", "paused", "rollback", "contained", "lifted"]
    about: str = Field(description="What is awaited, the ring that is held, the step that failed, or the release.")
    message: str
    hint: str | None
    answered: bool = Field(default=False, description="Somebody's word came that may end the wait.")


def _nothing(value: object) -> bool:
    return not value


class Status(BaseModel):
    """`release status ID --json`. `trouble` and `on_hold` are for `why` and not part of the answer."""

    model_config = ConfigDict(frozen=True)

    id: str
    version: str | None
    kind: Literal["train", "hotfix", "manual"]
    stage: Stage
    waiting_for: Awaited | None
    until: str | None
    digest: str | None
    tenants: dict[str, str] = Field(description="What each tenant of the plan runs now; before a plan, every tenant.")
    entries: int
    databases: dict[str, OwnDatabase] = Field(
        default={},
        exclude_if=_nothing,
        description="Where each tenant's own schema or database is; left out where tenants share one.",
    )
    backfills: dict[str, Filling] = Field(
        default={},
        exclude_if=all_verified,
        description="How far each backfill is, by database and name; left out when all are verified, or there is none.",
    )
    trouble: Trouble | None = Field(default=None, exclude=True)
    modes: dict[str, str] = Field(
        default={}, exclude_if=_nothing, description="The tenants that it keeps in a mode; left out where it is nobody."
    )
    on_hold: bool = Field(default=False, exclude=True, description="No release may carry its changes.")
    deaths: int = Field(default=0, exclude=True)  # legs at the end that left no fact


class Reason(BaseModel):
    """The one thing that blocks, and the command that unblocks it (None when nothing does or can)."""

    model_config = ConfigDict(frozen=True)

    message: str
    command: str | None


def status(
    release: str, entries: list[Entry], running: dict[str, Entry], schemas: Mapping[str, Entry] | None = None
) -> Status:
    """`entries` are all of this release, in order; `running` is what the ledger says of every tenant, `schemas` of
    every database.

    Raises UnknownReleaseError and UnfitEntryError.
    """
    last = {entry.step: entry for entry in entries}
    asked = last.get("started") or last.get("confirmed")
    if asked is None:
        raise UnknownReleaseError(release)
    stage = fold(entries)
    trouble = None if stage in CLOSED and in_force(entries) != "rollback" else _trouble(entries)
    return Status(
        id=release,
        version=_fact(last, "cut").get("version") or asked.fact.get("version"),
        kind=asked.fact["kind"],
        stage=stage,
        waiting_for=_awaited(stage, trouble),
        until=_fact(last, "waiting").get("until") if trouble and trouble.step == "waiting" else None,
        digest=_fact(last, "built").get("digest"),
        tenants=_tenants(last.get("planned"), running),
        modes=modes_of(entries),
        entries=len(entries),
        databases=own_databases(schemas or {}),
        backfills=fillings(entries),
        trouble=trouble,
        on_hold=on_hold(entries),
        deaths=deaths(entries),
    )


def why(status: Status, worker: str | None = None) -> Reason:
    """The one thing that blocks and the command that unblocks it. `worker` is who works on it now, if anybody does."""
    trouble = status.trouble
    if trouble is None:
        return _untroubled(status, worker)
    if trouble.step == "waiting" and trouble.answered:
        return Reason(message="Somebody answered since; the next start counts it.", command=_START.format(id=status.id))
    if trouble.step == "rollback" and worker:
        return Reason(message=f"{_words(trouble)}. {worker} works on it.", command=None)
    words = _words(trouble) + (_left_alone(status) if trouble.step == "held" else "")
    return Reason(message=words, command=_command(status, trouble).format(id=status.id))


def _untroubled(status: Status, worker: str | None) -> Reason:
    if status.stage in _OVER:
        message, command = _ON_HOLD if status.stage == "rolled_back" and status.on_hold else _OVER[status.stage]
        return Reason(message=message.format(id=status.id), command=command and command.format(id=status.id))
    if worker:
        message = f"{status.id} is {status.stage} and nothing blocks it: {worker} works on it."
        return Reason(message=message, command=None)
    message = f"{status.id} is {status.stage} and waits for nothing, but nobody works on it: its process died."
    return Reason(message=message + _left_alone(status), command=_START.format(id=status.id))


def _left_alone(status: Status) -> str:
    """What the watchdog makes of it, when that is nothing."""
    if status.deaths < ENOUGH:
        return ""
    return f" It was begun {status.deaths} times in a row without a new fact, so the watchdog leaves it alone."


def _command(status: Status, trouble: Trouble) -> str:
    if trouble.step == "paused" or (trouble.step == "contained" and status.on_hold):
        return _RESUME
    if trouble.step == "waiting" and status.waiting_for is not None:
        asked = trouble.hint if status.waiting_for == "approval" else None  # of a team, or of a tenant
        return asked if asked and asked.startswith("stationmaster ") else _COMMANDS[status.waiting_for]
    return _START


def _words(trouble: Trouble) -> str:
    lead = {
        "waiting": "Waits for {}",
        "held": "Held at ring {}",
        "failed": "Step {} failed",
        "paused": "{} is paused",
        "rollback": "{} goes back to the version before",
        "contained": "{} was rolled back in part",
        "lifted": "The way back of {} was ended by a person",
    }[trouble.step]
    hint = f" ({trouble.hint})" if trouble.hint else ""
    return f"{lead.format(trouble.about)}: {trouble.message}{hint}"


def _trouble(entries: list[Entry]) -> Trouble | None:
    """A wait, a hold or an error counts until the next start, or until the release goes back. An error that follows a
    hold or an error does not hide it, as in the table of stages. An order in force comes first; of a way back, how
    its last leg ended says more, and who gave it up says most.
    """
    trouble: Trouble | None = None
    early: set[str] = set()  # answers that came before anybody waited, while the gate was being asked
    for number, entry in enumerate(entries):
        early = set() if entry.step == "started" else early | ({entry.step} & set(ANSWERS))
        given_up = entry.step == "lifted" and in_force(entries[:number]) == "rollback"
        trouble = _of(entry) if given_up else _after(trouble, entry)
        if trouble and entry.step == "waiting" and any(trouble.about in ANSWERS[step] for step in early):
            trouble = trouble.model_copy(update={"answered": True})
    order = in_force(entries)
    if order == "pause":
        return _of(_last(entries, "paused"))
    return trouble or (_of(_last(entries, "rollback")) if order == "rollback" else None)


def _after(trouble: Trouble | None, entry: Entry) -> Trouble | None:
    if entry.step in {"started", "rollback"}:
        return None
    if entry.step == "contained" or (entry.step == "lifted" and trouble and trouble.step == "contained"):
        return _of(entry)
    if entry.step in ANSWERS and trouble:
        return trouble.model_copy(update={"answered": trouble.answered or trouble.about in ANSWERS[entry.step]})
    if entry.step in {"held", "waiting", "failed"} and (trouble is None or trouble.step == "waiting"):
        return _of(entry)
    return trouble


def _last(entries: list[Entry], step: str) -> Entry:
    return next(entry for entry in reversed(entries) if entry.step == step)


def _of(entry: Entry) -> Trouble:
    fact = entry.fact
    about = {"waiting": fact.get("for"), "failed": fact.get("step")}.get(entry.step, entry.subject)
    said = fact.get("message") or fact.get("reason") or ""
    if entry.step == "contained":
        said = f"{', '.join(fact['left'])} still on it"
    return Trouble.model_validate(
        {"step": entry.step, "about": about or "?", "message": said, "hint": fact.get("hint")}
    )


def _awaited(stage: Stage, trouble: Trouble | None) -> Awaited | None:
    """A held release waits for a person, and so does a paused one."""
    if stage == "held" or (trouble and trouble.step == "paused"):
        return "person"
    return trouble.about if trouble and trouble.step == "waiting" else None  # type: ignore[return-value]


def _tenants(planned: Entry | None, running: dict[str, Entry]) -> dict[str, str]:
    names = sorted(running) if planned is None else [name for wave in planned.fact["waves"] for name in wave["tenants"]]
    return {name: running[name].fact["version"] for name in names if name in running}


def _fact(last: dict[str, Entry], step: str) -> dict[str, Any]:
    return last[step].fact if step in last else {}
