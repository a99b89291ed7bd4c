"""A ledger's worth of entries that must be accounted for: told one after the other, a minute apart, with names where
somebody acted.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from stationmaster.domain.entries import Draft, Entry, attempt, compose

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
OLD, NEW = f"sha256:{64 * 'a'}", f"sha256:{64 * 'd'}"
MANDATE = f"sha256:{64 * 'e'}"
KEY = 64 * "1"
PLACES = {"acme": "cloud", "birch": "cloud", "cedar": "cedar"}


def runs(version: str, digest: str, tenant: str) -> dict[str, Any]:
    return {"version": version, "digest": digest, "commit": 40 * "c", "instance": PLACES[tenant], "colour": "b"}


@dataclass
class Account:
    """Entries in order, and the personal data of those that have some."""

    entries: list[Entry] = field(default_factory=list)
    personal: dict[int, dict[str, Any]] = field(default_factory=dict)
    at: datetime = BEGAN

    def tell(
        self, step: str, fact: dict[str, Any] | None = None, subject: str = "", release: str = "r1", **who: Any
    ) -> Entry:
        draft = Draft(release=release, step=step, subject=subject, fact=fact or {}, personal=who or None)
        number = attempt(self.entries, draft.release, draft.step, draft.subject)
        sealed = f"sha256:{len(self.entries):064x}" if who else None
        entry = compose(draft, index=len(self.entries), at=self.at, attempt=number, salt="00" * 16, payload=sealed)
        self.entries.append(entry)
        if who:
            self.personal[entry.index] = who
        self.at += timedelta(minutes=1)
        return entry

    def install(self) -> None:
        """What ran before anything was released."""
        for tenant in PLACES:
            self.tell("adopted", runs("1.0.0", OLD, tenant), tenant, "install")

    def approve(self, release: str = "r1", kind: str = "train", *, alone: bool = False) -> None:
        """From the wish to the quorum."""
        asked = {"product": "shop", "ref": "main", "kind": kind, "assurance": "command line"}
        self.tell("confirmed", asked, release=release, who="ana")
        self.tell("started", asked, release=release, starter="ana")
        changes = [{"commit": 40 * "b", "subject": "Show what birch costs"}]
        cut = {"commit": 40 * "c", "version": "2.0.0", "previous": [40 * "a"], "changes": changes}
        self.tell("cut", cut, release=release, authors={40 * "b": ["Cleo <cleo@shop.example>"]})
        self.tell("built", {"digest": NEW, "size": 12345, "seconds": 1.5, "log": OLD}, release=release)
        check = {"name": "smoke", "seconds": 2.5, "log": OLD, "tests": 40, "quarantined": []}
        self.tell("tested", {"checks": [check]}, release=release)
        self.tell("linked", {"tickets": ["SHOP-7"]}, release=release)
        scans = {"sbom": {"result": "12 parts", "digest": NEW}, "vulnerabilities": None, "secrets": {"result": "clean"}}
        self.tell("scanned", scans, release=release)
        self.tell("expanding", {"before": ["1"]}, "stage", release)
        self.tell("expanded", {"before": ["1"], "after": ["2"]}, "stage", release)
        self.tell("staged", {"revision": "2", "pairs": [[NEW, "2"]]}, release=release)
        self.tell("planned", {"waves": WAVES, "placements": [], "digest": OLD}, release=release)
        self.tell("mandated", {"digest": MANDATE, "content": {}, "ends": "2026-12-01T00:00:00Z"}, release=release,
                  starter="ana", changes={}, unresolved=[])  # fmt: skip
        given = {"action": "deploy", "assurance": "signed", "mandate": MANDATE, "digest": NEW}
        self.tell("approval", given, KEY, release, who="ben")
        quorum = {"roles": ["release-approver"], "mandate": MANDATE, "assurances": ["signed"], "emergency": alone}
        self.tell("approved", quorum, release=release, who=["ben"])
        self.tell("briefed", {"channel": "releases", "ts": "1"}, release=release)

    def deploy(
        self,
        release: str = "r1",
        *,
        tenants: tuple[str, ...] = tuple(PLACES),
        gates: list[dict[str, Any]] | None = None,
    ) -> None:
        """The database and the tenants, in order."""
        for instance in dict.fromkeys(PLACES[tenant] for tenant in tenants):
            self.tell("expanding", {"before": ["1"]}, instance, release)
            self.tell("expanded", {"before": ["1"], "after": ["2"]}, instance, release)
        if gates:
            self.tell("passed", {"gates": gates}, "pilot", release, who="ana, ben")
        for tenant in tenants:
            self.tell("deployed", runs("2.0.0", NEW, tenant), tenant, release)
        judged = {"verdict": "promote", "cause": None, "reason": "0 of 40 were bad"}
        self.tell("verdict", judged, "pilot", release)

    def close(self, release: str = "r1") -> None:
        self.tell("released", {"tenants": 3}, release=release)

    def go_back(self, release: str = "r1", *, tenants: tuple[str, ...] = tuple(PLACES)) -> None:
        """A breach that led these back, and a restored release if it was everybody."""
        whole = set(tenants) == set(PLACES)
        order = {
            "scope": "release" if whole else "tenant", "tenants": list(tenants), "now": False, "cause": "breach",
            "reason": "birch had 9 of 40 bad", "decided_ms": 1, "bad_before": None,
            "decided_at": "2026-11-01T01:00:00Z",
        }  # fmt: skip
        self.tell("rollback", order, release=release)
        for tenant in tenants:
            self.tell("rolled_back", runs("1.0.0", OLD, tenant), tenant, release)
        took = {"tenants": list(tenants), "bad_requests": 9, "seconds_to_last": 2.5, "left": []}
        self.tell("restored" if whole else "contained", took, release=release)

    def of(self, release: str = "r1") -> list[Entry]:
        return [entry for entry in self.entries if entry.release == release]

    def past(self) -> dict[str, list[Entry]]:
        """By tenant, every entry that says what it runs."""
        steps = {"adopted", "deployed", "rolled_back"}
        return {tenant: [e for e in self.entries if e.subject == tenant and e.step in steps] for tenant in PLACES}


WAVES = [
    {"name": "pilot", "ring": "pilot", "number": 1, "tenants": ["acme"], "instances": {"cloud": ["acme"]},
     "start": "2026-11-01T02:00:00Z", "end": "2026-11-01T02:45:00Z"},
    {"name": "broad", "ring": "broad", "number": 1, "tenants": ["birch", "cedar"],
     "instances": {"cloud": ["birch"], "cedar": ["cedar"]}, "start": "2026-11-02T02:00:00Z",
     "end": "2026-11-02T02:45:00Z"},
]  # fmt: skip


def good() -> Account:
    """One release that went well, on an installation that had been there."""
    account = Account()
    account.install()
    account.approve()
    account.deploy()
    account.close()
    return account
