"""What a rehearsal of a schema change found: how long each statement took on a copy of production's size, for how long
it locked others out, and whether there is a way back. Values; it rehearses nothing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stationmaster.domain.entries import digest
from stationmaster.domain.errors import InputError

Kind = Literal["short", "watched", "long", "read"]  # of `migration_class.py`, which brings a parser that few need

# Others wait for these while they are held: those who write, or all.
LOCKING = ("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE")
_SHOWN = 200  # characters of a statement
_TOLD = {"longest_lock"}  # what follows from the rest
_SHA = "sha256:"
_LEAST = 1.0  # ms: below it a clock's grain is all that is compared
Ms = Annotated[float, Field(ge=0)]
Rule = Literal[
    "no_way_back",  # neither a downgrade nor `no_down`
    "downgrade_failed",
    "downgrade_leaves",  # something is there after the downgrade that was not before
    "downgrade_loses",  # something was there before
    "downgrade_changes_rows",
    "downgrade_heads",  # Alembic's record is not what it was
    "again_failed",
    "again_differs",  # upgraded a second time it is another schema
    "smoke_failed",
    "journey_failed",  # of a version that runs there, or that the release brings
]


class NoEstimateError(InputError):
    """The file is none that a rehearsal wrote."""

    code = "no_estimate"


class Value(BaseModel):
    """A part of an estimate: frozen, and nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Statement(Value):
    """A statement as it ran: the `digest` names its whole text, `sql` begins it. Its `lock` is held for `held_ms`, to
    the end of the transaction; `kind` says how it may run (`migration_class.py`).
    """

    revision: str
    digest: str
    sql: str
    ms: Ms
    held_ms: Ms
    lock: str | None = None
    kind: Kind = "short"


class NoDown(Value):
    """A revision that has no way back, by its author's decision."""

    revision: str
    reason: str


class Finding(Value):
    """Why the rehearsal failed."""

    rule: Rule
    message: str
    fix: str


class Smoke(Value):
    """A command that passed on the new schema."""

    command: str
    seconds: float


class Trial(Value):
    """A version of the product on the new schema: which of its journeys `failed` there and why; none when it works.
    One that is `needed` runs on such a database or comes to it; to another somebody could only go back.
    """

    digest: str
    version: str
    needed: bool
    failed: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failed


class Dump(Value):
    """The restored dump: the name of its file and its digest, when it was taken, and why nobody is in it."""

    file: str
    digest: str
    taken: str
    anonymised: str


