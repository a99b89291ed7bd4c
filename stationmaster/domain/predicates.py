"""What was done, as predicates: a build, tests, parts and tickets; and, by predicates of our own, what a tenant or a
database went through. `docs/reference/attestations.md` has each with an example.

https://slsa.dev/spec/v1.1/provenance and https://github.com/in-toto/attestation/tree/main/spec/predicates. Numbers are
whole, so that every statement has one spelling.
"""

from typing import Any

from stationmaster.domain.entries import Entry
from stationmaster.domain.statement import CONFIG, OURS, About, digests, kept, named
from stationmaster.domain.tenants import STAGE

PROVENANCE = "https://slsa.dev/provenance/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
VULNS = "https://in-toto.io/attestation/vulns/v0.2"
REFERENCE = "https://in-toto.io/attestation/reference/v0.1"
DEPLOYMENT = f"{OURS}/deployment/v1"
MIGRATION = f"{OURS}/migration/v1"
ROLLBACK = f"{OURS}/rollback/v1"

BUILD_TYPE = f"{OURS}/build/v1"
BUILDER = f"{OURS}/builder/v1"
CHECKS = f"{OURS}/checks/v1"  # the extension field of a test result that has logs and coverage
REHEARSAL = f"{OURS}/rehearsal/v1"
SCAN = f"{OURS}/scan/v1"  # the extension field that says of how many parts nothing could be said
_ATTESTER = f"{OURS}/attester/v1"
_SCANNER = f"{OURS}/scanner/v1"
_TEXT, _JSON, _XML = "text/plain", "application/json", "application/xml"
_UNKNOWN = "application/octet-stream"  # as the specification wants where the type is not known


def provenance(entry: Entry, about: About) -> dict[str, Any]:
    """`built`. The command is that of `stationmaster.yaml` at the commit, so the parameters name the file alone."""
    fact = entry.fact
    began, ended = fact.get("began"), fact.get("ended", entry.at)
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "product": about.product, "ref": about.ref, "kind": about.kind, "configuration": CONFIG,
            },
            "internalParameters": {"version": about.version},
            "resolvedDependencies": [_commit(about)],
        },
        "runDetails": {
            "builder": {"id": BUILDER},
            "metadata": {
                "invocationId": f"{entry.release}/{entry.index}",
                **({"startedOn": began} if began else {}),
                "finishedOn": ended,
            },
            "byproducts": [kept("build.log", fact["log"], _TEXT)] if fact.get("log") else [],
        },
    }  # fmt: skip


def tested(entry: Entry, about: About) -> dict[str, Any]:
    """`tested`: each check, and each test of it that failed in quarantine, which is a warning."""
    checks = entry.fact["checks"]
    warned = [
        f"{check['name']}/{one['test']}"
        for check in checks
        for one in check.get("quarantined", ())
        if one["outcome"] == "failed"
    ]
    return {**_result(about, [check["name"] for check in checks], warned), CHECKS: [_check(one) for one in checks]}


def migration_rehearsed(entry: Entry, about: About) -> dict[str, Any]:
    """`rehearsed`: up, and down and up again, of the schema change from each state that production is in, and the
    journeys of each version on what comes out.
    """
    passed = []
    for one in entry.fact["estimates"]:
        way = f"from {', '.join(one['from']) or 'nothing'} to {', '.join(one['to'])}"
        passed.append(f"upgrade {way}")
        passed += [f"downgrade of {revision}" for revision in one["undone"]]
    passed += [f"journeys of {digest} on {schema}" for digest, schema in entry.fact["pairs"]]
    return {**_result(about, passed, []), REHEARSAL: [_estimate(one) for one in entry.fact["estimates"]]}


def _estimate(one: dict[str, Any]) -> dict[str, Any]:
    """In whole milliseconds. Tables are named as the schema names them."""
    lock = one.get("longest_lock")
    held = {"longestLock": {"mode": lock["lock"], "milliseconds": round(lock["ms"])}} if lock else {}
    return {
        "from": one["from"],
        "to": one["to"],
        "rows": one["rows"],
        "milliseconds": {
            name: round(one[key]) for name, key in (("up", "up_ms"), ("down", "down_ms")) if one[key] is not None
        },
        **held,
        "notWorking": [each["digest"] for each in one["versions"] if each["failed"]],
        "noDown": [{"revision": each["revision"], "reason": each["reason"]} for each in one["no_down"]],
    }


def rehearsed(entry: Entry, about: About) -> dict[str, Any]:
    """`staged`: the journeys of each version on the schema that all of them will share."""
    on = entry.fact["revision"] or "no schema"
    return _result(about, [f"journeys of {digest} on {on}" for digest, _ in entry.fact["pairs"]], [])


def vulnerabilities(entry: Entry, _about: About) -> dict[str, Any] | None:
    """`scanned`; None when no part was looked up, since an empty list would say that nothing is known of any. The
    ledger knows one instant of a scan.
    """
    found = entry.fact.get("vulnerabilities") or {}
    database = found.get("database")
    if not database or (found["unmatched"] == found["parts"] and not found["found"]):
        return None
    db = {"uri": named("advisories"), "version": database["digest"], "lastUpdate": database["newest"]}
    return {
        "scanner": {"uri": _SCANNER, "db": db, "result": [_advisory(one) for one in found["found"]]},
        "metadata": {"scanStartedOn": entry.at, "scanFinishedOn": entry.at},
        SCAN: {name: found[name] for name in ("result", "parts", "unmatched")},
    }


