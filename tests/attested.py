"""A release in which everything happens that is attested, entry by entry. The examples of the docs are made of it."""

import hashlib
from datetime import timedelta
from typing import Any

from stationmaster.domain.entries import Draft, Entry, compose
from tests.entries import AT

RELEASE, SOURCE = "orderdesk-1-3-0", "https://code.example/orderdesk"
COMMIT, BEFORE = "5d41402abc4b2a76b9719d911017c592a3f1e0b2", "7e240de74fb1ed08fa08d38063f6a6a91462a815"
TENANTS = ("acme", "birch", "cedar")


def sha(name: str) -> str:
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


ARTIFACT = sha("orderdesk.pyz")
_RUNS = {"version": "1.3.0", "digest": ARTIFACT, "commit": COMMIT}
_RAN = {"version": "1.2.0", "digest": sha("before"), "commit": BEFORE, "instance": "cloud", "colour": "a", "left": "b"}
_COUNTS = {"new": {"total": 412, "bad": 0}, "old": {"total": 398, "bad": 1}}
_VERDICT: dict[str, Any] = {
    "verdict": "promote", "cause": None, "reason": "acme: 0 of 412 requests were bad", "counts": _COUNTS,
    "decided_at": "2026-11-23T08:24:00Z", "decided_ms": 1795422240000, "broken_for": [],
}  # fmt: skip
_BREACH = {**_VERDICT, "verdict": "rollback", "cause": "journey", "reason": "acme fails", "broken_for": ["acme"]}
_DEPLOYED = {**_RUNS, "instance": "cloud", "colour": "b", "log": sha("start.log")}
_CHECKS = [
    {
        "name": "unit", "seconds": 12.345, "log": sha("unit.log"), "tests": 214, "report": sha("unit.xml"),
        "quarantined": [
            {"test": "tests/test_totals.py::test_rounding", "ticket": "OD-71", "owner": "ana",
             "expires": "2027-01-31", "outcome": "failed"},
            {"test": "tests/test_list.py::test_order", "ticket": "OD-72", "owner": "ana",
             "expires": "2027-01-31", "outcome": "passed"},
        ],
        "coverage": {
            "lines": {"covered": 873, "valid": 1000}, "branches": {"covered": 31, "valid": 40}, "permille": 873,
            "report": sha("coverage.xml"),
        },
    },
    {"name": "lint", "seconds": 0.871, "log": sha("lint.log")},
]  # fmt: skip
_ADVISORIES = {
    "result": "1 known", "fail_on": "high", "parts": 14, "unmatched": 0, "digest": sha("vulnerabilities.json"),
    "database": {"digest": sha("osv"), "records": 201733, "newest": "2026-11-22T19:04:11Z", "age": 46549,
                 "ecosystems": ["PyPI"]},
    "found": [
        {"part": "jinja2", "version": "3.1.2", "ids": ["GHSA-h5c8-rqwp-cp95", "CVE-2024-22195"], "severity": "medium",
         "fixed": ["3.1.3"], "ignored": {"reason": "no untrusted templates", "until": "2027-01-31"}},
    ],
}  # fmt: skip

