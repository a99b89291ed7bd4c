"""SARIF 2.1.0: what a code host needs of it, and that it is what the standard says as far as we use it."""

import importlib
from typing import Any

import pytest

from stationmaster.domain.migration_rules import RULES
from stationmaster.domain.migration_sarif import sarif
from stationmaster.domain.migrations import lint

jsonschema: Any = importlib.import_module("jsonschema")  # has no types

TEXT = {"type": "object", "properties": {"text": {"type": "string", "minLength": 1}}, "required": ["text"]}
PLACE = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "pattern": r"^[\w./~%-]+$"}},
                },
                "region": {"required": ["startLine"], "properties": {"startLine": {"type": "integer", "minimum": 1}}},
            },
        }
    },
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
# The parts of the published schema that we write, with its names, types and enumerations.
SCHEMA = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {"type": "object", "required": ["driver"], "additionalProperties": False,
                             "properties": {"driver": {"$ref": "#/definitions/driver"}}},
                    "results": {"type": "array", "items": {"$ref": "#/definitions/result"}},
                },
            },
        },
    },
    "definitions": {
        "driver": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string"},
                "version": {"type": "string"},
                "rules": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/definitions/rule"}},
            },
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "shortDescription": TEXT,
                "help": TEXT,
                "defaultConfiguration": {"additionalProperties": False, "properties": {"level": LEVEL}},
                "properties": {"properties": {"tags": {"type": "array", "uniqueItems": True}}},
            },
        },
        "result": {
            "type": "object",
            "required": ["message"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": -1},
                "level": LEVEL,
                "message": TEXT,
                "locations": {"type": "array", "items": PLACE},
                "suppressions": {
                    "type": "array",
                    "items": {
                        "required": ["kind"],
                        "additionalProperties": False,
                        "properties": {"kind": {"enum": ["inSource", "external"]}, "justification": {"type": "string"}},
                    },
                },
            },
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_the_report_of_every_example_keeps_to_the_standard(rule: str) -> None:
    report = sarif(lint(RULES[rule].bad, "db/ä b.sql"), "1.0")
    jsonschema.Draft7Validator(SCHEMA).validate(report)
    (run,) = report["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert rule in [result["ruleId"] for result in run["results"]]


def test_a_result_has_level_place_lock_and_the_way_out() -> None:
    (result,) = sarif(lint("SELECT 1;\nCREATE INDEX i ON t (a)", "db/ä b.sql"), "1.0")["runs"][0]["results"]
    assert result["level"] == "error"
    assert result["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "db/%C3%A4%20b.sql"}, "region": {"startLine": 2}}}
    ]
    assert "Lock: SHARE." in result["message"]["text"]
    assert "postgresql_concurrently=True" in result["message"]["text"]


def test_an_excused_finding_is_suppressed_with_its_reason() -> None:
    sql = "-- stationmaster: allow drop_view because nobody reads it\nDROP VIEW v"
    (result,) = sarif(lint(sql, "a.sql"), "1.0")["runs"][0]["results"]
    assert result["level"] == "note"
    assert result["suppressions"] == [{"kind": "inSource", "justification": "nobody reads it"}]
