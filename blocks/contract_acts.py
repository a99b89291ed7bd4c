"""What a contract does to a database and what it asks of stage afterwards. The gates are asked by whoever calls."""

from pathlib import Path
from typing import Any

from stationmaster.blocks.carried import contains, product_at
from stationmaster.blocks.contract_revisions import Contracting, Todo
from stationmaster.blocks.going_back import ran_before_now
from stationmaster.blocks.kept import keep_log, keep_printed
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.serving import run_journeys, start_instance
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.printed import Printed
from stationmaster.domain.tenants import STAGE

_TRIES, _PAUSE = 3, 1.0  # whoever was connected when the copy was made finds that out at its next request


def artifact_of(leg: Leg) -> Artifact:
    """The one that the release published."""
    fact = next(iter(leg.tools.ledger.about(leg.release, ["built"]))).fact
    return Artifact.model_validate({name: fact[name] for name in Artifact.model_fields if name in fact})


def kept_sql(leg: Leg, todo: Todo) -> dict[str, Any]:
    """The digest under which the SQL is kept; nothing where there is none to run."""
    return {"sql": keep_printed(leg.tools, Printed(todo.sql.encode()))} if todo.sql else {}


def run_contract(leg: Leg, what: Contracting, todo: Todo, fact: dict[str, Any]) -> None:
    """Converge, then record. What is there already is not run again."""
    done = leg.tools.database.expand(todo.instance, todo.revisions)
    ended = {**fact, "after": list(done.after), "log": keep_log(leg.tools, Path(done.log))}
    leg.record("contracted", what.inputs, ended, subject=todo.instance)


def versions_to_prove(leg: Leg, what: Contracting) -> dict[str, str]:
    """Digest to commit of the release's artifact, and of what has all that it has and runs, or is what somebody goes
    back to. What is older is on a database that waits, or is given up.
    """
    tools, mine = leg.tools, what.cut.commit.commit
    running = tools.ledger.running().values()
    before = [entry for now in running if (entry := ran_before_now(tools, now))]
    known = {str(entry.fact["digest"]): str(entry.fact["commit"]) for entry in (*running, *before)}
    new = {number: commit for number, commit in known.items() if contains(tools.source, commit, mine)}
    return dict(sorted({artifact_of(leg).digest: mine, **new}.items()))


def failures(leg: Leg, cut: Cut, commit: str, digest: str) -> list[str]:
    """Which journeys that the version's own commit declares fail in stage, and why."""
    product = product_at(leg.tools.source, commit)
    colour = start_instance(leg, product.service, digest, STAGE)
    failed: list[str] = []
    for _ in range(_TRIES):
        found = run_journeys(leg, product, STAGE, colour, cut.product.stage_tenant)
        failed = [f"{one.journey}, {reason}" for one in found if not one.passed for reason in one.reasons]
        if not failed:
            break
        leg.tools.sleep(_PAUSE)
    return [f"{digest[:19]}… fails at {one}" for one in failed]


def give_back(leg: Leg, what: Contracting) -> None:
    """Stage's database as it was before the contract. That is on record as what it is: the contract was taken back."""
    begun = leg.tools.ledger.history("contracted", STAGE)[-1]
    leg.tools.database.put_back(STAGE)
    after = list(leg.tools.database.revision(STAGE))
    fact = {"before": begun.fact["after"], "after": after, "given_back": True}
    leg.record("contracted", {**what.inputs, "given_back": begun.index}, fact, subject=STAGE)
