"""Signs what the ledger says of a release with the service's own key, keeps it, and records that it is kept."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from stationmaster.blocks.leg import Leg
from stationmaster.domain.attestation import owed
from stationmaster.domain.entries import canonical

if TYPE_CHECKING:
    from stationmaster.domain.statement import Statement

_PUBLIC = frozenset({"https", "http", "ssh", "git"})


def sign_facts(leg: Leg) -> int:
    """How many statements were signed. Repeating it signs what is left: what is kept and not recorded is made again to
    the same bytes, since an ed25519 signature has no chance in it.
    """
    tools = leg.tools
    statements = list(owed(tools.ledger.entries(leg.release), public_address(tools.source.url)))
    for statement in statements:
        _record(leg, statement, tools.evidence.keep(canonical(tools.signer.sign(statement.canonical()))))
    return len(statements)


def _record(leg: Leg, statement: "Statement", envelope: str) -> None:
    inputs = {"of": statement.of, "predicate": statement.predicate_type}
    leg.record("attested", inputs, {**inputs, "envelope": envelope}, subject=statement.about)


def public_address(url: str) -> str | None:
    """A repository's address as it may be told to anybody: without who fetches; None of a place on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in _PUBLIC or not parts.hostname:
        return None
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
