"""What of the evidence store belongs to a release: told by its facts, called by a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.container import is_name
from stationmaster.domain.entries import STEPS
from stationmaster.domain.kept import ROWS, SBOM, Kept, kept
from tests.entries import story

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def names(*steps: str | tuple[str, str], **facts: dict[str, object]) -> dict[str, str]:
    return {one.name: one.digest for one in kept(story(*steps, facts=facts))}


@pytest.mark.parametrize(
    ("step", "fact", "expected"),
    [
        ("built", {"digest": A, "log": B}, {"logs/0-build.log": B}),
        (
            "tested",
            {"checks": [{"name": "smoke", "log": A}, {"name": "All tests", "log": B, "report": C}]},
            {"logs/0-test-smoke.log": A, "logs/0-test-all-tests.log": B, "reports/0-all-tests.junit.xml": C},
        ),
        (("expanded", "cloud"), {"log": A, "sql": B}, {"logs/0-migrate-cloud.log": A, "migrations/0-cloud.sql": B}),
        (("deployed", "acme"), {"digest": A, "log": B}, {"logs/0-deploy-acme.log": B}),
        (
            "scanned",
            {"sbom": {"digest": A}, "vulnerabilities": {"digest": B}, "secrets": {"digest": C}},
            {SBOM: A, "scans/0-vulnerabilities.json": B, "scans/0-secrets.json": C},
        ),
        (("attested", "built/r1"), {"of": 3, "envelope": A}, {"attestations/0-built-r1.intoto.jsonl": A}),
        ("approved", {"mandate": A}, {}),
        (("consented", "acme"), {"by": "by record", "digest": A, "proof": B}, {"consents/0-acme": B}),
        (("declined", "acme"), {"by": "by record", "digest": A, "proof": B}, {"consents/0-acme": B}),
        (("consented", "acme"), {"by": "by link", "digest": A, "proof": B}, {}),
        ("told", {"picture": {"large": A}}, {"other/0-picture-large": A}),
    ],
)
def test_each_kind_has_its_name(step: str | tuple[str, str], fact: dict[str, object], expected: dict[str, str]) -> None:
    assert names(step, **{step if isinstance(step, str) else step[0]: fact}) == expected


def test_the_newest_bill_of_materials_is_the_one() -> None:
    found = kept(story("scanned", "scanned", facts={"scanned": {"sbom": {"digest": A}}}))
    assert [one.name for one in found] == ["scans/0-sbom.cdx.json", SBOM]


def test_an_entry_says_which_file_it_told_of() -> None:
    assert kept(story("cut", "built", facts={"built": {"log": B}})) == (Kept(1, "log", "log", "logs/1-build.log", B),)


def test_rows_are_about_steps_of_the_ledger() -> None:
    assert {row.step for row in ROWS} <= set(STEPS)


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_a_check_or_a_subject_is_called_the_file_has_a_name(subject: str, name: str) -> None:
    fact = {"checks": [{"name": name, "log": A}], name: B}
    entries = [*story(("tested", subject), ("attested", subject), facts={"tested": fact, "attested": {"envelope": C}})]
    assert all(is_name(one.name) for one in kept(entries))


def test_two_checks_whose_names_are_written_alike_keep_their_files() -> None:
    checks = [{"name": "all tests", "log": A}, {"name": "All/Tests", "log": B}, {"name": "all-tests", "log": A}]
    assert names("tested", tested={"checks": checks}) == {
        "logs/0-test-all-tests.log": A,
        "logs/0-test-all-tests-2.log": B,
    }
