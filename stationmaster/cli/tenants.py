"""`tenants …`: who there is, what each runs, whether it may be touched now."""

from typing import Any

from cyclopts import App

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, table
from stationmaster.cli.person import now
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.freeze import FREEZES, Freeze, in_force, touchable
from stationmaster.domain.tenants import Tenant

app = App(name="tenants", help="Which tenants there are and what they run.")


class UnknownTenantError(InputError):
    """The tenant directory has no such tenant."""

    code = "unknown_tenant"


@app.command(name="list")
def list_(*, product: str | None = None, json: Flag = False) -> None:
    """Every tenant: ring, instance, running version, window."""
    found = _all(product)
    heads = ["tenant", "ring", "instance", "runs", "window", "pinned"]
    rows = [[one[name] for name in ("id", "ring", "instance", "version", "window", "pinned")] for one in found]
    answer({"tenants": found}, as_json=json, text=table(heads, rows))


@app.command
def show(tenant: str, *, product: str | None = None, json: Flag = False) -> None:
    """One tenant: what it runs since when, by which release, and whether it may be touched now and why."""
    found = {one["id"]: one for one in _all(product)}
    if tenant not in found:
        raise UnknownTenantError(f"the tenant directory has no tenant {tenant!r}", hint=nearest(tenant, found))
    rows = [(key.replace("_", " "), value) for key, value in found[tenant].items()]
    answer(found[tenant], as_json=json, text="\n".join(f"{name:<14} {_text(value)}" for name, value in rows))


def _all(product: str | None) -> list[dict[str, Any]]:
    product = product or only_product()
    directory = recall("tenants", product).read()
    with open_ledger(product) as ledger:
        running, freezes = ledger.running(), in_force(ledger.latest(FREEZES), now())
    return [
        _record(tenant, running.get(tenant.id), freezes) for tenant in sorted(directory.tenants, key=lambda one: one.id)
    ]


def _record(tenant: Tenant, entry: Entry | None, freezes: tuple[Freeze, ...]) -> dict[str, Any]:
    asked = touchable(tenant, freezes, now())
    return {
        **tenant.model_dump(exclude={"window"}),
        "instance": tenant.instance,
        "version": entry.fact["version"] if entry else None,
        "digest": entry.fact["digest"] if entry else None,
        "since": entry.at if entry else None,
        "release": entry.release if entry else None,
        "window": "open" if asked.open else "closed",
        "why": asked.reason,
    }


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each) for each in value) or "-"
    return "-" if value is None else str(value)
