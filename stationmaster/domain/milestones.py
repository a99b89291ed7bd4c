"""`milestones:` of `stationmaster.yaml`: what a contract calls a milestone, as facts that must stand in the ledger.

Whether a release reached one follows from its own entries: what another release did to a tenant since takes nothing
away, what this one took back does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stationmaster.domain.entries import UNDOES, Entry
from stationmaster.domain.tenants import Id

Gate = Literal[
    "cut",
    "built",
    "tested",
    "scanned",
    "linked",
    "rehearsed",
    "staged",
    "planned",
    "mandated",
    "approved",
    "briefed",
    "released",
    "merged_back",
    "closed",
    "deployed",
    "consented",
]
_OF_A_TENANT = frozenset({"deployed", "consented"})  # their subject is a tenant; that of all others the release


class Milestone(BaseModel):
    """A milestone of a contract: reached when each of its steps stands in the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1, description="As the contract calls it.", examples=["M3: acceptance"])
    steps: Annotated[tuple[Gate, ...], Field(min_length=1)] = Field(
        description="Facts of the release that must stand.", examples=[["tested", "staged", "approved"]]
    )
    tenant: Id | None = Field(default=None, description="Whose deployment or consent it is about.")

    @model_validator(mode="after")
    def _says_whose(self) -> Self:
        about = sorted(_OF_A_TENANT & set(self.steps))
        if about and self.tenant is None:
            raise ValueError(f"{about[0]!r} is about one tenant; say which with `tenant`")
        if self.tenant is not None and not about:
            raise ValueError(f"`tenant` needs one of {' or '.join(sorted(_OF_A_TENANT))} among the steps")
        return self


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a release is with a milestone. `at` is when the last of its steps was recorded, None while one is
    missing; `entries` maps each step that stands to its entry.
    """

    name: str
    title: str
    at: str | None
    entries: dict[str, int]
    missing: tuple[str, ...]

    @property
    def reached(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    def record(self, release: str) -> dict[str, Any]:
        """The answer of `evidence show RELEASE --milestone NAME --json`."""
        return {
            "release": release, "milestone": self.name, "title": self.title, "reached": self.reached, "at": self.at,
            "entries": dict(self.entries), "missing": list(self.missing),
        }  # fmt: skip


def reached(name: str, milestone: Milestone, release: str, entries: Iterable[Entry]) -> Reached:
    """How far the release is with it. `entries` are all of this release, in order."""
    standing = _standing(entries)
    about = {step: milestone.tenant if step in _OF_A_TENANT else release for step in milestone.steps}
    found = {step: standing[step, str(subject)] for step, subject in about.items() if (step, subject) in standing}
    missing = tuple(step for step in about if step not in found)
    last = max(found.values(), key=lambda entry: entry.index, default=None)
    at = last.at if last is not None and not missing else None
    return Reached(name, milestone.title, at, {step: entry.index for step, entry in found.items()}, missing)


def _standing(entries: Iterable[Entry]) -> dict[tuple[str, str], Entry]:
    """By step and subject, what no later entry of the release undid."""
    standing: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        for undone in UNDOES.get(entry.step, ()):
            standing.pop((undone, entry.subject), None)
        standing[entry.step, entry.subject] = entry
    return standing
