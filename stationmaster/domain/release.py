"""Where a release is and what blocks it: a projection of its entries, never a second truth. It changes nothing."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import InputError
from stationmaster.domain.stages import CLOSED, Stage, fold

Awaited = Literal["window", "approval", "confirm_start", "soak", "notice", "person"]

# What unblocks each kind of waiting. What opens by itself is looked at again by a start.
_COMMANDS: dict[Awaited, str] = {
    "window": "stationmaster release start {id}",
    "approval": "stationmaster approve {id} --key FILE",
    "confirm_start": "stationmaster approve {id} --key FILE",
    "soak": "stationmaster release start {id}",
    "notice": "stationmaster release start {id}",
    "person": "stationmaster release start {id}",
}
_SIGNED = frozenset({"approval", "confirm_start"})  # what a signature may end


class UnknownReleaseError(InputError):
    """The ledger has no entry of this release."""

    code = "unknown_release"

    def __init__(self, release: str, hint: str | None = None) -> None:
        super().__init__(f"there is no release {release!r}", hint=hint or "`stationmaster release list` shows them")
        self.release = release


class Trouble(BaseModel):
    """The last entry that stopped a leg, as far as it still does."""

    model_config = ConfigDict(frozen=True)

    step: Literal["waiting", "held", "failed"]
    about: str = Field(description="What is awaited, the ring that is held, or the step that failed.")
    message: str
    hint: str | None
    signed: bool = Field(default=False, description="An approval came that may end the wait.")


class Status(BaseModel):
    """`release status ID --json`. `trouble` is for `why` and not part of the answer."""

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
    trouble: Trouble | None = Field(default=None, exclude=True)


class Reason(BaseModel):
    """The one thing that blocks, and the command that unblocks it (None when nothing does or can)."""

    model_config = ConfigDict(frozen=True)

    message: str
    command: str | None


def status(release: str, entries: list[Entry], running: dict[str, Entry]) -> Status:
    """`entries` are all of this release, in order; `running` is what the ledger says of every tenant.

    Raises UnknownReleaseError and UnfitEntryError.
    """
    last = {entry.step: entry for entry in entries}
    if "started" not in last:
        raise UnknownReleaseError(release)
    started, stage = last["started"].fact, fold(entries)
    trouble = None if stage in CLOSED else _trouble(entries)
    return Status(
        id=release,
        version=_fact(last, "cut").get("version") or started.get("version"),
        kind=started["kind"],
        stage=stage,
        waiting_for=_awaited(stage, trouble),
        until=_fact(last, "waiting").get("until") if trouble and trouble.step == "waiting" else None,
        digest=_fact(last, "built").get("digest"),
        tenants=_tenants(last.get("planned"), running),
        entries=len(entries),
        trouble=trouble,
    )


def why(status: Status, worker: str | None = None) -> Reason:
    """The one thing that blocks and the command that unblocks it. `worker` is who works on it now, if anybody does."""
    start, trouble = f"stationmaster release start {status.id}", status.trouble
    if status.stage == "released":
        return Reason(message=f"{status.id} is released; nothing blocks it.", command=None)
    if status.stage == "aborted":
        return Reason(message=f"{status.id} was aborted; nothing can continue it.", command=None)
    if trouble is None and worker:
        return Reason(
            message=f"{status.id} is {status.stage} and nothing blocks it: {worker} works on it.", command=None
        )
    if trouble is None:
        words = f"{status.id} is {status.stage} and waits for nothing, but nobody works on it: its process died."
        return Reason(message=words, command=start)
    if trouble.step == "waiting" and trouble.signed:
        return Reason(message="Somebody signed since; a start counts it.", command=start)
    return Reason(message=_words(trouble), command=_command(status, trouble))


def _command(status: Status, trouble: Trouble) -> str:
    if trouble.step == "waiting" and status.waiting_for is not None:
        return _COMMANDS[status.waiting_for].format(id=status.id)
    return f"stationmaster release start {status.id}"


def _words(trouble: Trouble) -> str:
    lead = {"waiting": "Waits for {}", "held": "Held at ring {}", "failed": "Step {} failed"}[trouble.step]
    hint = f" ({trouble.hint})" if trouble.hint else ""
    return f"{lead.format(trouble.about)}: {trouble.message}{hint}"


def _trouble(entries: list[Entry]) -> Trouble | None:
    """A wait, a hold or an error counts until the next start. An error that follows a hold or an error does not hide
    it, as in the table of stages.
    """
    trouble: Trouble | None = None
    for entry in entries:
        if entry.step == "started":
            trouble = None
        elif entry.step == "approval" and trouble:
            trouble = trouble.model_copy(update={"signed": trouble.about in _SIGNED})
        elif entry.step in {"held", "waiting", "failed"} and (trouble is None or trouble.step == "waiting"):
            trouble = _of(entry)
    return trouble


def _of(entry: Entry) -> Trouble:
    fact = entry.fact
    about = {"waiting": fact.get("for"), "held": entry.subject, "failed": fact.get("step")}[entry.step]
    return Trouble.model_validate(
        {"step": entry.step, "about": about or "?", "message": fact.get("message") or "", "hint": fact.get("hint")}
    )


def _awaited(stage: Stage, trouble: Trouble | None) -> Awaited | None:
    """A held release waits for a person."""
    if stage == "held":
        return "person"
    return trouble.about if trouble and trouble.step == "waiting" else None  # type: ignore[return-value]


def _tenants(planned: Entry | None, running: dict[str, Entry]) -> dict[str, str]:
    names = sorted(running) if planned is None else [name for wave in planned.fact["waves"] for name in wave["tenants"]]
    return {name: running[name].fact["version"] for name in names if name in running}


def _fact(last: dict[str, Entry], step: str) -> dict[str, Any]:
    return last[step].fact if step in last else {}
