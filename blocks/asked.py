"""What a commit asks of the product's databases: which have it, in which state the others are, and what would run."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from stationmaster.blocks.compatible import changes_of
from stationmaster.blocks.database import Revisions
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.homes import recorded_as
from stationmaster.domain.migrations import Finding, lint_expand

if TYPE_CHECKING:
    from stationmaster.blocks.leg import Leg
    from stationmaster.domain.artifact import Cut
    from stationmaster.domain.product import Database

State = tuple[str, ...]  # the heads of a database, sorted


class MigrationRefusedError(RefusedError):
    """The linter found what old code would not survive."""

    code = "migration_refused"

    def __init__(self, findings: list[Finding]) -> None:
        lines = [f"{f.revision or 'the SQL'}: {f.rule}: {f.message}\n    instead: {f.fix}" for f in findings]
        super().__init__(
            "expand may not do this:\n" + "\n".join(lines), hint="mend the revision, or move it to the contract branch"
        )


@dataclass(frozen=True)
class Asked:
    """The commit itself is asked once, and what would run once for each state that a database is in."""

    leg: "Leg"
    revisions: Revisions
    _sql: dict[State, str] = field(default_factory=dict)

    @classmethod
    def of(cls, leg: "Leg", cut: "Cut", database: "Database") -> "Asked":
        return cls(leg, Revisions(database, leg.export("migrations", cut.commit.commit), leg.folder("migrations")))

    @cached_property
    def wanted(self) -> State:
        return self.leg.tools.database.target(self.revisions)

    def has(self, name: str, heads: State) -> bool:
        """Whether the database was at the commit's revisions before: it is expanded for it, and perhaps for more by a
        release that was given up. Expand only adds, and stage proves every version on what is there.
        """
        history = [entry for entry in changes_of(self.leg.tools.ledger, recorded_as(name)) if "after" in entry.fact]
        if not history or set(history[-1].fact["after"]) != set(heads):
            return False  # it is elsewhere than we left it: a backup was restored, or somebody else migrates
        return any({*self.wanted} <= {*entry.fact["before"], *entry.fact["after"]} for entry in history)

    def behind(self, names: Iterable[str]) -> dict[str, State]:
        """Those databases in which something would run, with the heads that each has. An empty one has no old code that
        could break, and no rows to wait for.
        """
        heads = {name: self.leg.tools.database.revision(name) for name in sorted(names)}
        return {name: at for name, at in heads.items() if at and not self.has(name, at)}

    def sql(self, state: State) -> str:
        """What expand would run from there; nothing for an empty database.

        Raises:
            MigrationRefusedError: old code would not survive it.
        """
        if state and state not in self._sql:
            sql = self.leg.tools.database.render(state, self.revisions)
            if refused := [finding for finding in lint_expand(sql) if finding.severity == "error"]:
                raise MigrationRefusedError(refused)
            self._sql[state] = sql
        return self._sql.get(state, "")
