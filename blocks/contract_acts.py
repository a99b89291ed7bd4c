"""What a contract does to a database and what it asks of stage afterwards. The gates are asked by whoever calls."""

from pathlib import Path
from typing import Any

from stationmaster.blocks.carried import product_at
from stationmaster.blocks.contract_revisions import Contracting, Todo
from stationmaster.blocks.database import Migrated
from stationmaster.blocks.expanding import expand_together, must_all_be_expanded
from stationmaster.blocks.kept import keep_log, keep_printed
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.secrecy import mask_of
from stationmaster.blocks.serving import run_journeys, start_instance
from stationmaster.domain.artifact import Cut
from stationmaster.domain.compatibility import CONTRACT
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.printed import Printed
from stationmaster.domain.tenants import STAGE

_TRIES, _PAUSE = 3, 1.0  # whoever was connected when the copy was made finds that out at its next request


def begin_contract(leg: Leg, what: Contracting, todo: Todo, target: tuple[str, ...], asked: dict[str, Any]) -> Entry:
    """The intention is on record: from where to where, and by which SQL. Where all of that ran and only its end is not
    on record, it is the one from before; what is left after a kill in the middle is another.
    """
    if not todo.sql and (begun := _under_way(leg, todo.instance)):
        return begun
    kept = {"sql": keep_printed(leg.tools, Printed(todo.sql.encode()))} if todo.sql else {}
    fact = {"before": list(todo.heads), "target": list(target), "revisions": list(what.revisions), **kept, **asked}
    return leg.record("contracting", {**what.inputs, "sql": todo.digest}, fact, subject=todo.instance)


def _under_way(leg: Leg, instance: str) -> Entry | None:
    every = [one for one in leg.tools.ledger.entries(leg.release) if one.subject == instance and one.step in CONTRACT]
    return every[-1] if every and every[-1].step == "contracting" else None


def stop_contract(leg: Leg, what: Contracting, begun: Entry, error: StationmasterError) -> None:
    """The intention came to nothing: why is on record, in words that may stay for ever."""
    fact = {"before": begun.fact["before"], "code": error.code, "message": mask_of(leg.tools).text(error.kept[0])}
    leg.record("contract_stopped", {**what.inputs, "begun": begun.index}, fact, subject=begun.subject)


def run_contract(leg: Leg, what: Contracting, todo: Todo, begun: Entry, asked: dict[str, Any]) -> None:
    """Converge, then record. What is there already is not run again."""
    ended = expand_together(leg.tools.database, [todo.database], todo.revisions)
    must_all_be_expanded(ended, [todo.database])
    done = ended[todo.database]
    assert isinstance(done, Migrated)  # noqa: S101 - else it raised
    fact = {**begun.fact, **asked, "after": list(done.after), "log": keep_log(leg.tools, Path(done.log))}
    leg.record("contracted", what.inputs, fact, subject=todo.instance)


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


def is_under_way_in_stage(leg: Leg) -> bool:
    """Whether a copy of stage is of this contract's making: the last contract that touched stage is this one, and was
    not taken back.
    """
    every = [one for step in CONTRACT for one in leg.tools.ledger.history(step, STAGE)]
    last = max(every, key=lambda one: one.index, default=None)
    return last is not None and last.release == leg.release and not last.fact.get("given_back")


def give_back(leg: Leg, what: Contracting) -> bool:
    """Whether stage's database is as it was before the contract. If so that is on record as what it is: the contract
    was taken back.
    """
    begun = leg.tools.ledger.history("contracted", STAGE)[-1]
    if not leg.tools.database.put_back(what.stage):
        return False
    after = list(leg.tools.database.revision(what.stage))
    fact = {"before": begun.fact["after"], "after": after, "revisions": list(what.revisions), "given_back": True}
    leg.record("contracted", {**what.inputs, "given_back": begun.index}, fact, subject=STAGE)
    return True
