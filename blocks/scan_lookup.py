"""Looks the parts of a built file up in an advisory database, and says which of them it could not look up."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stationmaster.blocks.scan_database import Advisories, advisories
from stationmaster.blocks.scan_given import Answer, Given, Inventory, tool
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import canonical
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.scan_advisories import ECOSYSTEMS, Found, can_be_looked_up, joined, refusing
from stationmaster.domain.scan_parts import Part
from stationmaster.domain.scans import (
    AdvisoriesStaleError,
    NotLookedUpError,
    Vulnerabilities,
    VulnerabilitiesFoundError,
)

_NAMED = 3  # parts that a message has room for


def vulnerabilities(given: Given, known: Inventory) -> Answer:
    """Whether parts have known vulnerabilities. Never `clean` when one was not looked up."""
    asked = given.scans.vulnerabilities
    if asked.database is None:
        return _unknown(asked, "no advisory database", known)
    read = advisories(Path(asked.database), known.parts)
    found, missed = joined(read.found), _missed(known.parts, read)
    fact = {
        "result": _result(known, found, missed),
        "database": _database(read, known.parts, given.now),
        "fail_on": asked.fail_on,
        "parts": len(known.parts),
        "unmatched": len(missed),
        "found": [_told(one, asked, given.now) for one in found],
    }
    return Answer(fact, _vulnerability_report(fact, missed, known), _refusal(given, read, known, found, missed))


def _unknown(asked: Vulnerabilities, why: str, known: Inventory) -> Answer:
    fact = {"result": f"not scanned: {why}", "database": None}
    error = NotLookedUpError(
        f"vulnerabilities are required to be looked up, and there is {why}",
        hint="mirror one and name it: scans.vulnerabilities.database",
    )
    return Answer(fact, _vulnerability_report(fact, known.parts, known), error if asked.required else None)


def _missed(parts: Sequence[Part], read: Advisories) -> list[Part]:
    """Parts of which nobody can say anything: of another ecosystem, with an odd version, or not in this database."""
    return [one for one in parts if not can_be_looked_up(one) or ECOSYSTEMS[one.kind] not in read.newest]


def _result(known: Inventory, found: list[Found], missed: list[Part]) -> str:
    left = f", {len(missed)} of {len(known.parts)} parts not looked up" if missed else ""
    left += ", parts may be missing" if known.incomplete else ""
    if found:
        return f"{len(found)} known{left}"
    if len(missed) == len(known.parts):
        return "not scanned: no part could be looked up"
    return f"none known{left}" if left else "clean"


def _database(read: Advisories, parts: Sequence[Part], now: datetime) -> dict[str, Any]:
    """Which data it was. It is as old as the oldest of the ecosystems that the parts need."""
    needed = {ECOSYSTEMS[one.kind] for one in parts if one.kind in ECOSYSTEMS} & set(read.newest) or set(read.newest)
    newest = min(read.newest[system] for system in needed)
    return {
        "digest": read.digest,
        "records": read.records,
        "newest": instant(newest),
        "age": max(0, int((now - newest).total_seconds())),
        "ecosystems": sorted(set(ECOSYSTEMS.values()) & set(read.newest)),
    }


def _told(one: Found, asked: Vulnerabilities, now: datetime) -> dict[str, Any]:
    excused = asked.ignored(one.ids, now.astimezone(UTC).date())
    return {
        "part": one.part.name, "version": one.part.version, "ids": list(one.ids), "severity": one.severity,
        "fixed": list(one.fixed), "ignored": excused and {"reason": excused.reason, "until": f"{excused.until}"},
    }  # fmt: skip


def _vulnerability_report(fact: dict[str, Any], missed: Sequence[Part], known: Inventory) -> bytes:
    """Without the age of the database, which is another a second later: the same data give the same report."""
    rows = [{"part": one.name, "version": one.version, "kind": one.kind, "where": one.where} for one in missed]
    database = {name: value for name, value in (fact["database"] or {}).items() if name != "age"} or None
    more = {"scanner": tool("stationmaster"), "unmatched": rows, "incomplete": list(known.incomplete)}
    return canonical({**fact, "database": database, **more})


def _refusal(
    given: Given, read: Advisories, known: Inventory, found: list[Found], missed: list[Part]
) -> StationmasterError | None:
    """The first reason to refuse: what was found, then that it was looked for in old data, then that not all was."""
    asked, age = given.scans.vulnerabilities, _database(read, known.parts, given.now)["age"]
    if bad := refusing(found, asked, given.now.astimezone(UTC).date()):
        return VulnerabilitiesFoundError([str(one) for one in bad])
    if age > asked.max_age and asked.stale == "refuse":
        return AdvisoriesStaleError(
            f"the newest record of {asked.database} is {age // 3600} h old, {asked.max_age // 3600} h are allowed",
            hint="mirror it anew, or say `stale: warn` under scans.vulnerabilities",
        )
    if asked.required and (missed or known.incomplete or not known.parts):
        return NotLookedUpError(_why_not(known, missed), hint="name the parts in an SBOM of the build: scans.sbom")
    return None


def _why_not(known: Inventory, missed: list[Part]) -> str:
    named = ", ".join(str(one) for one in missed[:_NAMED]) + (", …" if len(missed) > _NAMED else "")
    reasons = [f"{len(missed)} could not be looked up ({named})"] if missed else []
    reasons += [*known.incomplete] if known.parts else [*known.incomplete, "nothing names the artifact's parts"]
    return f"vulnerabilities of all parts are required to be looked up: {'; '.join(reasons)}"
