"""A population as it is read from the ledger, and as a table and a CSV."""

from typing import TYPE_CHECKING, Any

from stationmaster.cli.output import table
from stationmaster.domain import merkle, spreadsheet
from stationmaster.domain.persons import by_person
from stationmaster.domain.population import population
from stationmaster.ledger.faults import LedgerTamperedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stationmaster.domain.entries import Entry
    from stationmaster.domain.population import Period
    from stationmaster.ledger.store import Ledger

# Columns of the CSV; the last four are the parts of `approved`.
COLUMNS = (
    "index", "at", "kind", "step", "outcome", "product", "release", "release_kind", "subject", "tenant", "instance",
    "version", "digest", "tickets", "emergency", "approved_entry", "approved_roles", "approved_people", "mandate",
)  # fmt: skip
_HEADS = ("entry", "at", "kind", "outcome", "release", "about", "version", "tickets")


def read(ledger: "Ledger", period: "Period", product: str | None, *, people: bool) -> dict[str, Any]:
    """The answer, from one pass over the whole ledger. The root is over the bytes that were read.

    Raises:
        LedgerTamperedError: an entry is not what was appended, or the newest checkpoint is of another ledger.
    """
    leaves: list[bytes] = []
    acted: list[Entry] = []

    def entries() -> "Iterator[Entry]":
        for entry, leaf in ledger.scan():
            leaves.append(leaf)
            if people and entry.payload and period.has(entry):
                acted.append(entry)
            yield entry

    found = population(entries(), period, product)
    _must_fit(found.checkpoint, leaves)
    answered = found.record(len(leaves), merkle.root(leaves))
    if people:
        mine = [entry for entry in acted if found.concerns(entry)]
        answered["people"] = [one.record() for one in by_person(mine, ledger.personals(mine))]
    return answered


def _must_fit(checkpoint: "Entry | None", leaves: list[bytes]) -> None:
    """Return if the ledger had the checkpoint's root when it had its size."""
    if checkpoint is None:
        return
    size, root = checkpoint.fact["size"], checkpoint.fact["root"]
    if size > len(leaves) or f"sha256:{merkle.root(leaves[:size]).hex()}" != root:
        raise LedgerTamperedError(checkpoint.index, f"the first {size} entries do not have the root that it says")


def basis(found: dict[str, Any]) -> str:
    """What the answer was read from, in a sentence that goes with a CSV."""
    log = found["log"]
    return f"read from a ledger of {log['size']} entries with the root {log['root']}"


def text(found: dict[str, Any]) -> str:
    """For a terminal: all rows, the numbers to reconcile them with, and who did what if that was asked."""
    rows = found["rows"]
    parts = [f"{len(rows)} production changes from {found['from']} until {found['to']}, {basis(found)}"]
    if rows:
        parts.append(table(_HEADS, [_shown(row) for row in rows]))
    if found["entries"]:
        listed = ", ".join(f"{count} {kind}" for kind, count in found["kinds"].items()) or "none"
        span = f"entries {found['first']} to {found['last']}: {found['entries']} made in the period"
        parts.append(f"{span}, {found['outside']} outside it\nlisted: {listed}\nnot listed: {_unlisted(found)}")
    if "people" in found:
        parts.append(table(("who", "entry", "at", "did", "release", "about"), _acts(found["people"])))
    return "\n\n".join(parts)


def as_csv(found: dict[str, Any]) -> str:
    """The rows."""
    return spreadsheet.as_csv(COLUMNS, [_flat(row) for row in found["rows"]])


def _shown(row: dict[str, Any]) -> list[Any]:
    about = row["tenant"] or row["instance"] or row["subject"]
    tickets = " ".join(row["tickets"])
    return [*(row[name] for name in ("index", "at", "kind", "outcome", "release")), about[:40], row["version"], tickets]


def _unlisted(found: dict[str, Any]) -> str:
    left = {step: count["entries"] - count["rows"] for step, count in found["steps"].items()}
    return ", ".join(f"{count} {step}" for step, count in left.items() if count) or "none"


def _acts(people: list[dict[str, Any]]) -> list[list[Any]]:
    return [
        [_name(one), act["index"], act["at"], act["step"], act["release"], act["subject"][:40]]
        for one in people
        for act in one["actions"]
    ]


def _name(one: dict[str, Any]) -> str:
    if one["tampered"]:
        return "(tampered)"
    return "(erased)" if one["erased"] else one["person"] or "(unnamed)"


def _flat(row: dict[str, Any]) -> list[Any]:
    approved = row["approved"] or {}
    roles = " ".join(f"{role}:{count}" for role, count in approved.get("roles", {}).items())
    last = [approved.get("entry"), roles or None, approved.get("people"), approved.get("mandate")]
    return [" ".join(row[name]) if name == "tickets" else row[name] for name in COLUMNS[:-4]] + last
