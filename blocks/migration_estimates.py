"""What rehearsals of a release and of those before it found, read from the ledger: limits for the runner, slack for the
next forecast, and the comparison once production was changed.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from stationmaster.domain.entries import canonical
from stationmaster.domain.entries import digest as digest_of
from stationmaster.domain.migration_forecast import Slack, forecast
from stationmaster.domain.migration_rehearsal import Estimate, statement
from stationmaster.domain.migration_slack import compare
from stationmaster.domain.tenants import STAGE

if TYPE_CHECKING:
    from stationmaster.domain.entries import Entry
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


def forecast_of(ledger: "Ledger", release: str) -> list[str]:
    """What approvers read; nothing where nothing was rehearsed."""
    found = estimates(ledger, release)
    return forecast(found, slack(ledger, release)) if found else []


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
