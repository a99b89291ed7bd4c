"""A milestone is reached when each of its facts stands, and says by which entries."""

from typing import Any

import pytest
from pydantic import ValidationError

from stationmaster.domain.documents import DocumentError, read
from stationmaster.domain.entries import OBSERVED, STEPS
from stationmaster.domain.milestones import _OF_A_TENANT, Gate, Milestone, reached
from stationmaster.domain.product import Product
from tests.accounts import Account, good
from tests.shop import PRODUCT, product


def of(*steps: str, tenant: str | None = None) -> Milestone:
    return Milestone.model_validate({"title": "M3: acceptance", "steps": steps, "tenant": tenant})


def asked(account: Account, milestone: Milestone) -> tuple[str | None, dict[str, int], tuple[str, ...]]:
    found = reached("m3", milestone, "r1", account.of())
    assert found.reached is (found.at is not None)
    return found.at, found.entries, found.missing


def index(account: Account, step: str, subject: str = "r1") -> int:
    return next(entry.index for entry in account.entries if (entry.step, entry.subject) == (step, subject))


def test_it_is_reached_when_its_last_step_was_recorded() -> None:
    account = good()
    at, entries, missing = asked(account, of("approved", "tested"))
    assert entries == {"approved": index(account, "approved"), "tested": index(account, "tested")}
    assert (at, missing) == (account.entries[index(account, "approved")].at, ())


def test_what_is_missing_is_named_and_what_stands_is_told() -> None:
    account = good()
    assert asked(account, of("built", "closed", "merged_back")) == (
        None,
        {"built": index(account, "built")},
        ("closed", "merged_back"),
    )


def test_what_was_undone_is_not_reached_any_more() -> None:
    account = good()
    account.tell("mandated", {"digest": "x"})
    account.go_back()
    assert asked(account, of("approved"))[2] == ("approved",)
    assert asked(account, of("released"))[2] == ("released",)


def test_a_deployment_is_that_of_its_tenant() -> None:
    account = good()
    assert asked(account, of("deployed", tenant="cedar"))[1] == {"deployed": index(account, "deployed", "cedar")}
    account.go_back(tenants=("cedar",))
    assert asked(account, of("deployed", tenant="cedar"))[2] == ("deployed",)
    assert asked(account, of("deployed", tenant="acme"))[2] == ()
    assert asked(account, of("deployed", tenant="nobody"))[2] == ("deployed",)


def test_what_another_release_does_to_the_tenant_takes_nothing_away() -> None:
    account = good()
    account.deploy("r2")
    assert asked(account, of("deployed", tenant="acme"))[2] == ()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"steps": ["deployed"]}, "say which with `tenant`"),
        ({"steps": ["built"], "tenant": "acme"}, "`tenant` needs one of"),
        ({"steps": []}, "at least 1"),
        ({"steps": ["flew"]}, "'built'"),
        ({"steps": ["verdict"]}, "'built'"),
        ({"steps": ["built"], "title": ""}, "at least 1"),
        ({"steps": ["built"], "until": "x"}, "not permitted"),
    ],
)
def test_a_milestone_that_could_not_be_told_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Milestone.model_validate({"title": "M", **wrong})


def test_its_steps_are_facts_of_a_release_and_what_is_of_a_tenant_is_known() -> None:
    gates = set(Gate.__args__)  # type: ignore[attr-defined]
    assert gates <= set(STEPS) - OBSERVED
    assert {step for step in gates if STEPS[step].startswith("the tenant in the subject")} == _OF_A_TENANT


def test_the_product_declares_them() -> None:
    text = f"{PRODUCT}milestones: {{m3: {{title: 'M3', steps: [tested, approved]}}}}\n"
    assert read(Product, text, "s").value.milestones["m3"].steps == ("tested", "approved")
    assert product().milestones == {}
    with pytest.raises(DocumentError, match="milestones"):
        read(Product, text.replace("tested", "testd"), "s")
