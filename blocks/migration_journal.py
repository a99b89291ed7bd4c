"""What of a revision is already there though it is not recorded: a table beside Alembic's, while there is such a thing.

A revision with an `autocommit_block` commits more than once. Its statements are noted here in the transaction that they
commit in, so that the next run leaves them out; one that cannot run in a transaction is noted before and after. What is
of the revision goes in the transaction that records it, and the table when nothing is in it any more. Revisions of one
transaction never have one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stationmaster.blocks.migration_stop import StopRun
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
    statement to its mark and whether it is known to be done.
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

    def is_done(self, number: int, mark: str, sql: str) -> bool:
        """Whether an earlier run committed it; `sql` is how a person is told of it.

        Raises:
            StopRun: `interrupted`, when that run had another statement in this place.
        """
        known, done = self.rows.get(number, (mark, False))
        if known != mark:
            raise StopRun(
                "interrupted",
                f"revision {self.revision} was interrupted after it had committed a part, and its statement {number} "
                f"is another one now, or has other values: `{sql}`. Put back the revision that was interrupted; or "
                f"finish it by hand, `{self._deletion}` and mark the revision with `alembic stamp`",
            )
        return done

    def was_begun(self, number: int) -> bool:
        """Whether an earlier run began it and may have ended in the middle."""
        return number in self.rows and not self.rows[number][1]

    def note(self, number: int, mark: str, ask: Ask, *, done: bool) -> None:
        if not self.exists:
            ask(f"CREATE TABLE IF NOT EXISTS {self.table} {_COLUMNS}")
        values = f"({literal(self.revision)}, {number}, {literal(mark)}, {done})"
        ask(
            f"INSERT INTO {self.table} VALUES {values} ON CONFLICT (revision, number) "  # noqa: S608
            "DO UPDATE SET done = excluded.done, digest = excluded.digest"
        )
        self.exists = True
        self.rows[number] = (mark, done)

    def close(self, ask: Ask) -> None:
        """In the transaction that records the revision. Rows of another one that was interrupted stay."""
        if not self.exists:
            return
        ask(self._deletion)
        if ask(f"SELECT EXISTS (SELECT FROM {self.table})") == [(False,)]:  # noqa: S608
            ask(f"DROP TABLE {self.table}")
        self.exists = False

    @property
    def _deletion(self) -> str:
        return f"DELETE FROM {self.table} WHERE revision = {literal(self.revision)}"  # noqa: S608


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"
