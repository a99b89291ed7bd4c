"""A release as configuration items of a CMDB, and its change requests as CSV. It sends nothing.

The payload is that of ServiceNow's Identification and Reconciliation API, `POST /api/now/identifyreconcile`,
https://www.servicenow.com/docs/r/api-reference/rest-apis/c_IdentifyReconcileAPI.html: `items` with `className`,
`values` and `sys_object_source_info`, and `relations` by the items' positions. Change requests are `change_request.py`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from stationmaster.domain.change_record import ChangeRecord, Runs
from stationmaster.domain.change_request import FIELDS, SOURCE, must_concern, name_of_item
from stationmaster.domain.spreadsheet import as_csv

_ITEM = "cmdb_ci_appl"
_DEPENDS = "Depends on::Used by"  # a name of cmdb_rel_type


def configuration_items(record: ChangeRecord, tenant: str | None = None) -> dict[str, Any]:
    """The body of `POST /api/now/identifyreconcile?sysparm_data_source=Stationmaster`: an application for each tenant
    the release reached, with the version that it runs by the newest entry about it, and one for each instance, on which
    those of its tenants depend. `source_native_key` identifies an item although nothing is known here of its host.

    Raises:
        TenantNotReachedError: as `change_request`.
    """
    must_concern(record, tenant)
    stays = {stay.tenant: stay for stay in record.tenants if tenant in {None, stay.tenant}}
    instances = sorted({stay.instance for stay in stays.values() if stay.instance})
    items = [_item(record.product, "instance", name, {}) for name in instances]
    relations: list[dict[str, Any]] = []
    for name, stay in sorted(stays.items()):
        if stay.instance:
            relations.append({"parent": len(items), "child": instances.index(stay.instance), "type": _DEPENDS})
        items.append(_item(record.product, "tenant", name, _runs(record.now.get(name))))
    return {"items": items, "relations": relations}


def changes_csv(requests: Iterable[Mapping[str, str]]) -> str:
    """Change requests as CSV with the same fields, one a row."""
    return as_csv(FIELDS, ([request.get(name) for name in FIELDS] for request in requests))


def _item(product: str, kind: str, name: str, values: Mapping[str, str]) -> dict[str, Any]:
    key = f"{product}/{kind}/{name}"
    return {
        "className": _ITEM,
        "values": {"name": name_of_item(product, kind, name), "discovery_source": SOURCE, **values},
        "sys_object_source_info": {"source_name": SOURCE, "source_feed": "releases", "source_native_key": key},
    }


def _runs(now: Runs | None) -> dict[str, str]:
    if now is None:
        return {}
    return {"version": now.version, "comments": f"artifact {now.digest} since {now.since}", "install_status": "1"}
