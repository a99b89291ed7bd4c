"""What a release cost the sandbox's users, from what their own traffic met and from the ledger's deciding tick."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stationmaster.deployments.sandbox.traffic_log import Line, TrafficLog
from stationmaster.domain.entries import Entry
from stationmaster.domain.rollback_notice import decided

_SERVER_ERROR = 500


@dataclass(frozen=True)
class Figures:
    """A release that did not go back has the first three as None. `failed` are all failures that are not `bad`."""

    decided_at: datetime | None
    seconds: float | None  # from the deciding tick to the last answer from the new version
    bad: int | None  # 5xx or no answer on the new version, between the two
    failed: int


def figures(entries: Sequence[Entry], log: TrafficLog, since: float) -> Figures:
    """The figures of one release, whose entries these are, in order; `since` is when it was started."""
    failures = log.failures(since)
    order = next((entry.fact for entry in entries if entry.step == "rollback"), None)
    at = decided(order) if order else None
    if at is None:
        return Figures(None, None, None, len(failures))
    digest = next(entry.fact["digest"] for entry in entries if entry.step == "built")
    tenants = {entry.subject for entry in entries if entry.step == "rolled_back"}
    began = at.timestamp()
    safe = max(began, log.last_answer(digest, tenants) or began)
    new = [line for line in failures if _on_new(line, digest, tenants) and line["ended"] >= began]
    bad = [line for line in new if line["at"] <= safe and (line["status"] or _SERVER_ERROR) >= _SERVER_ERROR]
    return Figures(at.astimezone(UTC), round(safe - began, 3), len(bad), len(failures) - len(bad))


def _on_new(line: Line, digest: str, tenants: Collection[str]) -> bool:
    """Answered by the new version, or by nobody for a tenant that was on it."""
    return bool(line["digest"] == digest or (line["digest"] is None and line["tenant"] in tenants))
