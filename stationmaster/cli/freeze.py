"""`freeze …`: keep new versions away from an environment, a ring or a tenant. The Prefect server is not asked."""

from cyclopts import App

from stationmaster.cli import freezing
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say, table
from stationmaster.cli.tools import open_ledger
from stationmaster.domain.freeze import in_words

app = App(name="freeze", help="Keep new versions away from production, stage, a ring or a tenant.")


@app.command
def on(
    *,
    reason: str,
    env: str | None = None,
    ring: str | None = None,
    tenant: str | None = None,
    until: str | None = None,
    product: str | None = None,
    json: Flag = False,
) -> None:
    """Freeze production, or what is named: from now on no new version and no schema change reaches it.

    A wave that is under way is watched to its end. A rollback and an abort are never stopped. Safe to repeat; another
    reason or end takes the place of the one before.

    Parameters
    ----------
    reason
        Why; it is kept in the ledger with your name, and told to whoever waits for the end.
    env
        production or stage; production unless something else is named.
    ring
        A ring of the tenant directory.
    tenant
        A tenant of the tenant directory.
    until
        When it ends by itself: an instant as 2026-11-24T06:00:00Z, or a duration as 2h.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    with open_ledger(product) as ledger:
        scope = freezing.scope(ledger, product, {"env": env, "ring": ring, "tenant": tenant})
        entry, already = freezing.begin(ledger, scope, reason, until)
    ends = f" until {entry.fact['until']}" if entry.fact["until"] else ""
    if not already:
        say("What is under way is watched to its end; `stationmaster release rollback` takes a release back.")
    answer(
        {"scope": scope, "frozen": True, "since": entry.at, **entry.fact},
        as_json=json,
        text=f"{in_words(scope)} is frozen{' already' if already else ''}{ends}: {reason}",
    )


@app.command
def off(
    *,
    reason: str,
    env: str | None = None,
    ring: str | None = None,
    tenant: str | None = None,
    product: str | None = None,
    json: Flag = False,
) -> None:
    """End the freeze of production, or of what is named. Other freezes stay. Safe to repeat.

    Parameters
    ----------
    reason
        Why it may go on; it is kept in the ledger with your name.
    env
        production or stage; production unless something else is named.
    ring
        A ring of the tenant directory.
    tenant
        A tenant of the tenant directory.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    with open_ledger(product) as ledger:
        scope = freezing.scope(ledger, product, {"env": env, "ring": ring, "tenant": tenant})
        ended, others = freezing.end(ledger, scope, reason), freezing.listed(ledger)
    told = f"{in_words(scope)} is thawed{'' if ended else ' already'}"
    if ended:
        say("The watchdog wakes what waited for it, or at once: stationmaster release start ID")
    answer(
        {"scope": scope, "frozen": False, "others": [one["scope"] for one in others]},
        as_json=json,
        text="\n".join([told, *(f"still frozen: {in_words(one['scope'])}, {one['reason']}" for one in others)]),
    )


@app.command
def status(*, product: str | None = None, json: Flag = False) -> None:
    """Every freeze in force: what, since when, until when, by whom and why.

    Parameters
    ----------
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    with open_ledger(product) as ledger:
        found = freezing.listed(ledger)
    rows = [(in_words(one["scope"]), one["since"], one["until"], one["who"], one["reason"]) for one in found]
    text = table(["frozen", "since", "until", "by", "why"], rows) if rows else "nothing is frozen"
    answer({"freezes": found}, as_json=json, text=text)
