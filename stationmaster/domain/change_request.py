"""A release as ServiceNow's change request, for the whole of it or for one tenant. It sends nothing.

Field names are those of the table `change_request` as the Table API and the Change Management API take them,
https://www.servicenow.com/docs/r/api-reference/rest-apis/change-management-api.html. Numbers of states and risks are
those of an instance as it comes, which a customer may have changed. Configuration items are `cmdb.py`.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from stationmaster.domain.change_record import BACK, ChangeRecord, Migration, Stay
from stationmaster.domain.entries import canonical, digest
from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.stages import Stage

SOURCE = "Stationmaster"  # `discovery_source` and `source_name`: a choice that the instance must be given
_SHORT = 160  # characters of `short_description`

# `change_request.state`: new -5, scheduled -2, implement -1, closed 3, canceled 4.
_STATES: dict[Stage, str] = {
    "approved": "-2",
    "briefed": "-2",
    "deploying": "-1",
    "held": "-1",
    "rolling_back": "-1",
    "released": "3",
    "rolled_back": "3",
    "aborted": "4",
}
_NEW, _UNDER_WAY, _CLOSED, _CANCELED = "-5", "-1", "3", "4"
_HIGH, _MODERATE, _LOW = "2", "3", "4"  # `change_request.risk`

FIELDS = (
    "correlation_id", "correlation_display", "short_description", "description", "type", "category", "cmdb_ci",
    "risk", "state", "start_date", "end_date", "work_start", "work_end", "implementation_plan", "backout_plan",
    "test_plan", "close_code", "close_notes",
)  # fmt: skip


class TenantNotReachedError(InputError):
    """The release has nothing to do with the tenant."""

    code = "tenant_not_reached"

    def __init__(self, release: str, tenant: str, known: Iterable[str]) -> None:
        super().__init__(f"{release} neither reached nor planned tenant {tenant!r}", hint=nearest(tenant, known))


def change_request(record: ChangeRecord, tenant: str | None = None) -> dict[str, str]:
    """The body of `POST /api/now/table/change_request`, or of `/api/sn_chg_rest/change/normal` and `…/emergency`.
    Fields of which nothing is known are left out. Dates are `YYYY-MM-DD hh:mm:ss` in UTC.

    Of a `tenant`, what concerns that one: no other is named or counted, and nothing is said that people wrote freely,
    since it may name one. `correlation_id` is the same each time, so that a request is found before it is made twice.

    Raises:
        TenantNotReachedError: the release has nothing to do with the tenant.
    """
    must_concern(record, tenant)
    known = {
        **_about(record, tenant), **_dates(record, tenant), **_plans(record, tenant), **_closing(record, tenant),
    }  # fmt: skip
    return {name: known[name] for name in FIELDS if known.get(name)}


def must_concern(record: ChangeRecord, tenant: str | None) -> None:
    """Return if the release reached or planned the tenant; of none, always. Raises TenantNotReachedError."""
    known = {stay.tenant for stay in record.tenants} | {name for wave in _waves(record) for name in wave["tenants"]}
    if tenant is not None and tenant not in known:
        raise TenantNotReachedError(record.release, tenant, known)


def name_of_item(product: str, kind: str, name: str) -> str:
    """The configuration item of a tenant or an instance; a dedicated tenant has one of each, of the same name here."""
    return f"{product} for {name}" if kind == "tenant" else f"{product} instance {name}"


def _about(record: ChangeRecord, tenant: str | None) -> dict[str, str]:
    what = f"{record.product} {record.version or '(no version yet)'}"
    whom = f" for {tenant}" if tenant else ""
    return {
        "correlation_id": f"stationmaster:{digest(canonical([record.product, record.release, tenant]))[7:47]}",
        "correlation_display": f"{SOURCE} {record.release}",
        "short_description": f"Release {what}{whom}, {record.release}"[:_SHORT],
        "description": "\n".join(_description(record, tenant)),
        "type": "emergency" if record.emergency or record.kind == "hotfix" else "normal",
        "category": "software",
        "cmdb_ci": name_of_item(record.product, "tenant", tenant) if tenant else record.product,
        "risk": _risk(record, tenant),
    }


def _description(record: ChangeRecord, tenant: str | None) -> Iterator[str]:
    yield f"Release {record.release} of {record.product}, {record.kind}."
    if record.built and record.commit:
        yield f"Artifact {record.digest()}, built once from commit {record.commit}."
    if tenant is None:
        yield f"Tickets: {', '.join(record.tickets) or 'none'}."
        yield from (f"- {change.commit[:12]} {change.subject}" for change in record.changes)
    else:
        yield f"{len(record.changes)} changes aboard."
    if record.approved:
        fact = record.approved.fact
        mandate = f", mandate {fact['mandate']}" if fact.get("mandate") else ""
        yield f"Approved {record.approved.at} by {' and '.join(fact['roles'])}{mandate}."


def _risk(record: ChangeRecord, tenant: str | None) -> str:
    """High for what was hurried, moderate where a schema changes, low else."""
    if record.emergency or record.kind == "hotfix":
        return _HIGH
    return _MODERATE if any(one.before != one.after for one in _migrations(record, tenant)) else _LOW


def _dates(record: ChangeRecord, tenant: str | None) -> dict[str, str]:
    """When it was planned, by the slots of its waves, and when it was done, by what production saw of it."""
    slots = [wave for wave in _waves(record) if tenant in {None, *wave["tenants"]} and wave.get("start")]
    began = [stay.at for stay in _stays(record, tenant)] + [one.began for one in _migrations(record, tenant)]
    return {
        "start_date": _utc(min((wave["start"] for wave in slots), default=None)),
        "end_date": _utc(max((wave["end"] for wave in slots), default=None)),
        "work_start": _utc(min(began, default=None)),
        "work_end": _utc(_end(record, tenant)) if began else "",
    }


def _end(record: ChangeRecord, tenant: str | None) -> str | None:
    """When the work was over: of a tenant, when it was last moved."""
    if tenant is None:
        return record.ended.at if record.ended else None
    stays = _stays(record, tenant)
    if stays and stays[-1].ended_by == BACK:
        return stays[-1].until
    return stays[-1].at if stays and record.ended else None


def _plans(record: ChangeRecord, tenant: str | None) -> dict[str, str]:
    waves = _waves(record)
    if tenant is None:
        order = ", then ".join(f"wave {wave['ring']} ({len(wave['tenants'])} tenants)" for wave in waves)
    else:
        order = f"{tenant} in its own slot"
    checks = record.tested.fact["checks"] if record.tested else []
    noun = "check" if len(checks) == 1 else "checks"
    tests = f"{len(checks)} {noun} passed against the artifact" if record.tested else ""
    rehearsed = "; its schema change ran on a copy first, and back where there is a way" if record.rehearsed else ""
    staged = "; it ran in stage beside the version before, on the new schema" if record.staged else ""
    return {
        "implementation_plan": f"New version beside the old one, then the routes: {order}." if waves else "",
        "backout_plan": "The routes go back to the version before, which works on the new schema.",
        "test_plan": f"{tests}{rehearsed}{staged}." if tests else "",
    }


def _closing(record: ChangeRecord, tenant: str | None) -> dict[str, str]:
    if tenant is not None:
        return _closing_of(record, tenant)
    state = _STATES.get(record.stage, _NEW)
    if state == _CANCELED and record.tenants:
        state = _CLOSED  # it was given up, but production had it
    closed = state == _CLOSED
    return {
        "state": state,
        "close_code": _code(record) if closed else "",
        "close_notes": _notes(record) if closed else "",
    }


def _closing_of(record: ChangeRecord, tenant: str) -> dict[str, str]:
    """Closed when the tenant's own part is over: it was led back, or the release ended."""
    stays = _stays(record, tenant)
    if not stays:
        return {"state": _CANCELED if record.ended else _STATES.get(record.stage, _NEW)}
    last = stays[-1]
    if last.ended_by == BACK:
        notes = f"{tenant} was led back to the version before, {last.until}."
        return {"state": _CLOSED, "close_code": "unsuccessful", "close_notes": notes}
    if record.ended is None:
        return {"state": _UNDER_WAY}
    return {"state": _CLOSED, "close_code": "successful", "close_notes": f"Done for {tenant}."}


