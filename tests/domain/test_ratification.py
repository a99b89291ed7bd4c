"""What a file gives needs those who have it now; what it takes away counts at once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.approvers import Approvers
from stationmaster.domain.documents import read
from stationmaster.domain.product import Product
from stationmaster.domain.ratification import (
    InForce,
    RatifiedErasedError,
    approvers_content,
    approvers_in_force,
    content_digest,
    narrowed,
    policy_content,
)
from tests.questions import AT
from tests.shop import PRODUCT, product

KEYS = [{"ed25519": letter * 43 + "="} for letter in "EIMQU"]


def file(**rosa: Any) -> Approvers:
    plain = {"id": "rosa", "name": "Rosa", "emails": ["r@x"], "roles": ["approver", "dba"], "keys": KEYS[:2]}
    robot = {"id": "robot", "predicates": ["https://a/*"], "keys": [KEYS[4]]}
    return Approvers.model_validate({"people": [{**plain, **rosa}], "services": [robot]})


RATIFIED = file()
FACT = {"digest": content_digest(approvers_content(RATIFIED))}
PERSONAL = {"approvers": approvers_content(RATIFIED)}


def in_force(now: Approvers) -> Approvers:
    return approvers_in_force(FACT, PERSONAL, now)


def test_the_same_file_is_in_force_as_it_is() -> None:
    assert in_force(file()) == RATIFIED
    assert approvers_in_force(FACT, None, file()) == RATIFIED  # though who they are was erased


def test_nothing_new_counts_before_it_is_ratified() -> None:
    bigger = file(roles=["approver", "dba", "boss"], keys=[*KEYS[:2], KEYS[2]], github="mallory", emails=["r@x", "m@x"])
    (rosa,) = in_force(bigger).people
    assert (rosa.roles, len(rosa.keys), rosa.github, rosa.emails) == (("approver", "dba"), 2, None, ("r@x",))


def test_somebody_new_is_nobody_yet() -> None:
    more = Approvers.model_validate(
        {"people": [*file().model_dump(mode="json", by_alias=True)["people"], {"id": "eve", "name": "Eve"}]}
    )
    assert [one.id for one in in_force(more).people] == ["rosa"]


def test_what_the_file_takes_away_counts_at_once() -> None:
    smaller = file(roles=["dba"], keys=[{**KEYS[0], "until": "2026-01-01"}], until="2026-07-01")
    (rosa,) = in_force(smaller).people
    assert rosa.roles == ("dba",)
    assert [key.valid(AT) for key in rosa.keys] == [False]
    assert rosa.until is not None


@pytest.mark.parametrize("account", ["github", "gitlab", "slack"])
def test_an_account_that_the_file_takes_away_counts_no_more(account: str) -> None:
    before = file(**{account: "rosa-r"})
    (rosa,) = narrowed(before, file()).people
    assert getattr(rosa, account) is None
    assert getattr(narrowed(before, before).people[0], account) == "rosa-r"


def test_who_left_the_file_stays_known_as_an_author_and_may_nothing() -> None:
    gone = Approvers.model_validate({"people": [{"id": "ben", "name": "Ben"}]})
    found = in_force(gone)
    rosa = found.person("r@x")
    assert rosa is not None
    assert (rosa.roles, rosa.keys) == ((), ())
    assert found.services[0].keys == ()


def test_an_address_that_moves_to_somebody_else_stays_where_it_was() -> None:
    moved = Approvers.model_validate(
        {"people": [{"id": "rosa", "name": "Rosa"}, {"id": "x", "name": "X", "emails": ["r@x"]}]}
    )
    author = in_force(moved).person("r@x")
    assert author is not None
    assert author.id == "rosa"


def test_a_service_attests_no_more_than_both_say() -> None:
    listed = file().model_dump(mode="json", by_alias=True)
    listed["services"][0]["predicates"] = ["https://a/*", "https://b/*"]
    assert in_force(Approvers.model_validate(listed)).services[0].predicates == ("https://a/*",)


def test_what_was_erased_and_changed_is_in_force_for_nobody() -> None:
    with pytest.raises(RatifiedErasedError):
        approvers_in_force(FACT, None, file(roles=["boss"]))


ROLES = st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=3)
SOME = st.lists(st.sampled_from(KEYS[:4]), unique_by=str, max_size=4)


@given(ROLES, ROLES, SOME, SOME)
def test_nobody_ever_has_what_was_not_ratified_nor_what_the_file_took(
    had: list[str], has: list[str], keys: list[dict[str, str]], left: list[dict[str, str]]
) -> None:
    (found,) = narrowed(file(roles=had, keys=keys), file(roles=has, keys=left)).people
    assert set(found.roles) == set(had) & set(has)
    assert {key.ed25519 for key in found.keys} == {k["ed25519"] for k in keys} & {k["ed25519"] for k in left}


@pytest.mark.parametrize(
    "line",
    ["approvals: {deploy: {release-approver: 2}}", "hard_limits: {availability: {max_bad: 0.5, min_count: 20}}",
     "hotfix: {approvals: {release-approver: 2}}", "require_ticket: true", "retention: {logs: 1d}",
     "scans: {secrets: {scan: false}}", "build: {command: [evil], output: x}"],
)  # fmt: skip
def test_whatever_guards_a_release_is_policy(line: str) -> None:
    kept = [one for one in PRODUCT.splitlines() if one.partition(":")[0] != line.partition(":")[0]]
    other = read(Product, "\n".join([*kept, line]), "stationmaster.yaml").value
    assert content_digest(policy_content(other)) != content_digest(policy_content(product()))


def test_what_does_not_is_none() -> None:
    other = product().model_copy(update={"slot": 60, "journeys": product().journeys * 2})
    assert content_digest(policy_content(other)) == content_digest(policy_content(product()))


def test_the_rules_come_back_as_they_were() -> None:
    assert InForce.of(policy_content(product())).rules == product().rules


def test_what_an_older_policy_asked_for_acts_that_are_not_there_was_never_in_force() -> None:
    content = policy_content(product())
    rules = [
        {"action": "restore", "environment": None, "kind": None, "quorum": {"qa": 1}},
        {"action": "deploy", "environment": "stage", "kind": None, "quorum": {"qa": 1}},
        {"action": "deploy", "environment": "production", "kind": None, "quorum": {"ops": 1}},
    ]
    older = {**content["approvals"], "contract": None, "restore": {"qa": 1}, "rules": rules}
    assert InForce.of({**content, "approvals": older}).rules.quorum("manual") == {"ops": 1, "release-approver": 1}
