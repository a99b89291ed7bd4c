"""How long evidence is kept: what may be promised, and in which words it is shown."""

from typing import Any

import pytest

from stationmaster.domain.documents import DocumentError, read
from stationmaster.domain.product import Product
from stationmaster.domain.ratification import InForce, policy_content
from stationmaster.domain.retention import Retention, kept
from tests.shop import PRODUCT


def product(text: str) -> Product:
    return read(Product, f"{PRODUCT}retention: {text}\n", "stationmaster.yaml").value


def test_what_is_not_said_is_kept_as_long_as_the_defaults_say() -> None:
    assert kept(product("{logs: 90d, personal: 1y}").retention) == [
        "attestations: at least 7 years", "reports: at least 7 years", "scans: at least 7 years",
        "logs: at least 90 days", "personal: at least 1 year",
    ]  # fmt: skip
    assert read(Product, PRODUCT, "s").value.retention == Retention()


@pytest.mark.parametrize("term", ["7", "'7'", "0y", "7 years", "2w", "1.5y", "true", "-1d", "", "1000y"])
def test_a_term_is_years_or_days(term: str) -> None:
    with pytest.raises(DocumentError) as wrong:
        product(f"\n  logs: {term}")
    said = str(wrong.value)
    assert said.startswith(f"stationmaster.yaml:{len(PRODUCT.splitlines()) + 2}: retention.logs: ")
    assert "is not a term; write 7y or 400d" in said


def test_a_kind_of_evidence_that_there_is_not_names_the_nearest() -> None:
    with pytest.raises(DocumentError, match=r"unknown key 'log' in retention .*'logs'"):
        product("{log: 7y}")


def test_it_is_ratified_with_the_policy_and_an_older_policy_promised_nothing() -> None:
    content: dict[str, Any] = policy_content(product("{logs: 2y}"))
    assert InForce.of(content).retention == Retention(logs="2y")
    del content["retention"]
    assert InForce.of(content).retention is None
    assert kept(None) == ["no policy that is in force says how long"]
