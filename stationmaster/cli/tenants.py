"""`tenants …`: who there is, what each runs, whether it may be touched now; what is wrong of the directory."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from stationmaster.cli import linting
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say, table
from stationmaster.cli.person import now
from stationmaster.cli.tenant_records import Moment, pending
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.errors import Exit, InputError, nearest

if TYPE_CHECKING:
    from stationmaster.blocks.tenant_copies import Known

app = App(name="tenants", help="Which tenants there are and what they run.")


class UnknownTenantError(InputError):
    """The tenant directory has no such tenant."""

    code = "unknown_tenant"


@app.command(name="list")
def list_(*, product: str | None = None, json: Flag = False) -> None:
    """Every tenant: ring, instance, running version, whether its window is open and until when."""
    name = product or only_product()
    known = _directory(name)
    with open_ledger(name) as ledger:
        moment = Moment.of(ledger, now())
    found = [moment.record(tenant) for tenant in sorted(known.directory.tenants, key=lambda one: one.id)]
    heads = ["tenant", "ring", "instance", "runs", "window", "until", "pinned"]
    rows = [[one[key] for key in ("id", "ring", "instance", "version", "window", "until", "pinned")] for one in found]
    answer({"tenants": found, "directory": _age(known)}, as_json=json, text=table(heads, rows))


@app.command
def show(tenant: str, *, product: str | None = None, json: Flag = False) -> None:
    """One tenant: what it runs since when, by which release, whether it may be touched now and why, what is on its way
    to it, and what is frozen.
    """
    name = product or only_product()
    known = _directory(name)
    tenants = {one.id: one for one in known.directory.tenants}
    if tenant not in tenants:
        raise UnknownTenantError(f"the tenant directory has no tenant {tenant!r}", hint=nearest(tenant, tenants))
    with open_ledger(name) as ledger:
        moment = Moment.of(ledger, now())
        coming = pending(ledger, tenant, moment.running)
    found = {**moment.record(tenants[tenant]), "pending": coming, "freezes": moment.frozen(tenants[tenant])}
    rows = [(key.replace("_", " "), value) for key, value in found.items()]
    text = "\n".join(f"{name:<14} {_text(value)}" for name, value in rows)
    answer({**found, "directory": _age(known)}, as_json=json, text=text)


@app.command
def lint(
    file: Path | None = None,
    *,
    config: Path | None = None,
    product: str | None = None,
    ref: str = "main",
    json: Flag = False,
) -> int:
    """What is wrong or suspicious of a tenant directory. Exit code 2: something is wrong, 1: suspicious at most.

    Parameters
    ----------
    file
        A YAML file; the product's own directory unless given.
    config
        The product's stationmaster.yaml, which says which rings there are; else one beside the file, or that of `ref`.
    product
        Whose directory it is.
    ref
        The branch, tag or commit whose rings count, for the product's own directory.
    json
        One object on standard output.
    """
    found = linting.of_file(file, config, product) if file else linting.of_product(config, product, ref)
    answer(found.record(), as_json=json, text=found.text)
    return Exit.INPUT if found.count("error") else Exit.NO if found.findings else Exit.YES


@app.command
def accept(*, product: str | None = None, json: Flag = False) -> None:
    """Take the directory as its source has it now, although tenants are gone from it.

    Counts on this machine. What is broken or empty is not taken.

    Parameters
    ----------
    product
        Whose directory it is.
    json
        One object on standard output.
    """
    source = recall("tenants", product or only_product())
    known = source.look(accept=True)
    answer({"tenants": len(known.directory.tenants)}, as_json=json, text=f"{len(known.directory.tenants)} tenants")


def _directory(product: str) -> "Known":
    """The tenants; that they are of a while ago is said."""
    known: Known = recall("tenants", product).look()
    if known.note:
        say(known.note)
    return known


def _age(known: "Known") -> dict[str, Any]:
    return {"age": round(known.age), "note": known.note}


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items() if each is not None) or "-"
    if isinstance(value, (list, tuple)):
        return ("; " if any(isinstance(each, dict) for each in value) else ", ").join(map(_text, value)) or "-"
    return "-" if value is None else str(value)
