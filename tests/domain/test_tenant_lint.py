"""What a tenant directory is told about itself: file, line, what, and what to do."""

from typing import Any

import pytest

from stationmaster.domain.documents import Document, DocumentError, read
from stationmaster.domain.errors import InputError
from stationmaster.domain.tenant_lint import Finding, empty_rings, in_order, of_error, pins, wrong
from stationmaster.domain.tenants import Directory
from tests.shop import product


def directory(*tenants: str) -> Document[Directory]:
    return read(Directory, "tenants:\n" + "".join(f"  - {{{one}}}\n" for one in tenants), "tenants.yaml")


ACME, BIRCH = "id: acme, name: Acme, ring: pilot", "id: birch, name: Birch, ring: broad"


def test_a_good_directory_has_nothing() -> None:
    found = directory(ACME, BIRCH)
    assert [*wrong(found, product()), *empty_rings(found, product()), *pins(found, {})] == []


def test_what_no_release_accepts_is_an_error_with_its_line() -> None:
    found = directory(ACME, BIRCH.replace("broad", "brood"), f"{ACME}, timezone: Europe/Berln")
    said = [(one.level, one.file, one.line, one.message, one.hint) for one in wrong(found, product())]
    assert said == [
        ("error", "tenants.yaml", 3, "tenant 'birch': unknown ring 'brood'", "did you mean 'broad'?"),
        (
            "error",
            "tenants.yaml",
            4,
            "tenant 'acme': unknown IANA zone 'Europe/Berln'",
            "did you mean 'Europe/Berlin'?",
        ),
        ("error", "tenants.yaml", 4, "tenant 'acme': the id is given twice, first in line 2", None),
    ]


def test_without_a_product_every_ring_is_right_and_the_rest_is_still_looked_at() -> None:
    found = directory(ACME.replace("pilot", "anywhere"), ACME)
    assert [one.message for one in wrong(found, None)] == ["tenant 'acme': the id is given twice, first in line 2"]


def test_a_ring_without_a_tenant_is_suspicious() -> None:
    (found,) = empty_rings(directory(ACME), product())
    assert str(found).startswith("tenants.yaml: warning: no tenant is in ring 'broad' of stationmaster.yaml (")


@pytest.mark.parametrize(
    ("running", "said", "hint"),
    [
        ({"acme": "1.0.0"}, None, None),
        ({"acme": "2.0.0", "birch": "1.0.0"}, "is pinned to 1.0.0 and runs 2.0.0", "no release moves it"),
        ({"birch": "1.0.0"}, "is pinned to 1.0.0 and runs nothing yet", "no release moves it"),
        ({"acme": "1.0.1", "birch": "1.0.1"}, "is pinned to 1.0.0, which nobody runs", "did you mean '1.0.1'?"),
        ({}, "is pinned to 1.0.0, which nobody runs", ""),
    ],
)
def test_a_pinned_tenant_runs_what_it_is_pinned_to(running: dict[str, str], said: str | None, hint: str | None) -> None:
    found = list(pins(directory(BIRCH, f"{ACME}, pinned: 1.0.0"), running))
    if said is None:
        assert found == []
        return
    assert [(one.level, one.line, one.tenant, one.message) for one in found] == [
        ("warning", 3, "acme", f"tenant 'acme' {said}")
    ]
    assert (hint or "") in (found[0].hint or "")


def test_an_error_becomes_a_finding_for_each_problem() -> None:
    with pytest.raises(DocumentError) as caught:
        directory("id: A, name: A, ring: pilot", "id: b")
    assert [one.line for one in of_error(caught.value)] == [2, 3, 3]
    assert of_error(InputError("no", file="f", line=3, hint="h")) == [Finding("error", "no", "f", 3, hint="h")]


def test_findings_are_told_in_the_order_of_their_lines() -> None:
    places: list[Any] = [("b", 1), ("a", 9), (None, None), ("a", 2)]
    found = in_order(Finding("error", "x", file, line) for file, line in places)
    assert [(one.file, one.line) for one in found] == [(None, None), ("a", 2), ("a", 9), ("b", 1)]
    assert [str(one) for one in found[:2]] == ["error: x", "a:2: error: x"]


def test_a_finding_for_a_program_has_every_key() -> None:
    assert Finding("warning", "m").record() == {
        "level": "warning", "message": "m", "file": None, "line": None, "tenant": None, "hint": None,
    }  # fmt: skip