def reports(entry: Entry, _about: About) -> dict[str, Any] | None:
    """`scanned`: where the SBOM and the reports of the scans are."""
    types = {"sbom": "application/vnd.cyclonedx+json", "vulnerabilities": _JSON, "secrets": _JSON}
    kinds = [(name, kind) for name, kind in types.items() if (entry.fact.get(name) or {}).get("digest")]
    return _references([kept(name, entry.fact[name]["digest"], kind) for name, kind in kinds]) if kinds else None


def tickets(entry: Entry, _about: About) -> dict[str, Any]:
    """`linked`. A ticket that is no address has a name of ours, which leads nowhere."""
    return _references([_ticket(one) for one in entry.fact["tickets"]])


def migration(entry: Entry, _about: About) -> dict[str, Any]:
    """`expanded` or `contracted`, of one database."""
    phase = "contract" if entry.step == "contracted" else "expand"
    fact, files = entry.fact, (("sql", f"{phase}.sql"), ("ran", f"{phase}.json"), ("log", f"{phase}.log"))
    return {
        "database": entry.subject,
        "environment": "stage" if entry.subject == STAGE else "production",
        "phase": phase,
        "before": fact["before"],
        "after": fact["after"],
        "finishedOn": entry.at,
        **_timed(fact.get("rehearsed")),
        "files": [kept(name, fact[key], _TEXT) for key, name in files if fact.get(key)],
    }


def _timed(rehearsed: dict[str, Any] | None) -> dict[str, Any]:
    """How long it took and how long its rehearsal, in whole milliseconds."""
    if rehearsed is None:
        return {}
    return {"milliseconds": {"took": round(rehearsed["took_ms"]), "rehearsed": round(rehearsed["rehearsed_ms"])}}


def deployment(entry: Entry, about: About) -> dict[str, Any]:
    """`deployed`, of one tenant."""
    fact = entry.fact
    return {
        "tenant": entry.subject,
        "environment": "production",
        "instance": fact["instance"],
        "colour": fact["colour"],
        "version": fact["version"],
        "source": _commit(about),
        "deployedOn": entry.at,
        "files": [kept("start.log", fact["log"], _TEXT)] if fact.get("log") else [],
    }


def rolled_back(entry: Entry, _about: About) -> dict[str, Any]:
    """`rolled_back`, of one tenant: what it runs again."""
    fact = entry.fact
    again = {"version": fact["version"], "digest": digests(fact["digest"]), "source": {"gitCommit": fact["commit"]}}
    place = {"instance": fact["instance"], "colour": fact["colour"]} if "instance" in fact else {}
    return {"outcome": "rolled_back", "tenant": entry.subject, **place, "runs": again, "routedOn": entry.at}


def went_back(entry: Entry, _about: About) -> dict[str, Any]:
    """`restored`, `contained`: how it ended, without names."""
    fact = entry.fact
    figures = {
        "badRequests": fact.get("bad_requests"),
        "millisecondsToRoutes": _milliseconds(fact.get("seconds_to_routes")),
        "millisecondsToLast": _milliseconds(fact.get("seconds_to_last")),
    }
    return {
        "outcome": entry.step, "tenants": len(fact["tenants"]), "left": len(fact.get("left", ())),
        "flags": fact["flags"], "endedOn": entry.at,
        **{name: value for name, value in figures.items() if value is not None},
    }  # fmt: skip


def _result(about: About, passed: list[str], warned: list[str]) -> dict[str, Any]:
    return {
        "result": "WARNED" if warned else "PASSED",
        "configuration": [about.config],
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": [],
    }


def _check(check: dict[str, Any]) -> dict[str, Any]:
    coverage = check.get("coverage")
    files = [("check.log", check.get("log"), _TEXT), ("report.xml", check.get("report"), _XML)]
    files += [("coverage.xml", coverage["report"], _XML)] if coverage else []
    shares = {name: coverage[name] for name in ("lines", "branches") if name in coverage} if coverage else None
    return {
        "name": check["name"],
        "milliseconds": _milliseconds(check["seconds"]),
        **({"coverage": shares} if shares else {}),
        "files": [kept(name, digest, kind) for name, digest, kind in files if digest],
    }


def _advisory(found: dict[str, Any]) -> dict[str, Any]:
    ignored = found.get("ignored")
    notes = {"package": found["part"], "version": found["version"], "aliases": found["ids"][1:]}
    return {
        "id": found["ids"][0],
        "severity": [{"method": "osv", "score": found["severity"]}],
        "annotations": [{**notes, **({"ignoredUntil": ignored["until"]} if ignored else {})}],
    }


def _ticket(ticket: str) -> dict[str, Any]:
    place = ticket if ticket.startswith(("http://", "https://")) else named(f"ticket/{ticket}")
    return {"name": ticket, "uri": place, "downloadLocation": place, "mediaType": _UNKNOWN}


def _references(references: list[dict[str, Any]]) -> dict[str, Any]:
    return {"attester": {"id": _ATTESTER}, "references": references}


def _commit(about: About) -> dict[str, Any]:
    uri = {"uri": f"git+{about.source}@{about.ref}"} if about.source else {}
    return {"name": about.product, **uri, "digest": {"gitCommit": about.commit}}


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
