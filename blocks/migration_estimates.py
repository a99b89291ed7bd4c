"""What rehearsals of a release and of those before it found, read from the ledger: limits for the runner, slack for the
next forecast, and the comparison once production was changed.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from stationmaster.blocks.compatible import changes_of, contract_before
from stationmaster.blocks.homes import every_database
from stationmaster.domain.compatibility import schemas
from stationmaster.domain.entries import canonical
from stationmaster.domain.entries import digest as digest_of
from stationmaster.domain.homes import recorded_as
from stationmaster.domain.migration_forecast import Slack, forecast
from stationmaster.domain.migration_outlook import NOT_REHEARSED, expected, table, took, ways_back
from stationmaster.domain.migration_rehearsal import Estimate, statement
from stationmaster.domain.migration_slack import compare
from stationmaster.domain.tenants import STAGE

if TYPE_CHECKING:
    from stationmaster.blocks.leg import Leg
    from stationmaster.domain.entries import Entry
    from stationmaster.domain.product import Product
    from stationmaster.ledger.store import Ledger


def estimates(ledger: "Ledger", release: str) -> tuple[Estimate, ...]:
    """Those that stand, of each state that production was in."""
    found = standing(ledger, release)
    return tuple(Estimate.read(one) for one in found.fact["estimates"]) if found else ()


def standing(ledger: "Ledger", release: str) -> "Entry | None":
    """The entry that has them."""
    return next(iter(ledger.about(release, ["rehearsed"])), None)


def fingerprint(ledger: "Ledger", release: str) -> str | None:
    """Digest of what a rehearsal found, as it goes into the mandate; None where nothing was rehearsed."""
    found = standing(ledger, release)
    return digest_of(canonical(found.fact)) if found else None


def limits(ledger: "Ledger", release: str) -> dict[str, float]:
    """How long each statement took in rehearsal, by its digest, as the runner is given it."""
    found: dict[str, float] = {}
    for one in estimates(ledger, release):
        for key, ms in one.limits.items():
            found[key] = max(found.get(key, 0.0), ms)
    return found


def outlook(ledger: "Ledger", release: str) -> list[str]:
    """What people read of the release's schema change, before it and after; nothing where there is none."""
    found, known = estimates(ledger, release), slack(ledger, release)
    planned = next((one.fact.get("schema") for one in reversed(ledger.about(release, ["planned"]))), None)
    if not found and not planned:
        return []
    kinds = [f"  {row.said}" for one in found for row in expected(one, known)]
    told = [*forecast(found, known), *kinds] if found else [NOT_REHEARSED]
    return [*told, *(planned["way_back"] if planned else ()), *took(ledger.entries(release))]


def outlook_on(ledger: "Ledger", release: str, act: str) -> list[str]:
    """The same for whoever is asked to sign an act. A contract was not rehearsed on a copy, and nothing but a backup
    leads back.
    """
    if act == "contract":
        return list(ledger.about(release, ["contract_mandated"])[-1].fact.get("way_back", ()))
    return outlook(ledger, release)


def outlook_table(ledger: "Ledger", release: str) -> list[dict[str, Any]]:
    """What `outlook` says, by kinds of statements, for a table."""
    return table(estimates(ledger, release), slack(ledger, release))


def planned_schema(leg: "Leg", product: "Product") -> dict[str, Any]:
    """For the fact of a plan: up to when the schema change can be taken back. Nothing where there is none: stage had
    the schema, and so has every database that the ledger knows of.
    """
    if product.database is None:
        return {}
    ledger = leg.tools.ledger
    staged = next((one for one in reversed(ledger.history("expanded", STAGE)) if one.release == leg.release), None)
    found = estimates(ledger, leg.release)
    if not found and (staged is None or not _changes(leg, product, staged)):
        return {}
    return {"schema": {"rehearsed": bool(found), "way_back": ways_back(found, product.database.restore)}}


def _changes(leg: "Leg", product: "Product", staged: "Entry") -> bool:
    ledger, after = leg.tools.ledger, ",".join(sorted(staged.fact["after"]))
    others = [
        one for one in every_database(leg.tools, product)
        if recorded_as(one) != STAGE and contract_before(leg.tools, one) is None
    ]  # fmt: skip
    known = [schemas(changes_of(ledger, one)) for one in others]
    return staged.fact["before"] != staged.fact["after"] or any(one and one != (after,) for one in known)


def slack(ledger: "Ledger", release: str) -> Slack | None:
    """What the newest other release took in production against its rehearsal, of its databases the slowest."""
    known = [
        entry for entry in ledger.every("expanded")
        if entry.subject != STAGE and entry.release != release and (entry.fact.get("rehearsed") or {}).get("ratio")
    ]  # fmt: skip
    if not known:
        return None
    newest = known[-1].release
    return Slack(newest, max(entry.fact["rehearsed"]["ratio"] for entry in known if entry.release == newest))


def compared(ledger: "Ledger", release: str, ran: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """For the fact of a database that was changed: what ran beside its rehearsal. Nothing where there was none."""
    found, statements = estimates(ledger, release), [statement(one) for one in ran]
    return {"rehearsed": compare(found, statements).fact()} if found and statements else {}
