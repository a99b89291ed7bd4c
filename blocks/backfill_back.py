"""A release goes back: its backfills stand still, and whoever is served by a version without the dual write is not
taken for verified any more. The ledger says the same, so that a database that is away keeps nobody from going back.
"""

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

from stationmaster.blocks.backfill_jobs import ALL, contained
from stationmaster.domain.backfill_waits import BY_ROLLBACK
from stationmaster.domain.backfilled import first
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.homes import database_of

if TYPE_CHECKING:
    from stationmaster.blocks.leg import Leg
    from stationmaster.domain.entries import Entry

_log = logging.getLogger("stationmaster.backfill_back")


def stand_still(leg: "Leg") -> None:
    """Pause what the release fills in, and take back what was verified of whom it leads back, whichever release found
    that. Safe to repeat; what a database does not take now is taken back from it before the next run.
    """
    every = leg.tools.ledger.every("backfilling")
    last = {(entry.subject, entry.fact["spec"]): entry for entry in every}
    for entry in last.values():
        try:
            _pause(leg, entry)
            _lose(leg, entry, first(every, entry.fact["name"], entry.fact["spec"]) or entry)
        except StationmasterError as error:
            _log.warning("backfill %s is not told that %s goes back: %s", entry.subject, leg.release, error)


def _pause(leg: "Leg", entry: "Entry") -> None:
    """Those of its tenants whom nobody paused already: what a person said stays as it was said."""
    if entry.release != leg.release:
        return
    database, name = str(entry.fact["database"]), str(entry.fact["name"])
    for one in next((each.tenants for each in leg.tools.database.backfills(database) if each.name == name), ()):
        if one.state in {"pending", "running", "failed"}:
            leg.tools.database.pause_backfill(database, name, one.tenant, f"{BY_ROLLBACK}{leg.release}")


def _lose(leg: "Leg", entry: "Entry", begun: "Entry") -> None:
    database, name = str(entry.fact["database"]), str(entry.fact["name"])
    led = {
        tenant: now for tenant, now in leg.tools.ledger.running().items()
        if (now.release, now.step) == (leg.release, "rolled_back") and database_of(now) == database
    }  # fmt: skip
    writes = str(begun.fact["commit"])
    lost = [tenant for tenant, now in led.items() if not contained(leg.tools, str(now.fact["commit"]), writes)]
    if lost:
        why = f"{leg.release} went back, and what serves it now does not write both"
        leg.tools.database.lose_backfill(database, name, _called(leg, database, name, lost), why)


def _called(leg: "Leg", database: str, name: str, tenants: Collection[str]) -> list[str]:
    """As the table calls them; where its rows do not say whose they are, they are everybody's."""
    known = next((each.tenants for each in leg.tools.database.backfills(database) if each.name == name), ())
    return [ALL] if [one.tenant for one in known] == [ALL] else sorted(tenants)
