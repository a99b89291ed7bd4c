"""In which phase each revision runs: what its branch or its file says, else what it does.

A product with the labelled branches `expand` and `contract` says it for every revision; one with a linear history has
each revision classified, and may say `phase = "contract"` in a revision.
"""

from dataclasses import dataclass
from typing import Literal, cast

from stationmaster.domain.migration_history import History
from stationmaster.domain.migration_recorded import Recorded
from stationmaster.domain.migration_statements import Statement, Work, reads_rows

Phase = Literal["expand", "contract", "data", "mixed", "unknown"]
Declared = Literal["expand", "contract"]
DECLARED = ("expand", "contract")


@dataclass(frozen=True, slots=True)
class Phased:
    """A revision's phase, whether somebody said it, and the kinds of work it does, as far as they were seen."""

    name: Phase
    declared: bool
    works: frozenset[Work]


def declared(revision: Recorded, history: History) -> Declared | None:
    """What its branch says, else what its file says; None where neither does, or says what there is not."""
    labels = history.labels.get(revision.name, frozenset()) & set(DECLARED)
    said = next(iter(labels)) if len(labels) == 1 else revision.source.phase
    return cast("Declared", said) if said in DECLARED else None


def phased(revision: Recorded, statements: tuple[Statement, ...], history: History) -> Phased:
    """The phase of one revision, given what its runs do."""
    works = frozenset(_works(revision, statements))
    said = declared(revision, history)
    does = "unknown" if revision.unrenderable else _classified(works)
    return Phased(said or does, said is not None, works)


def _works(revision: Recorded, statements: tuple[Statement, ...]) -> set[Work]:
    rows = any(one.operation.kind == "read" and reads_rows(one.sql) for one in statements)
    found: set[Work] = {one.work for one in statements if one.operation.kind != "read"}
    return found | {"data"} if rows or any(run.sessions for run in revision.runs) else found


def _classified(works: frozenset[Work]) -> Phase:
    """What only adds or changes nothing that old code sees is expand."""
    if "data" in works:
        return "data" if works == {"data"} else "mixed"
    if "contract" in works:
        return "mixed" if "expand" in works else "contract"
    return "expand"
