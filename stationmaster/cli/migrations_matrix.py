"""`migrations matrix`: which version is proved on which schema, and who could go back now. Reads the ledger alone."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, table
from stationmaster.cli.tools import open_ledger
from stationmaster.domain.homes import database_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stationmaster.domain.compatibility import Matrix
    from stationmaster.domain.entries import Entry
    from stationmaster.ledger.store import Ledger


def matrix(*, product: str | None = None, json: Flag = False) -> None:
    """Say which version of the product is proved on which schema, and what each tenant could go back to now.

    A pair is proved when the product's journeys passed with that artifact on that schema, in stage or on a rehearsed
    copy. A rollback to what is not proved on the schema of the tenant's database is refused. Asks no database: schemas
    are as the ledger says.

    Parameters
    ----------
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    with open_ledger(product) as ledger:
        found = _found(ledger)
    answer(found, as_json=json, text=_told(found))


def _found(ledger: "Ledger") -> dict[str, Any]:
    from stationmaster.blocks.compatible import changes_of, matrix_of  # noqa: PLC0415 - --help needs none of it
    from stationmaster.blocks.going_back import ran_before_now  # noqa: PLC0415
    from stationmaster.domain.compatibility import places, schemas, versions  # noqa: PLC0415

    known, named, running = matrix_of(ledger), versions(ledger.entries()), ledger.running()
    before = {tenant: ran_before_now(ledger, entry) for tenant, entry in running.items()}
    return {
        "versions": [
            {"version": name, "digest": digest, "schemas": _proofs(known, digest)} for digest, name in named.items()
        ],
        "databases": [
            {
                "instance": instance,
                "schemas": list(on := schemas(changes_of(ledger, instance))),
                "tenants": [asdict(one) for one in places(known, on, _there(running, instance), before)],
            }
            for instance in sorted({str(database_of(entry)) for entry in running.values() if "instance" in entry.fact})
        ],
    }


def _proofs(known: "Matrix", digest: str) -> list[dict[str, Any]]:
    found = [known.proof(digest, schema) for schema in known.on(digest)]
    return [
        {"schema": one.schema, "passed_on": one.passed_on, "by": one.release, "entry": one.entry, "at": one.at}
        for one in found
        if one
    ]


def _there(running: "Mapping[str, Entry]", instance: str) -> "dict[str, Entry]":
    return {tenant: entry for tenant, entry in running.items() if database_of(entry) == instance}


def _told(found: dict[str, Any]) -> str:
    rows = [
        (one["version"], proof["schema"] or "(none)", proof["by"], proof["at"])
        for one in found["versions"]
        for proof in one["schemas"]
    ]
    lines = [table(["version", "proved on schema", "by", "at"], rows) if rows else "nothing is proved yet"]
    for database in found["databases"]:
        on = " or ".join(schema or "(none)" for schema in database["schemas"]) or "a schema the ledger does not know"
        lines += [
            "",
            f"database {database['instance']} has {on}",
            table(["tenant", "runs", "may go back to"], [_row(one) for one in database["tenants"]]),
        ]
    return "\n".join(lines)


def _row(one: dict[str, Any]) -> tuple[str, str, str]:
    runs = one["runs"] if one["proved"] else f"{one['runs']}, not proved here"
    if one["back_to"] is None:
        return one["tenant"], runs, "nothing: nothing ran before"
    return (
        one["tenant"],
        runs,
        one["back_to"] if one["back_proved"] else f"nothing: {one['back_to']} is not proved here",
    )
