"""The linter agrees with squawk on squawk's own cases, or the reason is written beside the case."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stationmaster.domain.migration_rules import RULES
from stationmaster.domain.migrations import lint

HERE = Path(__file__).parent
CASES: list[dict[str, Any]] = YAML(typ="safe").load((HERE / "squawk_cases.yaml").read_text("utf-8"))
PAGE = (HERE.parent.parent / "docs/reference/migration-rules.md").read_text("utf-8")


def found(case: dict[str, Any]) -> bool:
    sql = f"BEGIN;\n{case['sql']}" if case.get("transaction") else case["sql"]
    return any(one.rule in case["ours"] for one in lint(sql, "a.sql"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['squawk']}-{case['case']}")
def test_it_agrees_or_says_why_not(case: dict[str, Any]) -> None:
    assert set(case["ours"]) <= RULES.keys()
    assert (found(case) == case["found"]) == ("differs" not in case)


def test_there_are_cases_of_every_kind() -> None:
    assert len(CASES) > 100
    assert {case["found"] for case in CASES} == {True, False}
    assert len({case["squawk"] for case in CASES}) >= 20


def test_each_difference_is_in_the_reference() -> None:
    for case in CASES:
        if "differs" in case:
            assert case["differs"] in PAGE, case["case"]
