"""What is left where a version cannot be gone back to, the shortest way first: forward, a downgrade, or a backup. It
carries nothing out.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.compatibility import Matrix
from stationmaster.domain.duration import Seconds, spelt
from stationmaster.domain.entries import Entry


class Restore(BaseModel):
    """What it takes to bring a database back from its backup, as it was measured in a drill, or is only believed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    takes: Seconds = Field(description="From the decision to a database that serves again.", examples=["45m"])
    loses: Seconds = Field(description="How much of what was written last is gone then.", examples=["15m"])
    measured: date | None = Field(default=None, description="When both were measured; nobody did when not given.")

    @property
    def said(self) -> str:
        """In words."""
        known = f"measured {self.measured.isoformat()}" if self.measured else "declared, never measured"
        return f"takes {spelt(self.takes)} and loses what was written in the last {spelt(self.loses)} ({known})"


UNKNOWN_RESTORE = "how long a restore takes and what it loses was never measured: declare database.restore"


class Way(BaseModel):
    """One way out, and what it costs."""

    model_config = ConfigDict(frozen=True)

    way: Literal["forward", "downgrade", "restore"]
    said: Annotated[str, Field(description="For people.")]


def ways_out(
    matrix: Matrix, digest: str, version: str, history: Sequence[Entry], restore: Restore | None
) -> tuple[Way, ...]:
    """From a database whose `history` (its entries of changes of the schema, in order) led past what a version is
    proved on, the shortest first. Nothing is unwound across a contract: what it took away is in the backup alone.
    """
    return tuple(_ways(_before(matrix, digest, history), version, history, restore))


def _ways(back: str | None, version: str, history: Iterable[Entry], restore: Restore | None) -> Iterator[Way]:
    yield Way(way="forward", said="the shortest way out is forward: release a fix that stage passes on this schema")
    if back is not None:
        yield Way(
            way="downgrade",
            said=f"or take the last expand back to {back or '(none)'}, on which {version} is proved: `alembic "
            "downgrade`, after a rehearsal on a copy; what was written into what it drops is lost",
        )
    over = ": a contract ran, and nothing else brings back what it took away" if _contracted(history) else ""
    yield Way(
        way="restore",
        said=f"or restore the backup{over}; that {restore.said}" if restore else f"or restore the backup{over}; "
        f"{UNKNOWN_RESTORE}",
    )  # fmt: skip


def _before(matrix: Matrix, digest: str, history: Sequence[Entry]) -> str | None:
    """The schema before the last expand, when the version is proved there and no contract came after that."""
    last = history[-1] if history else None
    if last is None or last.step != "expanded" or last.fact["before"] == last.fact["after"]:
        return None
    before = ",".join(sorted(last.fact["before"]))
    return before if matrix.proof(digest, before) else None


def _contracted(history: Iterable[Entry]) -> bool:
    return any(entry.step in {"contracting", "contracted"} for entry in history)
