"""Findings as SARIF 2.1.0, which a code host shows on the lines of a pull request."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from stationmaster.domain.migration_rule import Rule
from stationmaster.domain.migration_rules import EVERY
from stationmaster.domain.migrations import Finding

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_NUMBERS = {rule: number for number, rule in enumerate(EVERY)}


def sarif(findings: Iterable[Finding], version: str) -> dict[str, Any]:
    """One run with every rule, so that a host knows those that found nothing too. A finding that is excused at its
    statement is a suppressed result with the reason given there.
    """
    driver = {"name": "stationmaster", "version": version, "rules": [_rule(rule) for rule in EVERY.values()]}
    run = {"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": [_result(one) for one in findings]}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "help": {"text": f"Instead: {rule.fix}\n\nBad:\n{rule.bad}\n\nGood:\n{rule.good}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": [rule.group], "lock": rule.lock or "none"},
    }


def _result(finding: Finding) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": quote(finding.file or "")}, "region": {"startLine": finding.line}}
    lock = f" Lock: {finding.lock}." if finding.lock else ""
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": _NUMBERS[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.message}.{lock} Instead: {finding.fix}"},
        "locations": [{"physicalLocation": place}],
    }
    if finding.reason:
        result["suppressions"] = [{"kind": "inSource", "justification": finding.reason}]
    return result
