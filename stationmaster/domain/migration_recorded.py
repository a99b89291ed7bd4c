"""What a recorded Alembic revision is: what it says of itself, what its source says, what its `upgrade()` did.

Values only, as the guest process wrote them down (`blocks/migration_recording.py`); what they mean is judged in
`migration_revisions.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from stationmaster.domain.migration_source import Source, source_of


def _several(value: object) -> object:
    """Alembic takes nothing, one name or several."""
    return () if value is None else (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_several)]


class Placed(BaseModel):
    """Where in the revision it was, and in which module beside it, if the revision called one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int
    helper: str | None = None
    helper_line: int | None = None

    @property
    def through(self) -> str:
        """The helper, in words."""
        return f", in {self.helper}:{self.helper_line}" if self.helper else ""


class Operation(Placed):
    """One thing that PostgreSQL got: of `op.*`, of the connection, or a read of the connection."""

    sql: str
    kind: Literal["operation", "bind", "read"]
    autocommit: bool = False


class Question(Placed):
    """What the revision asked about the schema."""

    what: str


class Fault(BaseModel):
    """Why a revision could not be recorded to its end. `module` is missing in the Python that recorded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int
    reason: str
    module: str | None = None


class Run(BaseModel):
    """One run of `upgrade()`. `present`: what it asked for was there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    present: bool = False
    operations: tuple[Operation, ...] = ()
    questions: tuple[Question, ...] = ()
    blocks: tuple[int, ...] = ()
    sessions: tuple[int, ...] = ()
    fault: Fault | None = None


class Recorded(BaseModel):
    """One revision. `fault` is that of a file that could not even be loaded; then there are no runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    source: Source
    revision: str | None = None
    down_revision: Names = ()
    depends_on: Names = ()
    branch_labels: Names = ()
    doc: str = ""
    models: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()
    fault: Fault | None = None

    @classmethod
    def of(cls, file: str, text: str, said: Mapping[str, Any]) -> "Recorded":
        """What was recorded of a file. One that could not be loaded has the identifiers that stand in its source, so
        that those around it do not look as if their history were broken.
        """
        source = source_of(text)
        stated = source.says if "fault" in said else {}
        try:
            return cls.model_validate({**stated, **said, "file": file, "source": source})
        except ValidationError:
            fault = {"line": source.line("revision"), "reason": "has identifiers that Alembic does not take"}
            return cls.model_validate({"file": file, "source": source, "fault": fault})

    @property
    def name(self) -> str:
        """The revision's id, or its file where it has none."""
        return self.revision or self.file

    @property
    def unrenderable(self) -> Fault | None:
        """Why it is not known what the revision does; None as soon as one run came to its end."""
        if self.fault or not self.runs:
            return self.fault or Fault(line=1, reason="was not recorded")
        return None if any(run.fault is None for run in self.runs) else self.runs[-1].fault
