"""Every fact of the ledger has a sentence."""

from typing import Any

import pytest

from stationmaster.domain.entries import STEPS, Draft, Entry, compose
from stationmaster.domain.story import sentence
from tests.entries import AT

DIGEST = "sha256:" + 64 * "d"
RUNS = {"version": "2.0.0", "digest": DIGEST, "commit": 40 * "c", "instance": "cloud", "colour": "b"}
COUNTS = {"new": {"total": 40, "bad": 9}, "old": {"total": 40, "bad": 0}}
TOLD: dict[str, tuple[str, dict[str, Any], str]] = {
    "started": ("r2", {"product": "shop", "kind": "manual", "ref": "v2.0.0"}, "started from v2.0.0"),
    "cut": (
        "r2", {"version": "2.0.0", "commit": 40 * "c", "changes": [{}]}, "cut 2.0.0 at cccccccccccc, 1 change aboard",
    ),
    "built": (
        "r2", {"digest": DIGEST, "size": 12345, "seconds": 1.26},
        "built once in 1.3 s: sha256:dddddddddddd…, 12,345 bytes",
    ),
    "tested": ("r2", {"checks": [{}, {}]}, "2 checks passed against the artifact"),
    "rehearsed": (
        "r2",
        {"estimates": [{"from": ["e1"], "to": ["e2"], "up_ms": 1234.5, "undone": ["e2"], "no_down": [],
                        "longest_lock": {"lock": "SHARE", "ms": 80.0},
                        "versions": [{"failed": []}, {"failed": ["x"]}]}]},
        "schema change rehearsed: e1 → e2 in 1.2 s, SHARE for 80 ms, and back; 1 version worked on it",
    ),
    "staged": ("r2", {"revision": "", "pairs": [[], []]}, "stage passed on schema (none) with 2 versions"),
    "proved": (
        "r2", {"revision": "c2", "pairs": [[], []]}, "2 versions proved in stage on the contracted schema c2",
    ),
    "notice": (
        "cloud", {"instance": "cloud", "mode": "read_only", "tenants": ["acme"], "why": "e2",
                  "seconds": 12.4, "start": "2026-11-24T22:00:00Z", "end": "2026-11-24T22:45:00Z", "closed": []},
        "to be told: acme read-only for about 12 s, expected in the slot from 2026-11-24T22:00:00Z; database cloud: e2",
    ),
    "mode_on": ("acme", {"mode": "maintenance", "why": "e2 is long"}, "acme is behind a maintenance page: e2 is long"),
    "mode_off": (
        "acme", {"mode": "read_only", "why": "e2 is done", "seconds": 12},
        "acme is served in full again, read-only for 12 s: e2 is done",
    ),
    "contract": ("r2", {}, "its contract is wanted"),
    "contract_mandated": (
        "r2", {"databases": {"stage": DIGEST, "cloud": DIGEST}, "ends": "2026-12-24T06:00:00Z"},
        "to be signed: the contract of cloud and stage, until 2026-12-24T06:00:00Z",
    ),
    "contract_approved": ("r2", {"roles": ["dba", "qa"]}, "the contract is approved by dba and qa"),
    "contracting": ("cloud", {"before": ["e2"]}, "database cloud is being contracted from e2"),
    "contract_stopped": (
        "cloud", {"before": ["e2"], "code": "contract_waits", "message": "it is frozen"},
        "database cloud is not contracted after all: it is frozen",
    ),
    "contracted": ("cloud", {"before": ["e2"], "after": ["c2"]}, "database cloud contracted from e2 to c2"),
    "contract_over": ("r2", {"databases": ["stage", "cloud"]}, "the contract is over: cloud and stage"),
    "planned": (
        "r2",
        {"waves": [{"ring": "pilot", "tenants": ["a"]}, {"ring": "broad", "tenants": ["b", "c"]}], "why": "new zones"},
        "planned anew, new zones: pilot (1) → broad (2)",
    ),
    "linked": ("r2", {"tickets": ["CHG-1", "SHOP-7"]}, "asked for in CHG-1, SHOP-7"),
    "scanned": (
        "r2", {"sbom": {"result": "12 parts"}, "vulnerabilities": None, "secrets": {"result": "clean"}},
        "scanned: sbom 12 parts, secrets clean",
    ),
    "mandated": (
        "r2", {"digest": DIGEST, "ends": "2026-12-24T06:00:00Z"},
        "to be signed: mandate sha256:dddddddddddd…, until 2026-12-24T06:00:00Z",
    ),
    "approval": (64 * "e", {}, "a signature by eeeeeeeeeeeeeeee…"),
    "refused": (64 * "e", {"rule": "author"}, "the approval by eeeeeeeeeeeeeeee… does not count: author"),
    "ratified": ("shop/policy", {"digest": DIGEST}, "shop/policy is in force: sha256:dddddddddddd…"),
    "signed": ("shop/policy/eee", {}, "a signature for shop/policy/eee"),
    "reviewed": ("r2", {"verdict": "justified", "reason": "seen"}, "the emergency was looked at: justified, seen"),
    "consented": ("acme", {"by": "link"}, "acme agrees, link"),
    "declined": ("acme", {"by": "link", "reason": "audit"}, "acme does not agree, link: audit"),
    "attested": (
        "r2", {"predicate": "https://slsa.dev/provenance/v1"},
        "signed what was found of r2: https://slsa.dev/provenance",
    ),
    "checkpointed": ("shop", {"size": 1234, "places": ["git"]}, "checkpoint of 1,234 entries published: git"),
    "closed": ("r2", {"state": "released", "leaves": [1]}, "evidence laid together: released, 1 entry"),
    "drifted": ("shop", {"found": [{}], "tenants": 3}, "shop: 1 deviation among 3 tenants"),
    "approved": ("r2", {"roles": ["qa", "security"]}, "approved by qa and security"),
    "briefed": ("r2", {"channel": "#releases", "ts": "1"}, "support brief posted in #releases"),
    "confirmed": (
        "r2", {"product": "shop", "ref": "main", "assurance": "command line"},
        "shop from main is wanted, confirmed by command line",
    ),
    "advanced": (
        "pilot", {"verdict": "hold", "reason": "seen by hand"},
        "pilot may be followed by the next although it is held: seen by hand",
    ),
    "merged_back": ("h1", {"into": "main", "reason": "squashed"}, "merged back into main: squashed"),
    "skipped": ("acme", {"reason": "their audit"}, "acme is left out: their audit"),
    "unskipped": ("acme", {"reason": "it is over"}, "acme is not left out any more: it is over"),
    "backfilling": (
        "cloud/totals", {"name": "totals", "database": "cloud"}, "backfill totals begins on database cloud"
    ),
    "backfilled": (
        "cloud/totals",
        {"name": "totals", "database": "cloud", "rows": 12000, "tenants": ["acme"], "left": ["cedar", "birch"]},
        "backfill totals on database cloud: 12,000 rows, verified for 1 tenant, not for birch, cedar",
    ),
    "expanding": ("cloud", {"before": []}, "database cloud is being expanded from empty"),
    "expanded": ("cloud", {"before": ["r1"], "after": ["r2"]}, "database cloud expanded from r1 to r2"),
    "deployed": ("acme", RUNS, "acme → 2.0.0 (cloud b)"),
    "flagged": (
        "shop", {"file": "flags.json", "commit": 40 * "c", "digest": DIGEST},
        "flags of shop published: flags.json of cccccccccccc",
    ),
    "verdict": ("pilot", {"verdict": "promote", "reason": "0 of 40 were bad"}, "wave pilot: promote, 0 of 40 were bad"),
    "promoted": ("pilot", {"tenants": ["a"], "counts": COUNTS}, "wave pilot is good: 1 tenant"),
    "held": ("pilot", {"verdict": "hold", "message": "blind"}, "held at pilot: blind"),
    "waiting": ("r2", {"for": "window", "message": "acme is closed"}, "waits for window: acme is closed"),
    "failed": ("r2", {"step": None, "message": "boom"}, "failed in the flow: boom"),
    "rolled_back": ("acme", RUNS, "acme is back on 2.0.0"),
    "aborted": ("r2", {"reason": "breaks orders"}, "aborted: breaks orders"),
    "adopted": ("acme", RUNS, "acme runs 2.0.0"),
    "released": ("r2", {"tenants": 1}, "released to 1 tenant"),
    "rollback": (
        "r2", {"scope": "instance", "tenants": ["acme"], "cause": "breach", "reason": "9 of 40 were bad"},
        "rollback of acme and all on the same instance: 9 of 40 were bad",
    ),
    "contained": (
        "r2", {"tenants": ["acme"], "left": ["beta"], "seconds_to_last": 0.42, "bad_requests": 1},
        "1 tenant back 0.4 s after the decision, 1 request bad; beta keeps it",
    ),
    "restored": (
        "r2", {"tenants": ["acme", "beta"], "seconds_to_last": None, "bad_requests": None},
        "rolled back: 2 tenants on the version before",
    ),
    "lifted": ("r2", {"reason": "the cause is mended"}, "its changes may be released again: the cause is mended"),
    "told": ("pilot", {"progress": "is good"}, "brief updated: pilot is good"),
    "paused": ("r2", {"reason": "support is short"}, "paused: support is short"),
    "resumed": ("r2", {"reason": "support is back"}, "resumed: support is back"),
    "waived": (
        f"env:production/{64 * 'e'}",
        {"gate": "env:production", "reason": "checkout is down", "ticket": "SHOP-1", "until": "2026-11-24T06:00:00Z"},
        "a waiver for production until 2026-11-24T06:00:00Z, SHOP-1: checkout is down",
    ),
    "unwaived": (
        f"blackout:eu/acme.yaml#audit/{64 * 'e'}", {"reason": "a mistake"},
        "the waiver for blackout eu/acme.yaml#audit by key eeeeeeeeeeeeeeee… is revoked: a mistake",
    ),
    "passed": (
        "ring:pilot",
        {
            "gates": [
                {"gate": "env:production", "waivers": [7, 9], "tickets": ["SHOP-1"], "until": "2026-11-24T06:00:00Z"},
                {"gate": "blackout:acme.yaml#audit", "waivers": [8, 9], "tickets": ["SHOP-1", "SHOP-2"], "until": None},
            ]
        },
        (
            "at ring pilot: passes the freeze of production by 2 waivers (SHOP-1) until 2026-11-24T06:00:00Z and "
            "blackout acme.yaml#audit by 2 waivers (SHOP-1, SHOP-2)"
        ),
    ),
    "frozen": (
        "env:production", {"reason": "ERP is down", "until": "2026-11-24T06:00:00Z"},
        "env:production is frozen until 2026-11-24T06:00:00Z: ERP is down",
    ),
    "thawed": ("ring:pilot", {"reason": "ERP is back"}, "the freeze of ring:pilot is over: ERP is back"),
}  # fmt: skip


