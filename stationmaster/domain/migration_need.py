"""What a schema change needs that cannot be made online: the windows of all tenants of its database, and a mode where
they are not served in full meanwhile. It reads the SQL that would run, and decides.

A revision may say it, `needs = "read_only"` or `needs = "maintenance"`; rendered SQL then says it before the revision.
Nobody has to say it of a statement for which others wait as long as there are rows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import postgast

from stationmaster.domain.errors import RefusedError
from stationmaster.domain.migration_class import classed
from stationmaster.domain.migration_rule import Scope
from stationmaster.domain.migration_script import script_of
from stationmaster.domain.modes import MODES, Mode, said_in
from stationmaster.domain.product import Modes

_BOOK = re.compile(r"(CREATE TABLE|INSERT INTO|UPDATE|DELETE FROM)\s+alembic_version\b", re.IGNORECASE)
_BEFORE = re.compile(r"\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)+", re.DOTALL)


class ModeNotDeclaredError(RefusedError):
    """A revision needs a mode that the product does not have."""

    code = "mode_not_declared"


@dataclass(frozen=True)
class Need:
    """`says` is the mode that a revision names, the stricter one where several do; `long` counts the statements for
    which others wait. `revisions` are those that say or have them, as far as the SQL tells.
    """

    says: Mode | None
    long: int
    revisions: tuple[str, ...]

    @property
    def why(self) -> str:
        """In words."""
        of = f" of {', '.join(self.revisions)}" if self.revisions else ""
        if not self.long:
            return f"the change{of} says that it needs it"
        return f"{self.long} {'statements' if self.long > 1 else 'statement'}{of} may lock others out for long"

    def mode(self, modes: Modes) -> Mode | None:
        """The mode in which it runs; None where it is left to the windows alone.

        Raises:
            ModeNotDeclaredError: it says one that the product has not declared.
        """
        declared = modes.declared
        if self.says is None or self.says in declared:
            return self.says or next(iter(declared), None)
        has = f"it declares {' and '.join(declared)}" if declared else "it declares none"
        raise ModeNotDeclaredError(
            f"{', '.join(self.revisions)} needs {self.says}, which the product cannot be put into: {has}",
            hint=f"declare service.modes.{self.says} in stationmaster.yaml, or change it online",
        )


def need_of(sql: str) -> Need | None:
    """What rendered SQL needs beside locks that are short; None for what is made online.

    Raises:
        ModeUnknownError: a revision says a mode that there is not.
    """
    said, long = said_in(sql), list(_long(sql))
    if not said and not long:
        return None
    says = next((mode for mode in reversed(MODES) if mode in said.values()), None)
    return Need(says, len(long), tuple(dict.fromkeys([*said, *(one for one in long if one)])))


def _long(sql: str) -> Iterator[str | None]:
    """The revision of each statement for which others wait, Alembic's own aside. What an earlier one creates is new."""
    raw, scope = sql.encode(), Scope()
    statements = postgast.parse(sql).stmts
    script = script_of(sql, [one.stmt_location for one in statements])
    for one, begins in zip(statements, script.statements, strict=True):
        text = _BEFORE.sub("", raw[one.stmt_location :][: one.stmt_len or None].decode())
        if not _BOOK.match(text) and classed(text, scope).kind == "long":
            yield script.revision(begins)
