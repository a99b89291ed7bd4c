"""Whether what old code needs was taken away as it was signed, after stage had proved what was left, and whether
anybody was led back past that.
"""

from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from stationmaster.domain import bundle
from stationmaster.domain.compatibility import schema_of
from stationmaster.domain.contract import contract_digest
from stationmaster.domain.entries import Entry
from stationmaster.domain.mandate import Mandate

UNFIT = (KeyError, TypeError, ValueError, AttributeError, ValidationError)
Shown = Sequence[tuple[object, object]]  # artifact and schema, as stage passed with them


def taken_away(entry: Entry, mandated: Entry, shown: Shown) -> Iterator[str]:
    """What is wrong with `contracting` or `contracted` of a database of production, under a mandate that stood and
    after stage had shown so much.
    """
    mandate, where = Mandate.read(mandated.fact), f"{bundle.ENTRIES}: entry {entry.index}"
    signed = _signed(mandated, mandate)
    if signed is None:
        yield f"{bundle.ENTRIES}: entry {mandated.index} names other SQL or databases than what was signed"
        return
    fact, ran = entry.fact, entry.fact.get("sql")
    if ran is None and fact.get("before") == fact.get("after", fact.get("before")):
        return  # it was there already, and nothing ran
    if entry.subject not in signed:
        yield f"{where} contracted {entry.subject}, which is not in the mandate"
    elif ran != signed[entry.subject]:
        yield f"{where} ran another SQL on {entry.subject} than the one that was signed"
    left = _schema(fact.get("after", fact.get("target")))
    if (mandate.parts["artifact"], left) not in shown:
        yield f"{where} took away from {entry.subject} before stage had proved what was left, {left}"


def led_past(entry: Entry, ends: frozenset[str], shown: Shown) -> Iterator[str]:
    """What is wrong with `rolled_back` on a database that was contracted to `ends` before."""
    known = [schema for digest, schema in shown if digest == entry.fact.get("digest")]
    if not any(isinstance(schema, str) and ends <= set(schema.split(",")) for schema in known):
        yield (
            f"{bundle.ENTRIES}: entry {entry.index} led {entry.subject} back past a contract, to what stage "
            "never proved without what that took away"
        )


def _signed(mandated: Entry, mandate: Mandate) -> dict[str, object] | None:
    """Digest of the SQL by database; None where it is not what was signed."""
    try:
        databases = dict(mandated.fact["databases"])
        number = contract_digest(str(mandate.parts["commit"]), mandated.fact["revisions"], databases)
    except UNFIT:
        return None
    return databases if number == mandate.parts.get("contract") else None


def _schema(heads: object) -> str | None:
    try:
        return schema_of(str(one) for one in heads)  # type: ignore[attr-defined]
    except TypeError:
        return None
