"""What of a revision is already there though it is not recorded: a table beside Alembic's, while there is such a thing.

A revision with an `autocommit_block` commits more than once. Its statements are noted here in the transaction that they
commit in, so that the next run leaves them out; one that cannot run in a transaction is noted before and after. The
table goes in the transaction that records the revision. Revisions of one transaction never have one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stationmaster.blocks.migration_stop import StopRun
from stationmaster.domain.migration_class import Classed
from stationmaster.domain.migration_taken import dotted

TABLE = "stationmaster_migration"
_COLUMNS = (
    "(revision text NOT NULL, number int NOT NULL, digest text NOT NULL, done boolean NOT NULL, "
    "PRIMARY KEY (revision, number))"
)
Ask = Callable[[str], list[tuple[Any, ...]]]


@dataclass
class Journal:
    """Of one revision, in `table`: named with its schema where tenants have schemas. `rows` maps the number of a
    statement to its digest and whether it is known to be done.
    """

    revision: str
    table: str = TABLE
    exists: bool = False
    rows: dict[int, tuple[str, bool]] = field(default_factory=dict)

    @classmethod
    def read(cls, revision: str, ask: Ask, schema: str = "") -> "Journal":
        table = dotted([schema, TABLE])
        if ask(f"SELECT to_regclass({literal(table)}) IS NOT NULL")[0] != (True,):
            return cls(revision, table)
        found = ask(f"SELECT number, digest, done FROM {table} WHERE revision = {literal(revision)}")  # noqa: S608
        return cls(revision, table, exists=True, rows={number: (digest, done) for number, digest, done in found})

    def is_done(self, number: int, statement: Classed) -> bool:
        """Whether an earlier run committed it.

        Raises:
            StopRun: `interrupted`, when that run had another statement in this place.
        """
        digest, done = self.rows.get(number, (statement.digest, False))
        if digest != statement.digest:
            raise StopRun(
                "interrupted",
                f"revision {self.revision} was interrupted after it had committed a part, and its statement {number} "
                f"is another one now: `{statement.sql}`. Put back the revision that was interrupted; or finish it by "
                f"hand, drop the table {self.table} and mark the revision with `alembic stamp`",
            )
        return done

    def was_begun(self, number: int) -> bool:
        """Whether an earlier run began it and may have ended in the middle."""
        return number in self.rows and not self.rows[number][1]

    def note(self, number: int, statement: Classed, ask: Ask, *, done: bool) -> None:
        if not self.exists:
            ask(f"CREATE TABLE IF NOT EXISTS {self.table} {_COLUMNS}")
        values = f"({literal(self.revision)}, {number}, '{statement.digest}', {done})"
        ask(
            f"INSERT INTO {self.table} VALUES {values} ON CONFLICT (revision, number) "  # noqa: S608
            "DO UPDATE SET done = excluded.done, digest = excluded.digest"
        )
        self.exists = True
        self.rows[number] = (statement.digest, done)

    def close(self, ask: Ask) -> None:
        """In the transaction that records the revision."""
        if self.exists:
            ask(f"DROP TABLE IF EXISTS {self.table}")
            self.exists = False


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"