def entry(step: str, subject: str, fact: dict[str, Any]) -> Entry:
    draft = Draft(release="r2", step=step, subject=subject, fact=fact)
    return compose(draft, index=0, at=AT, attempt=1, salt="00", payload=None)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_its_sentence(step: str) -> None:
    subject, fact, told = TOLD[step]
    assert sentence(entry(step, subject, fact)) == told


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        ({"assurance": "attested_by_channel"}, "an approval by eee…"),
        ({"action": "emergency", "ticket": "INC-1", "reason": "down"}, "an emergency approval (INC-1: down) by eee…"),
    ],
)
def test_approvals_of_other_sorts_say_so(fact: dict[str, Any], told: str) -> None:
    assert sentence(entry("approval", "eee", fact)) == told


@pytest.mark.parametrize(
    ("before", "told"), [(["r2"], "database cloud is at r2 already"), ([], "database cloud expanded from empty to r2")]
)
def test_a_database_that_needs_nothing_and_one_that_was_empty(before: list[str], told: str) -> None:
    assert sentence(entry("expanded", "cloud", {"before": before, "after": ["r2"]})) == told


def test_a_failed_step_is_named() -> None:
    assert sentence(entry("failed", "r2", {"step": "build", "message": "boom"})) == "failed in build: boom"


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        ({"scope": "release", "tenants": ["acme"]}, "rollback of the release: bad"),
        ({"scope": "tenant", "tenants": ["acme", "beta"]}, "rollback of acme, beta: bad"),
    ],
)
def test_a_rollback_says_what_goes_back(fact: dict[str, Any], told: str) -> None:
    assert sentence(entry("rollback", "r2", {**fact, "reason": "bad"})) == told


def test_a_freeze_without_an_end_names_none() -> None:
    frozen = entry("frozen", "tenant:acme", {"reason": "their audit", "until": None})
    assert sentence(frozen) == "tenant:acme is frozen: their audit"
