"""`migrations plan`: what would run when, in words or as one object."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stationmaster.cli.migrations_lint import judged_at
from stationmaster.cli.output import answer
from stationmaster.domain.errors import Exit

if TYPE_CHECKING:
    from stationmaster.domain.migration_plan import Step
    from stationmaster.domain.migration_statements import Statement

_WIDTH = 88


def tell_plan(
    path: Path, begin: Sequence[str], to: Sequence[str], *, python: Path | None, timeout: float, as_json: bool
) -> int:
    """Prints the plan; the exit code is 1 where a revision is not known to do what is planned."""
    from stationmaster.domain.migration_plan import plan  # noqa: PLC0415 - its parser costs; --help never pays

    steps = plan(judged_at([path], None, python, timeout), begin, to)
    unseen = [
        {"revision": one.revision.name, "file": one.revision.file, "line": fault.line, "message": fault.reason}
        for step in steps
        for one in [step.judged]
        if (fault := one.revision.unrenderable) is not None
    ]
    record = {"steps": [step.record() for step in steps], "unrenderable": unseen}
    answer(record, as_json=as_json, text="\n".join(_told(steps)) or "nothing to run")
    return Exit.NO if unseen else Exit.YES


def _told(steps: "Sequence[Step]") -> list[str]:
    from stationmaster.domain.migration_plan import shown  # noqa: PLC0415 - as above

    lines = []
    for step in steps:
        judged = step.judged
        said = "" if judged.phase.declared else " (by what it does)"
        lines.append(
            f"{judged.phase.name}{said}: {judged.revision.name}: {judged.revision.doc or judged.revision.file}"
        )
        if (fault := judged.revision.unrenderable) is not None:
            lines.append(f"    unrenderable: {fault.reason}")
        lines += [f"    {_line(one)}" for one in shown(judged)] or ["    (no statement)"]
        lines += [f"  waits for: {gate}" for gate in step.waits_for]
    return lines


def _line(one: "Statement") -> str:
    text = " ".join(one.sql.split())
    lock = f"{one.lock}: others wait {one.wait}" if one.wait != "nobody waits" else "nobody waits"
    return f"{text if len(text) <= _WIDTH else text[: _WIDTH - 1] + '…'}  [{lock}]"