STORY: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("started", "", {"product": "orderdesk", "ref": "main", "kind": "train"}),
    (
        "cut", "",
        {"commit": COMMIT, "version": "1.3.0", "previous": [BEFORE], "changes": [{"commit": COMMIT, "subject": "x"}]},
    ),
    (
        "built", "",
        {"digest": ARTIFACT, "size": 48213, "seconds": 3.217, "began": "2026-11-23T08:01:00Z",
         "ended": "2026-11-23T08:01:03Z", "log": sha("build.log")},
    ),
    ("tested", "", {"checks": _CHECKS}),
    ("linked", "", {"tickets": ["CHG-4711", "#12", "https://tickets.example/OD-17"]}),
    (
        "scanned", "",
        {"sbom": {"result": "14 parts", "parts": 14, "digest": sha("sbom.cdx.json")}, "vulnerabilities": _ADVISORIES,
         "secrets": {"result": "clean", "digest": sha("secrets.json")}},
    ),
    ("expanding", "cloud", {"before": ["c1"], "sql": sha("expand.sql")}),
    ("expanded", "cloud", {"before": ["c1"], "after": ["e2"], "sql": sha("expand.sql"), "log": sha("expand.log")}),
    ("expanded", "cedar", {"before": ["e2"], "after": ["e2"]}),
    ("staged", "", {"revision": "e2", "pairs": [[sha("before"), "e2"], [ARTIFACT, "e2"]]}),
    ("mandated", "", {"digest": sha("mandate"), "content": {"tenants": ["…"]}, "ends": "2026-12-07T08:00:00Z"}),
    (
        "approved", "",
        {"roles": ["release-approver", "release-approver", "dba"], "mandate": sha("mandate"),
         "assurances": ["attested_by_channel", "signed"], "emergency": False},
    ),
    ("briefed", "", {"channel": "releases", "ts": "1795421000.000100"}),
    ("consented", "cedar", {"by": "link", "proof": sha("proof")}),
    (
        "passed", "pilot",
        {"gates": [{"gate": "freeze/tenant", "closed_by": "tenant:birch", "waivers": [1, 2], "tickets": ["INC-7"],
                    "until": None}]},
    ),
    ("deployed", "acme", _DEPLOYED),
    ("verdict", "pilot", _VERDICT),
    ("promoted", "pilot", {"tenants": ["acme"], **_VERDICT}),
    ("deployed", "birch", _DEPLOYED),
    ("verdict", "broad", _BREACH),
    ("rolled_back", "birch", {**_RAN, "routed_ms": 1795422300123, "last_ms": 1795422300456}),
    (
        "contained", "",
        {"order": 20, "tenants": ["birch"], "left": ["acme"], "flags": "kept", "bad_requests": 3,
         "seconds_to_routes": 0.123, "seconds_to_last": 0.456},
    ),
    ("deployed", "birch", _DEPLOYED),
    (
        "restored", "",
        {"order": 20, "tenants": ["acme", "birch"], "flags": "back", "bad_requests": None, "seconds_to_routes": None,
         "seconds_to_last": None},
    ),
    ("released", "", {"tenants": 3}),
    (
        "contract_mandated", "",
        {"digest": sha("contract"), "ends": "2026-12-14T08:00:00Z", "databases": {"cloud": sha("contract.sql")}},
    ),
    ("contract_approved", "", {"roles": ["dba"], "mandate": sha("contract"), "assurances": ["signed"]}),
    ("contracting", "cloud", {"before": ["e2"], "target": ["c3"], "sql": sha("contract.sql")}),
    (
        "contracted", "cloud",
        {"before": ["e2"], "after": ["c3"], "sql": sha("contract.sql"), "log": sha("contract.log")},
    ),
    ("proved", "", {"revision": "c3", "pairs": [[ARTIFACT, "c3"]]}),
    (  # after the end, where the numbers of the entries that the page shows stay as they are
        "rehearsed", "",
        {"estimates": [{"from": ["c1"], "to": ["e2"], "rows": {"orders": 2_000_000}, "up_ms": 4120.4, "down_ms": 3.1,
                        "undone": ["e2"], "no_down": [], "longest_lock": {"lock": "SHARE", "ms": 3988.7},
                        "versions": [{"digest": ARTIFACT, "version": "1.4.0", "needed": True, "failed": []},
                                     {"digest": sha("before"), "version": "1.2.0", "needed": False,
                                      "failed": ["order, 500"]}]},
                       {"from": ["c0"], "to": ["e2"], "rows": {}, "up_ms": 1.0, "down_ms": None, "undone": [],
                        "no_down": [{"revision": "e2", "reason": "what it drops is archived"}], "longest_lock": None,
                        "versions": []}],
         "pairs": [[ARTIFACT, "e2"]], "report": sha("rehearsal.json")},
    ),
)  # fmt: skip


def entries(story: tuple[tuple[str, str, dict[str, Any]], ...] = STORY) -> list[Entry]:
    """A minute apart."""
    return [
        compose(
            Draft(release=RELEASE, step=step, subject=subject, fact=fact), index=index,
            at=AT + timedelta(minutes=index), attempt=1, salt=f"{index:032x}", payload=None,
        )
        for index, (step, subject, fact) in enumerate(story)
    ]  # fmt: skip
