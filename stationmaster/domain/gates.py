"""What each gate found, as a Simple Verification Result: the properties that hold, and the figures they rest on.

https://github.com/in-toto/attestation/blob/main/spec/predicates/svr.md (v0.2). No tenant is named but in a statement
about that tenant alone; of a ring the tenants are counted.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stationmaster.domain.entries import Entry
from stationmaster.domain.statement import OURS, About, digests

SVR = "https://in-toto.io/attestation/svr/v0.2"
VERIFIER = f"{OURS}/verifier/v1"
GATE = f"{OURS}/gate/v1"  # the extension field that has the figures
_PREFIX = "STATIONMASTER_"


@dataclass(frozen=True)
class Found:
    """Properties that hold, without their prefix; figures; and the policy, when it is not the product's file."""

    properties: tuple[str, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
    policies: tuple[Mapping[str, Any], ...] = ()


def svr(entry: Entry, about: About) -> dict[str, Any] | None:
    """The predicate; None of an entry that is no gate."""
    found = _GATES[entry.step](entry, entry.fact)
    if found is None:
        return None
    return {
        "verifier": {"id": VERIFIER, "policies": [dict(one) for one in found.policies or (about.config,)]},
        "timeCreated": entry.at,
        "properties": [f"{_PREFIX}{name}" for name in found.properties],
        GATE: {"gate": entry.step, **{name: value for name, value in found.figures.items() if value is not None}},
    }


def _cut(_entry: Entry, fact: dict[str, Any]) -> Found:
    return Found(("COMMIT_CHOSEN",), {"version": fact["version"], "changes": len(fact["changes"])})


def _linked(_entry: Entry, fact: dict[str, Any]) -> Found:
    return Found(("TICKET_LINKED",), {"tickets": len(fact["tickets"])})


def _scanned(_entry: Entry, fact: dict[str, Any]) -> Found:
    """What is clean is said so; whatever else was found did not stop the release, by the product's own rules."""
    results = {name: fact[name]["result"] for name in ("sbom", "vulnerabilities", "secrets") if fact.get(name)}
    clean = {"vulnerabilities": "NO_KNOWN_VULNERABILITIES", "secrets": "NO_NEW_SECRETS"}
    return Found(
        ("SCANNED", *(said for name, said in clean.items() if results.get(name) == "clean")), {"results": results}
    )


def _expanded(entry: Entry, fact: dict[str, Any]) -> Found | None:
    """Of a database in which nothing ran, nothing was read."""
    if "sql" not in fact:
        return None
    return Found(("EXPAND_ONLY_ADDS",), {"database": entry.subject, "sql": digests(fact["sql"])})


def _mandated(_entry: Entry, fact: dict[str, Any]) -> Found:
    return Found(("MANDATE_LAID_DOWN",), {"ends": fact.get("ends")}, _mandate(fact["digest"]))


def _approved(_entry: Entry, fact: dict[str, Any]) -> Found:
    """By how many of each role. Somebody who went ahead alone in an emergency is no quorum."""
    figures = {"roles": dict(Counter(fact["roles"])), "assurances": fact.get("assurances")}
    name = "APPROVED_ALONE_IN_EMERGENCY" if fact.get("emergency") else "APPROVED"
    return Found((name,), figures, _mandate(fact["mandate"]) if fact.get("mandate") else ())


def _contract_mandated(_entry: Entry, fact: dict[str, Any]) -> Found:
    figures = {"ends": fact.get("ends"), "databases": sorted(fact["databases"])}
    return Found(("CONTRACT_MANDATE_LAID_DOWN",), figures, _mandate(fact["digest"]))


def _contract_approved(_entry: Entry, fact: dict[str, Any]) -> Found:
    figures = {"roles": dict(Counter(fact["roles"])), "assurances": fact.get("assurances")}
    return Found(("CONTRACT_APPROVED",), figures, _mandate(fact["mandate"]))


def _briefed(_entry: Entry, _fact: dict[str, Any]) -> Found:
    """The brief is made of the change fragments, and there is none without them where something changed."""
    return Found(("CHANGES_DESCRIBED", "SUPPORT_BRIEFED"))


def _verdict(entry: Entry, fact: dict[str, Any]) -> Found:
    """A ring that is not good has no property."""
    figures = {name: fact.get(name) for name in ("verdict", "cause", "counts", "decided_at")}
    return Found(("RING_HEALTHY",) if fact["verdict"] == "promote" else (), {"ring": entry.subject, **figures})


def _promoted(entry: Entry, fact: dict[str, Any]) -> Found:
    """Also by a person's word, on a verdict that only lacked something: the verdict is said."""
    figures = {"tenants": len(fact["tenants"]), "verdict": fact.get("verdict"), "cause": fact.get("cause")}
    return Found(("RING_PROMOTED",), {"ring": entry.subject, **figures})


def _passed(_entry: Entry, fact: dict[str, Any]) -> Found:
    """Where a gate was closed and its approvers let the release pass. What closed it may name a tenant."""
    tickets = sorted({ticket for gate in fact["gates"] for ticket in gate["tickets"]})
    return Found(("CLOSED_GATE_WAIVED",), {"gates": len(fact["gates"]), "tickets": tickets})


def _consented(entry: Entry, fact: dict[str, Any]) -> Found:
    return Found(("TENANT_CONSENTED",), {"tenant": entry.subject, "by": fact.get("by")})


def _released(_entry: Entry, fact: dict[str, Any]) -> Found:
    return Found(("RELEASED",), {"tenants": fact["tenants"]})


def _mandate(digest: str) -> tuple[Mapping[str, Any], ...]:
    return ({"name": "mandate", "digest": digests(digest)},)


_GATES: dict[str, Callable[[Entry, dict[str, Any]], Found | None]] = {
    "cut": _cut,
    "linked": _linked,
    "scanned": _scanned,
    "expanded": _expanded,
    "mandated": _mandated,
    "approved": _approved,
    "contract_mandated": _contract_mandated,
    "contract_approved": _contract_approved,
    "briefed": _briefed,
    "verdict": _verdict,
    "promoted": _promoted,
    "passed": _passed,
    "consented": _consented,
    "released": _released,
}
GATES = frozenset(_GATES)
