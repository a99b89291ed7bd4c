"""The examples in the pages of these subjects are true: they load, and each rule and word is there."""

import re
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from stationmaster.domain.approval import Rule
from stationmaster.domain.approval_statement import statement
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.canary import Cause, Word
from stationmaster.domain.documents import DocumentError, check_directory, read
from stationmaster.domain.fragments import KINDS, read_fragment
from stationmaster.domain.migration_old_code import _COMMANDS
from stationmaster.domain.product import Product
from stationmaster.domain.scans import Ignored, Scans, Secrets, Vulnerabilities
from stationmaster.domain.tenants import Directory

DOCS = Path(__file__).parents[2] / "docs/reference"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def test_the_files_of_the_configuration_page_load() -> None:
    product, tenants, approvers = blocks("configuration.md", "yaml")
    check_directory(read(Product, product, "p").value, read(Directory, tenants, "t"))
    assert read(Approvers, approvers, "a").value.people[0].id == "rosa"


@pytest.mark.parametrize(
    ("right", "wrong"), [("command: [python, -m, u", "comand: [python, -m, u"), ("watch: 5m", "watch: 5 min")]
)
def test_the_messages_of_the_configuration_page_are_what_is_said(right: str, wrong: str) -> None:
    text = blocks("configuration.md", "yaml")[0].replace(right, wrong)
    with pytest.raises(DocumentError) as caught:
        read(Product, text, "stationmaster.yaml")
    said = next(line for line in str(caught.value).splitlines() if "missing key" not in line)
    assert said in (DOCS / "configuration.md").read_text()


def test_the_statement_of_the_approvals_page_is_what_is_signed() -> None:
    shown, _status = blocks("approvals.md", "json")
    assert shown.strip().encode() == statement("r1", f"sha256:{'a' * 64}", f"sha256:{'c' * 64}")


def test_the_fragment_of_the_brief_page_is_one() -> None:
    (shown,) = blocks("brief.md", "markdown")
    assert read_fragment(shown, "changes/od-17.md").support["macro"] == "totals"


def test_the_rules_of_the_scans_page_load_and_every_key_is_in_them() -> None:
    (shown,) = blocks("scans.md", "yaml")
    (product, *_) = blocks("configuration.md", "yaml")
    scans = read(Product, product + shown, "p").value.scans
    assert scans.vulnerabilities.ignored(["CVE-2024-3651"], date(2027, 1, 14)) is not None
    for model in (Scans, Secrets, Vulnerabilities, Ignored):
        assert [key for key in model.model_fields if not re.search(rf"\b{key}:", shown)] == []


def test_every_rule_verdict_cause_and_kind_is_explained() -> None:
    for page, words in (
        ("approvals.md", get_args(Rule)),
        ("canary.md", (*get_args(Word), *get_args(Cause))),
        ("brief.md", KINDS),
        ("migrations.md", [one.rule for one in _COMMANDS.values() if not one.rule.startswith("drop_")]),
    ):
        text = (DOCS / page).read_text()
        assert [word for word in words if f"`{word}`" not in text] == []
