"""What `scans:` may say, what it says when it is silent, and what a refusal tells."""

import contextlib
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.documents import DocumentError, read
from stationmaster.domain.product import Product
from stationmaster.domain.scans import (
    BaselineUnreadableError,
    Scans,
    Secret,
    SecretsFoundError,
    VulnerabilitiesFoundError,
    allowed,
)
from tests.shop import PRODUCT

HASH = "a" * 40


def scans(text: str) -> Scans:
    return read(Product, f"{PRODUCT}scans: {text}\n", "stationmaster.yaml").value.scans


def test_silence_looks_for_secrets_and_knows_no_database() -> None:
    silent = read(Product, PRODUCT, "stationmaster.yaml").value.scans
    assert (silent.secrets.scan, silent.secrets.entropy) == (True, False)
    assert (silent.vulnerabilities.database, silent.vulnerabilities.required) == (None, False)
    assert (silent.vulnerabilities.fail_on, silent.vulnerabilities.stale) == ("high", "refuse")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{sbom: /etc/passwd}", "must lie in the export"),
        ("{sbom: ../x}", "must lie in the export"),
        ("{sbom: ''}", "must lie in the export"),
        ("{vulnerabilities: {database: osv}}", "begins with /"),
        ("{vulnerabilities: {fail_on: hihg}}", "did you mean 'high'"),
        ("{vulnerabilities: {max_age: 3}, secret: {}}", "did you mean 'secrets'"),
        ("{vulnerabilities: {ignore: [{id: CVE-1, until: 2027-01-01}]}}", "missing key 'reason'"),
        ("{vulnerabilities: {ignore: [{id: CVE-1, reason: unused}]}}", "missing key 'until'"),
        ("{vulnerabilities: {ignore: [{id: CVE-1, reason: '', until: 2027-01-01}]}}", "reason"),
        ("{vulnerabilities: {ignore: [{id: CVE-1, reason: x, until: 17280000}]}}", "17280000 is no date"),
        ("{vulnerabilities: {ignore: [{id: CVE-1, reason: x, until: '17280000'}]}}", "is no date"),
    ],
)
def test_what_may_not_be_said_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(DocumentError) as wrong:
        scans(text)
    assert said in str(wrong.value)
    assert wrong.value.line == PRODUCT.count("\n") + 1


def test_an_ignored_advisory_counts_again_on_its_day_and_under_any_of_its_ids() -> None:
    asked = scans("{vulnerabilities: {ignore: [{id: CVE-1, reason: unused, until: 2027-01-01}]}}").vulnerabilities
    excused = asked.ignored(["GHSA-x", "CVE-1"], date(2026, 12, 31))
    assert excused is not None
    assert excused.reason == "unused"
    assert asked.ignored(["CVE-1"], date(2027, 1, 1)) is None
    assert asked.ignored(["CVE-11"], date(2026, 12, 31)) is None


def test_a_baseline_allows_what_nobody_called_a_true_secret() -> None:
    row = {"type": "Secret Keyword", "filename": "a.py", "hashed_secret": HASH, "line_number": 3}
    rows = [row, {**row, "hashed_secret": "b", "is_secret": True}, {**row, "hashed_secret": "c", "is_secret": False}]
    text = json.dumps({"version": "1.5.0", "plugins_used": [], "results": {"a.py": rows}})
    assert allowed(text) == {("a.py", "Secret Keyword", HASH), ("a.py", "Secret Keyword", "c")}
    assert allowed(None) == frozenset()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"results": []}', '{"results": {"a": [1]}}', '{"results": {"a": [{}]}}', "[" * 9999],
)
def test_what_is_no_baseline_is_said(text: str) -> None:
    with pytest.raises(BaselineUnreadableError) as wrong:
        allowed(text)
    assert wrong.value.file == ".secrets.baseline"


@given(st.text())
def test_no_text_breaks_the_reading_of_a_baseline(text: str) -> None:
    with contextlib.suppress(BaselineUnreadableError):
        assert allowed(text) == frozenset()


def test_a_refusal_names_places_and_the_way_out_and_never_a_secret() -> None:
    found = tuple(Secret(f"f{number:02}.py", 7, "AWS Access Key", HASH) for number in range(23))
    error = SecretsFoundError(found)
    assert error.message.startswith("the change adds 23 secrets:\n  f00.py:7 AWS Access Key\n")
    assert error.message.endswith("  … and 3 more")
    assert (error.file, error.line) == ("f00.py", 7)
    assert "pragma: allowlist secret" in str(error.hint)
    assert HASH not in f"{error} {error.hint}"


def test_vulnerabilities_are_told_one_a_line() -> None:
    assert VulnerabilitiesFoundError(["a 1: CVE-1 (high)"]).message == (
        "the artifact has 1 known vulnerability:\n  a 1: CVE-1 (high)"
    )