def _code(record: ChangeRecord) -> str:
    """Successful without issues is what nothing stopped and nobody was led back from."""
    if record.stage != "released":
        return "unsuccessful"
    return "successful_issues" if record.rollbacks or record.trouble else "successful"


def _notes(record: ChangeRecord) -> str:
    back = [stay for stay in record.tenants if stay.ended_by == BACK]
    reached = len({stay.tenant for stay in record.tenants})
    said = f"{record.stage}: {reached} tenants reached, {len({stay.tenant for stay in back})} led back."
    return " ".join([said, *(f"Rollback: {one.reason}." for one in record.rollbacks)])


def _stays(record: ChangeRecord, tenant: str | None) -> list[Stay]:
    return [stay for stay in record.tenants if tenant in {None, stay.tenant}]


def _migrations(record: ChangeRecord, tenant: str | None) -> list[Migration]:
    """Those of the instances that serve the tenant, and of what it has for itself."""
    waves = _waves(record)
    serves = {name for wave in waves for name, tenants in wave["instances"].items() if tenant in {None, *tenants}}
    mine = [one for one in record.migrations if one.tenant == tenant or (one.tenant is None and one.instance in serves)]
    return list(record.migrations) if tenant is None else mine


def _waves(record: ChangeRecord) -> list[dict[str, Any]]:
    return record.planned.fact["waves"] if record.planned else []


def _utc(at: str | None) -> str:
    """The form of a glide_date_time."""
    return "" if at is None else f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