class Estimate(Value):
    """A rehearsal from heads to heads. `rows` are those at its start. `down_ms` and `again_ms` are there when a
    downgrade ran: it went back over `undone`, the last revision first.
    """

    before: tuple[str, ...] = Field(alias="from")
    after: tuple[str, ...] = Field(alias="to")
    at: str
    rows: dict[str, int]
    dump: Dump | None = None
    statements: tuple[Statement, ...] = ()
    up_ms: Ms = 0
    undone: tuple[str, ...] = ()
    down_ms: Ms | None = None
    again_ms: Ms | None = None
    no_down: tuple[NoDown, ...] = ()
    smoke: tuple[Smoke, ...] = ()
    versions: tuple[Trial, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def longest(self) -> Statement | None:
        """The one that took the lock for which others wait longest; of two equals the stronger."""
        found = [(one.held_ms, LOCKING.index(one.lock), one) for one in self.statements if one.lock in LOCKING]
        return max(found, key=lambda one: one[:2])[2] if found else None

    @property
    def pairs(self) -> list[list[str]]:
        """The versions that work on the new schema, each with it, as the matrix has them."""
        return [[one.digest, ",".join(sorted(self.after))] for one in self.versions if one.passed]

    @property
    def limits(self) -> dict[str, float]:
        """How long each statement took, as the runner is given it: by the digest's own digits."""
        found: dict[str, float] = {}
        for one in self.statements:
            key = one.digest.removeprefix(_SHA)
            found[key] = max(found.get(key, 0.0), one.ms)
        return found

    def record(self) -> dict[str, Any]:
        """As JSON has it, for people and programs; `read` takes it back."""
        longest = self.longest
        lock = longest and {
            "lock": longest.lock,
            "ms": longest.held_ms,
            "revision": longest.revision,
            "sql": longest.sql,
        }
        return {**self.model_dump(mode="json", by_alias=True), "longest_lock": lock}

    def fact(self, most: int = 100) -> dict[str, Any]:
        """As the ledger keeps it: of very many statements only those that lasted longest with their text."""
        longest = {id(one) for one in sorted(self.statements, key=lambda one: -one.held_ms)[:most]}
        kept = tuple(one if id(one) in longest else one.model_copy(update={"sql": ""}) for one in self.statements)
        return self.model_copy(update={"statements": kept}).record()

    @classmethod
    def read(cls, record: dict[str, Any]) -> Self:
        """Raises pydantic's ValidationError when it is no estimate."""
        return cls.model_validate({key: value for key, value in record.items() if key not in _TOLD})


def read_estimate(text: str, file: str) -> Estimate:
    """What `migrations rehearse --out` wrote.

    Raises:
        NoEstimateError: it is something else; the message says where it is wrong.
    """
    try:
        return Estimate.read(json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        why = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    except (ValueError, AttributeError) as error:
        why = str(error)
    raise NoEstimateError(
        f"this is no estimate of a rehearsal: {why}", file=file, hint="write one: `migrations rehearse`"
    )


def ratio_of(took_ms: float, rehearsed_ms: float) -> float:
    """How many times longer; what is under a millisecond counts as one."""
    return round(max(took_ms, _LEAST) / max(rehearsed_ms, _LEAST), 2)


def statement(ran: Mapping[str, Any]) -> Statement:
    """A statement as the runner wrote it down."""
    text = " ".join(ran["sql"].split())
    shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return Statement(
        revision=ran["revision"], digest=digest(text.encode()), sql=shown, ms=ran["ms"], held_ms=ran["held_ms"],
        lock=ran["lock"], kind=ran["kind"],
    )  # fmt: skip


def differences(before: frozenset[str], after: frozenset[str]) -> tuple[list[str], list[str]]:
    """What a downgrade left, and what it lost; each a line of the schema."""
    return sorted(after - before), sorted(before - after)


def findings_of_schema(before: frozenset[str], after: frozenset[str], undone: Iterable[str]) -> Iterator[Finding]:
    """Whether a downgrade brought the schema back."""
    left, lost = differences(before, after)
    where = f"downgrade of {', '.join(undone)}"
    if left:
        yield Finding(
            rule="downgrade_leaves", message=f"the {where} leaves {_listed(left)}",
            fix='undo it in downgrade(), or say why there is no way back: no_down = "reason"',
        )  # fmt: skip
    if lost:
        yield Finding(
            rule="downgrade_loses", message=f"the {where} does not bring back {_listed(lost)}",
            fix='make it again in downgrade(), or say why there is no way back: no_down = "reason"',
        )  # fmt: skip


def findings_of_heads(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Finding]:
    """Whether Alembic's record says again what it said."""
    if before != after:
        yield Finding(
            rule="downgrade_heads",
            message=f"after the downgrade alembic_version says {', '.join(after) or 'nothing'}, "
            f"and it said {', '.join(before) or 'nothing'}",
            fix="depend on the other branch by `depends_on` only where it must be there first",
        )


Content = dict[str, tuple[int, dict[str, int]]]  # table to its rows, and column to the sum of its values


def findings_of_rows(before: Content, after: Content, undone: Iterable[str]) -> Iterator[Finding]:
    """Whether a downgrade brought the values back of what is there again. What is not there is the schema's matter."""
    changed = []
    for table, (rows, sums) in sorted(before.items()):
        rows_after, sums_after = after.get(table, (rows, sums))
        if rows != rows_after:
            changed.append(f"{table} has {rows_after:,} rows instead of {rows:,}")
        else:
            changed += [f"{table}.{name}" for name, value in sums.items() if sums_after.get(name, value) != value]
    if changed:
        yield Finding(
            rule="downgrade_changes_rows",
            message=f"after the downgrade of {', '.join(undone)} the rows are others: {_listed(changed)}",
            fix="keep what was overwritten where downgrade() finds it, or say why there is no way back: "
            'no_down = "reason"',
        )


def findings_of_versions(versions: Iterable[Trial]) -> Iterator[Finding]:
    """Whether what is needed works on the new schema."""
    for one in versions:
        if one.needed and not one.passed:
            yield Finding(
                rule="journey_failed",
                message=f"on the new schema {one.version} ({one.digest[:19]}…) fails: {'; '.join(one.failed)}",
                fix="keep what it needs until nobody runs it; what only the copy lacks is put there by a command of "
                "`rehearsal.smoke`, which runs before",
            )


def findings_of_again(first: frozenset[str], second: frozenset[str]) -> Iterator[Finding]:
    """Whether the same schema comes out when it is upgraded again."""
    more, less = differences(first, second)
    if more or less:
        told = [*(f"+ {line}" for line in more), *(f"- {line}" for line in less)]
        yield Finding(
            rule="again_differs", message=f"upgraded again after the downgrade, the schema is another: {_listed(told)}",
            fix="make downgrade() undo exactly what upgrade() does",
        )  # fmt: skip


def _listed(lines: Sequence[str], most: int = 6) -> str:
    more = f" and {len(lines) - most} more" if len(lines) > most else ""
    return "; ".join(lines[:most]) + more
