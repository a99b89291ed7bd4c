"""`backfill`: rows are filled in tenant by tenant, each exactly once. It needs PostgreSQL and nothing else."""

from typing import Annotated

from cyclopts import App, Parameter

from stationmaster.cli.backfill_told import status_rows, tenant_record
from stationmaster.cli.migrations_given import AddressError, address_of
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer

app = App(name="backfill", help="Fill in rows of a database that people use: tenant by tenant, each row exactly once.")
app.command("stationmaster.cli.backfill_run:run", name="run", help="Fill in what a file declares, or go on with it.")
_KEY = Parameter(consume_multiple=True, negative="")


def postgres_at(database: str) -> str:
    """The address, which has to be PostgreSQL's."""
    url = address_of(database)
    if url.startswith("sqlite"):
        raise AddressError("backfills run on PostgreSQL alone", hint="write --database postgresql://USER@HOST/DATABASE")
    return url


@app.command
def status(*, database: str = "env:DATABASE_URL", json: Flag = False) -> None:
    """Say how far every backfill of a database is, tenant by tenant. Asks at any time, and changes nothing.

    Parameters
    ----------
    database
        Its address: postgresql://USER@HOST/DATABASE, or env:NAME for one that a variable holds, password and all.
    json
        One object on standard output.
    """
    from stationmaster.blocks import backfilling  # noqa: PLC0415 - --help needs no database

    found = backfilling.status(postgres_at(database))
    record = {
        "backfills": [
            {"name": one.name, "rows": one.rows, "eta_seconds": one.eta_seconds,
             "tenants": [tenant_record(tenant) for tenant in one.tenants]}
            for one in found
        ]
    }  # fmt: skip
    answer(record, as_json=json, text=status_rows(found) if found else "no backfill ever began here")


@app.command
def pause(
    name: str, *, database: str = "env:DATABASE_URL", tenant: str | None = None, reason: str = "", json: Flag = False
) -> None:
    """Let no batch begin until it is resumed; whoever runs it leaves its tenants at once. Safe to repeat.

    Parameters
    ----------
    name
        The backfill's name in its file.
    database
        Its address: postgresql://USER@HOST/DATABASE, or env:NAME for one that a variable holds, password and all.
    tenant
        Only this one.
    reason
        What others read in its status.
    json
        One object on standard output.
    """
    from stationmaster.blocks import backfilling  # noqa: PLC0415 - as above

    backfilling.pause(postgres_at(database), name, tenant, reason)
    answer({"name": name, "tenant": tenant, "paused": True}, as_json=json, text=f"{_what(name, tenant)} is paused")


@app.command
def resume(name: str, *, database: str = "env:DATABASE_URL", tenant: str | None = None, json: Flag = False) -> None:
    """Let a backfill go on: by whoever runs it, or by the next `backfill run`. Safe to repeat.

    Parameters
    ----------
    name
        The backfill's name in its file.
    database
        Its address: postgresql://USER@HOST/DATABASE, or env:NAME for one that a variable holds, password and all.
    tenant
        Only this one.
    json
        One object on standard output.
    """
    from stationmaster.blocks import backfilling  # noqa: PLC0415 - as above

    backfilling.resume(postgres_at(database), name, tenant)
    answer({"name": name, "tenant": tenant, "paused": False}, as_json=json, text=f"{_what(name, tenant)} may go on")


@app.command
def skip(
    name: str, *, tenant: str, key: Annotated[list[str], _KEY], reason: str, database: str = "env:DATABASE_URL",
    json: Flag = False,
) -> None:  # fmt: skip
    """Leave one row out for ever, on record; its tenant goes on with the next `backfill run`.

    Parameters
    ----------
    name
        The backfill's name in its file.
    tenant
        Whose row it is, as `backfill status` writes it.
    key
        Its key; of several columns one value after the other.
    reason
        Why, for whoever asks later.
    database
        Its address: postgresql://USER@HOST/DATABASE, or env:NAME for one that a variable holds, password and all.
    json
        One object on standard output.
    """
    from stationmaster.blocks import backfilling  # noqa: PLC0415 - as above

    backfilling.skip(postgres_at(database), name, tenant, key, reason)
    text = f"row {', '.join(key)} of {tenant} is left out of {name}"
    answer({"name": name, "tenant": tenant, "key": key, "skipped": True}, as_json=json, text=text)


def _what(name: str, tenant: str | None) -> str:
    return name if tenant is None else f"{name} for {tenant}"
