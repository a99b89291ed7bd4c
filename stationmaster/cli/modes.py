"""`tenants mode …`: which tenants are not served in full, and how a person ends that. No Prefect server is asked."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from stationmaster.cli import lookup
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say, table
from stationmaster.cli.person import now, whoami
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.errors import Exit, InputError, StationmasterError, nearest
from stationmaster.domain.interruption import STEPS, in_mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stationmaster.domain.entries import Entry
    from stationmaster.ledger.store import Ledger

app = App(name="mode", help="Which tenants are read-only or behind a maintenance page, and how to end that.")


class NotInModeError(InputError):
    """Nobody is called so, or who is is served in full."""

    code = "not_in_mode"


@app.command
def status(*, product: str | None = None, json: Flag = False) -> int:
    """Every tenant that is not served in full: in which mode, since when, why, and whether somebody works on it.

    Exit code 3: the deploy target does not answer, so that this is what the ledger says alone.

    Parameters
    ----------
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    name = product or only_product()
    found, away = _asked(name)
    with open_ledger(name) as ledger:
        on = in_mode(ledger.latest(STEPS))
        rows = [_told(ledger, tenant, on.get(tenant), found) for tenant in sorted({*on, *(found or {})})]
    keys = ["tenant", "mode", "since", "release", "under_way", "why"]
    text = table(keys, [[one[key] for key in keys] for one in rows]) if rows else "every tenant is served in full"
    if away:
        say(f"the deploy target does not answer: {away.message}")
    answer({"modes": rows, "target": away.message if away else None}, as_json=json, text=text)
    return Exit.UNKNOWN if away else Exit.YES


@app.command
def off(
    *tenants: str,
    reason: str,
    everybody: Annotated[Flag, Parameter(name="--all")] = False,
    product: str | None = None,
    json: Flag = False,
) -> None:
    """Serve tenants in full again, from their next request on. A schema change that still runs goes on. Safe to repeat.

    Parameters
    ----------
    tenants
        Their ids.
    reason
        Why; it is kept in the ledger with your name.
    everybody
        Every tenant that is in a mode.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    from stationmaster.blocks.modes import set_back, set_back_unrecorded  # noqa: PLC0415 - alone changes something

    if not reason.strip() or bool(tenants) == everybody:
        raise InputError("name tenants or --all, and a reason", hint='--reason "what others must know"')
    name = product or only_product()
    target, at, who = recall("target", name), now(), whoami()
    with open_ledger(name) as ledger:
        on, found = in_mode(ledger.latest(STEPS)), target.modes()
        wanted = {*on, *found} if everybody else set(tenants)
        _must_be_known(wanted, {*on, *found}, name)
        mine = {tenant: entry for tenant, entry in on.items() if tenant in wanted}
        for release in sorted({entry.release for entry in mine.values()}):
            if worker := lookup.worker(ledger, release):
                say(f"{release} is at work ({worker.holder}): its change goes on, and its tenants write meanwhile")
        set_back(target, ledger, mine, why=reason, at=at, who=who)
        others = {tenant: mode for tenant, mode in found.items() if tenant in wanted - set(mine)}
        set_back_unrecorded(target, ledger, others, why=reason, at=at, who=who)
    served = sorted({*mine, *others})
    text = f"{', '.join(served)} served in full again" if served else "served in full already"
    answer({"served": served, "already": sorted(wanted - set(served))}, as_json=json, text=text)


def _asked(product: str) -> "tuple[dict[str, str] | None, StationmasterError | None]":
    """What the target says; None and why where it does not answer."""
    try:
        return recall("target", product).modes(), None
    except StationmasterError as error:
        return None, error


def _told(ledger: "Ledger", tenant: str, entry: "Entry | None", found: "Mapping[str, str] | None") -> dict[str, Any]:
    """A row. `recorded` is what the ledger says, `mode` what requests meet, as far as that is known."""
    worker = lookup.worker(ledger, entry.release) if entry else None
    recorded = entry.fact["mode"] if entry else None
    return {
        "tenant": tenant, "mode": recorded if found is None else found.get(tenant, "rw"), "recorded": recorded,
        "since": entry.at if entry else None, "release": entry.release if entry else None,
        "under_way": worker is not None, "why": entry.fact["why"] if entry else "nobody said why",
    }  # fmt: skip


def _must_be_known(wanted: set[str], limited: set[str], product: str) -> None:
    """A tenant that is served in full already is no error, one that nobody knows is."""
    if wanted <= limited:
        return
    known = limited | {one.id for one in recall("tenants", product).read().tenants}
    for tenant in sorted(wanted - known):
        raise NotInModeError(f"there is no tenant {tenant!r}", hint=nearest(tenant, known))
