"""`tenants …`: who there is, what each runs, whether it may be touched now; what is wrong of the directory."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from stationmaster.cli import linting
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say, table
from stationmaster.cli.person import now
from stationmaster.cli.tenant_records import Moment, pending
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.agenda import Agenda
from stationmaster.domain.duration import seconds
from stationmaster.domain.errors import Exit, InputError, nearest

if TYPE_CHECKING:
    from stationmaster.blocks.tenant_copies import Known
    from stationmaster.blocks.toolbox import TenantDirectory

app = App(name="tenants", help="Which tenants there are and what they run.")
app.command(
    "stationmaster.cli.consenting:approve",
    name="approve",
    help="Record that a tenant's own people agreed to a release.",
)
app.command(
    "stationmaster.cli.consenting:decline", name="decline", help="Record that a tenant's own people did not agree."
)
app.command(
    "stationmaster.cli.consenting:link", name="link", help="Signed links by which a tenant's own people answer."
)

app.command(
    "stationmaster.cli.modes:app",
    name="mode",
    help="Which tenants are read-only or behind a maintenance page, and how to end that.",
)

_LONGEST = timedelta(days=90)


class UnknownTenantError(InputError):
    """The tenant directory has no such tenant."""

    code = "unknown_tenant"


@app.command(name="list")
def list_(*, product: str | None = None, json: Flag = False) -> None:
    """Every tenant: ring, instance, running version, whether its window is open and until when."""
    name = product or only_product()
    source, known = _directory(name)
    tenants = sorted(known.directory.tenants, key=lambda one: one.id)
    with open_ledger(name) as ledger:
        moment = Moment.of(ledger, Agenda(source.calendars_of(tenants)), now())
    found = [moment.record(tenant) for tenant in tenants]
    heads = ["tenant", "ring", "instance", "runs", "window", "until", "pinned"]
    rows = [[one[key] for key in ("id", "ring", "instance", "version", "window", "until", "pinned")] for one in found]
    answer({"tenants": found, "directory": _age(known)}, as_json=json, text=table(heads, rows))


@app.command
def show(tenant: str, *, duration: str = "45m", product: str | None = None, json: Flag = False) -> None:
    """One tenant: what it runs since when, by which release, whether it may be touched now and why, what is on its way
    to it, what is frozen, and where its next slot is for what is announced now.

    Parameters
    ----------
    tenant
        Its id.
    duration
        How long the slot is, as 45m or 2h.
    product
        Whose tenant it is.
    json
        One object on standard output.
    """
    name, length = product or only_product(), _length(duration)
    source, known = _directory(name)
    tenants = {one.id: one for one in known.directory.tenants}
    if tenant not in tenants:
        raise UnknownTenantError(f"the tenant directory has no tenant {tenant!r}", hint=nearest(tenant, tenants))
    one = tenants[tenant]
    with open_ledger(name) as ledger:
        moment = Moment.of(ledger, Agenda(source.calendars_of([one])), now())
        coming = pending(ledger, tenant, moment.running)
    more = {"freezes": moment.frozen(one), "next_slot": moment.slot(one, length)}
    found = {**moment.record(one), "pending": coming, **more}
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


def _directory(product: str) -> "tuple[TenantDirectory, Known]":
    """The tenants and where they come from; that they are of a while ago is said."""
    source: TenantDirectory = recall("tenants", product)
    known = source.look()
    if known.note:
        say(known.note)
    return source, known


def _length(text: str) -> timedelta:
    try:
        length = timedelta(seconds=int(str(seconds(text))))
    except (ValueError, OverflowError):
        length = timedelta(0)
    if not timedelta(0) < length <= _LONGEST:
        raise InputError(f"--duration {text!r} is none", hint="write 45m or 2h")
    return length


def _age(known: "Known") -> dict[str, Any]:
    return {"age": round(known.age), "note": known.note}


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items() if each is not None) or "-"
    if isinstance(value, (list, tuple)):
        return ("; " if any(isinstance(each, dict) for each in value) else ", ").join(map(_text, value)) or "-"
    return "-" if value is None else str(value)
