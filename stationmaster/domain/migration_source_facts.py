"""What a revision's source and its recording say beside the SQL: reads, sessions, models, blocks, downgrade, faults."""

from collections.abc import Iterator

from stationmaster.domain.migration_recorded import Fault, Placed, Question, Recorded, Run
from stationmaster.domain.migration_rule import Hit
from stationmaster.domain.migration_statements import reads_rows

Found = tuple[Hit, int]
_LESS = {
    "missing": "has no downgrade()",
    "empty": "has a downgrade() that does nothing",
    "raises": "has a downgrade() that raises",
}


def of_source(revision: Recorded) -> Iterator[Found]:
    """Everything but the SQL itself."""
    yield from _unrenderable(revision)
    yield from dict.fromkeys(one for run in revision.runs for one in _of_run(run))
    yield from _questions(revision)
    source = revision.source
    for line in sorted({source.line(name) for name in revision.models}):
        names = ", ".join(name for name in revision.models if source.line(name) == line)
        yield Hit("orm_model", f"imports what the ORM maps: {names}"), line
    if source.downgrade != "written" and not (source.no_down or "").strip() and not revision.fault:
        yield Hit("no_downgrade", f"{_LESS[source.downgrade]} and no no_down"), source.line("downgrade", "revision")


def _unrenderable(revision: Recorded) -> Iterator[Found]:
    fault = revision.unrenderable
    if fault is not None:
        read = next((one for run in revision.runs for one in run.operations if one.kind == "read"), None)
        after = f", after it read rows on line {read.line}" if read and not fault.module else ""
        yield Hit("unrenderable", f"{_told(fault)}{after}; nothing is known of what comes after that"), fault.line


def _told(fault: Fault) -> str:
    if fault.module is None:
        return fault.reason
    return f"{fault.reason}, which this Python does not have"


def _of_run(run: Run) -> Iterator[Found]:
    for one in run.operations:
        if one.kind == "read" and reads_rows(one.sql):
            yield Hit("reads_data", f"reads rows through op.get_bind(){one.through}; here it got none"), one.line
    for line in run.sessions[:1]:
        yield Hit("orm_session", "uses an ORM session"), line
    outside = next((one for one in run.operations if not one.autocommit and one.kind != "read"), None)
    if run.blocks and outside is not None:
        message = f"an autocommit_block that is not alone: line {outside.line} is outside of it"
        yield Hit("autocommit_not_alone", message), run.blocks[0]


def _questions(revision: Recorded) -> Iterator[Found]:
    asked: dict[int, list[Question]] = {}
    for run in revision.runs:
        for one in run.questions:
            asked.setdefault(one.line, []).append(one)
        for read in run.operations:
            if read.kind == "read" and not reads_rows(read.sql):
                asked.setdefault(read.line, []).append(_as_question(read, read.sql))
    stopped = "".join(_stopped(run) for run in revision.runs if run.fault and len(revision.runs) > 1)
    for line, questions in asked.items():
        what = [*dict.fromkeys(one.what for one in questions if one.what)]
        about = f" about {', '.join(what[:3])}{', …' if len(what) > 3 else ''}" if what else ""  # noqa: PLR2004 - to read
        yield Hit("reads_schema", f"asks the database{about}{questions[0].through}{stopped}"), line


def _as_question(at: Placed, sql: str) -> Question:
    return Question(line=at.line, helper=at.helper, helper_line=at.helper_line, what=" ".join(sql.split())[:60])


def _stopped(run: Run) -> str:
    world = "everything it names is there" if run.present else "nothing is there"
    return f"; where {world} it {run.fault.reason} on line {run.fault.line}" if run.fault else ""
