"""Schema changes: what expand would run is read before it runs, then each database is brought to it."""

from stationmaster.blocks.database import Revisions
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.openness import must_be_migratable, must_be_unfrozen
from stationmaster.blocks.superseding import proved_in_stage
from stationmaster.domain.artifact import Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.migrations import Finding, lint_expand
from stationmaster.domain.product import Database
from stationmaster.domain.tenants import STAGE
from stationmaster.tasks import act


class MigrationRefusedError(RefusedError):
    """The linter found what old code would not survive."""

    code = "migration_refused"

    def __init__(self, findings: list[Finding]) -> None:
        lines = [f"{f.revision or 'the SQL'}: {f.rule}: {f.message}\n    instead: {f.fix}" for f in findings]
        super().__init__(
            "expand may not do this:\n" + "\n".join(lines), hint="mend the revision, or move it to the contract branch"
        )


@act("lint migrations", timeout=900)
def lint(leg: Leg, cut: Cut) -> None:
    """Refuse in expand what the version that runs now would not survive, for every state a database is in."""
    if cut.product.database is None or proved_in_stage(leg):
        return
    revisions, database = _revisions(leg, cut, cut.product.database), leg.tools.database
    for instance in sorted(database.databases):
        heads = database.revision(instance)
        if not heads or _passed(leg, instance, revisions):
            continue  # an empty database has no old code; one that is there already has nothing to run
        refused = [finding for finding in lint_expand(database.render(heads, revisions)) if finding.severity == "error"]
        if refused:
            raise MigrationRefusedError(refused)


@act("expand", timeout=3600, shown="expand {instance}")
def expand(leg: Leg, cut: Cut, instance: str) -> None:
    """Bring one instance's database to the expanded schema. Where it was is recorded first: a process that dies between
    the migration and its record leaves no other trace of it.
    """
    if instance != STAGE:
        leg.must_have_reached("approved")
    inputs = {"commit": cut.commit.commit}
    if cut.product.database is None or leg.recorded("expanded", inputs, instance):
        return
    revisions, heads = _revisions(leg, cut, cut.product.database), list(leg.tools.database.revision(instance))
    if _passed(leg, instance, revisions):
        leg.record("expanded", inputs, {"before": heads, "after": heads}, subject=instance)
        return
    must_be_unfrozen(leg, cut.product, "stage" if instance == STAGE else "production")
    must_be_migratable(leg, cut.product, instance)
    begun = leg.record("expanding", inputs, {"before": heads}, subject=instance)
    done = leg.tools.database.expand(instance, revisions)
    leg.record("expanded", inputs, {"before": begun.fact["before"], "after": list(done.after)}, subject=instance)


def _passed(leg: Leg, instance: str, revisions: Revisions) -> bool:
    """Whether the database was at the commit's revisions before: it is expanded for it, and perhaps for more by a
    release that was given up. Expand only adds, and stage proves every version on what is there.
    """
    history = leg.tools.ledger.history("expanded", instance)
    if history and set(history[-1].fact["after"]) != set(leg.tools.database.revision(instance)):
        return False  # it is elsewhere than we left it: a backup was restored, or somebody else migrates
    wanted = set(leg.tools.database.target(revisions)) if history else set()
    return any(wanted <= {*entry.fact["before"], *entry.fact["after"]} for entry in history)


def _revisions(leg: Leg, cut: Cut, database: Database) -> Revisions:
    return Revisions(database, leg.export("migrations", cut.commit.commit), leg.folder("migrations"))
