from typing import Any

import pytest
from pydantic import ValidationError

from stationmaster.domain.product import Product

LEAST: dict[str, Any] = {
    "product": "shop",
    "build": {"command": ["make"], "output": "dist/shop"},
    "service": {"command": ["shop", "{socket}"]},
    "rings": [{"name": "pilot"}],
    "journeys": [{"name": "order", "steps": [{"name": "place", "path": "/order"}]}],
    "hard_limits": {"availability": {"max_bad": 0.05, "min_count": 20}},
    "approvals": {"deploy": {"release-approver": 1}},
}


def made(**changes: Any) -> Product:
    return Product.model_validate({**LEAST, **changes})


def test_what_need_not_be_said() -> None:
    product = made()
    assert product.rings[0].watch == 300
    assert (product.service.health, product.service.version) == ("/healthz", "/version")
    assert (product.stage_tenant, product.changes, product.database, product.flags) == (
        "stage-probe",
        "changes",
        None,
        None,
    )
    assert product.journeys[0].steps[0].expect.status == 200


def test_durations_are_written_as_people_write_them() -> None:
    assert made(rings=[{"name": "pilot", "watch": "2h"}]).rings[0].watch == 7200


@pytest.mark.parametrize("key", sorted(LEAST))
def test_what_must_be_said(key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        Product.model_validate({name: value for name, value in LEAST.items() if name != key})


@pytest.mark.parametrize(
    "wrong",
    [
        {"ringz": []},
        {"rings": []},
        {"journeys": []},
        {"build": {"command": [], "output": "x"}},
        {"build": {"command": "make", "output": "x"}},
        {"hard_limits": {"availability": {"max_bad": 0, "min_count": 20}}},
        {"hard_limits": {"availability": {"max_bad": 1, "min_count": 20}}},
        {"hard_limits": {"latency": {"max_bad": 0.1, "min_count": 20}}},
        {"hard_limits": {}},
        {"approvals": {"deploy": {"release-approver": 0}}},
        {"approvals": {"rollback": {"release-approver": 1}}},
        {"service": {"command": ["x"], "strategy": "weighted"}},
        {"rings": [{"name": "pilot", "watch": "5 minutes"}]},
    ],
    ids=str,
)
def test_what_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(**wrong)


@pytest.mark.parametrize("kind", ["rings", "journeys", "checks"])
def test_a_name_is_given_once(kind: str) -> None:
    one = {**LEAST, "checks": [{"name": "lint", "command": ["lint"]}]}[kind][0]
    with pytest.raises(ValidationError, match="is given twice"):
        made(**{kind: [one, one]})


@pytest.mark.parametrize("nobody", [{"deploy": {}}, {}], ids=str)
def test_a_policy_asks_for_somebody(nobody: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(approvals=nobody)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"coverage": "/c.xml"}, "`coverage` must lie in the export"),
        ({"coverage": "../c.xml"}, "`coverage` must lie in the export"),
        ({"coverage": ""}, "`coverage` must lie in the export"),
        ({"coverage": "r.xml", "report": "r.xml"}, "`report` and `coverage` are the same file"),
    ],
)
def test_a_checks_coverage_is_a_file_of_its_own_in_the_export(check: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        made(checks=[{"name": "unit", "command": ["test"], **check}])
    assert (
        made(checks=[{"name": "unit", "command": ["test"], "coverage": "out/c.xml"}]).checks[0].coverage == "out/c.xml"
    )
