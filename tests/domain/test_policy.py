"""Quorums per action, environment and kind: the union of roles, and of each the most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stationmaster.domain.policy import Action, Policy, Rules

POLICY = Policy.model_validate(
    {
        "deploy": {"approver": 1},
        "migrate": {"dba": 1},
        "rules": [
            {"action": "deploy", "kind": "hotfix", "quorum": {"approver": 2, "on-call": 1}},
            {"action": "deploy", "kind": "train", "quorum": {"approver": 3}},
            {"action": "flag", "quorum": {"pm": 1}},
        ],
        "emergency": {"role": "commander"},
    }
)


@pytest.mark.parametrize(
    ("action", "kind", "asked"),
    [
        ("deploy", "manual", {"approver": 1}),
        ("deploy", "hotfix", {"approver": 2, "on-call": 1}),
        ("deploy", "train", {"approver": 3}),
        ("migrate", None, {"dba": 1}),
        ("flag", "hotfix", {"pm": 1}),
        ("policy", None, {"approver": 1}),
        ("waiver", None, {}),
    ],
)
def test_what_fits_is_asked_for(action: Action, kind: str | None, asked: dict[str, int]) -> None:
    assert POLICY.quorum(action, kind) == asked


def test_who_changes_a_schema_or_flags_asks_for_more() -> None:
    rules = Rules(POLICY, {"on-call": 1})
    assert rules.quorum("manual") == {"approver": 1}
    assert rules.quorum("manual", migrates=True) == {"approver": 1, "dba": 1}
    assert rules.quorum("manual", flags=True) == {"approver": 1, "pm": 1}
    assert rules.quorum("manual", flags=True, migrates=True) == {"approver": 1, "dba": 1, "pm": 1}
    assert rules.quorum("hotfix", migrates=True) == {"approver": 2, "dba": 1, "on-call": 1}
    assert Rules(POLICY).quorum("hotfix") == {"approver": 2, "on-call": 1}


def test_what_a_hotfix_asks_takes_the_place_of_deploy_and_of_no_rule() -> None:
    rules = [{"action": "deploy", "kind": "hotfix", "quorum": {"security": 2}},
             {"action": "deploy", "quorum": {"on-call": 2}},
             {"action": "deploy", "kind": "train", "quorum": {"qa": 1}}]  # fmt: skip
    policy = Policy.model_validate({"deploy": {"approver": 2}, "rules": rules})
    assert Rules(policy, {"on-call": 1}).quorum("hotfix") == {"on-call": 2, "security": 2}
    assert Rules(policy).quorum("hotfix") == {"approver": 2, "on-call": 2, "security": 2}
    assert Rules(policy, {"on-call": 1}).quorum("manual") == {"approver": 2, "on-call": 2}


@pytest.mark.parametrize("kind", ["manual", "train", "hotfix"])
def test_what_a_release_of_any_kind_may_ask_for_at_most_is_among_every_quorum(kind: str) -> None:
    """Each alone could be met; all of them together is what a release asks that changes all."""
    rules = [{"action": "deploy", "kind": kind, "quorum": {"a": 1}}, {"action": "flag", "quorum": {"b": 1}}]
    policy = Policy.model_validate({"deploy": {"d": 1}, "migrate": {"c": 1}, "policy": {"e": 1}, "rules": rules})
    every = list(Rules(policy).every())
    assert ("deploy with migrate, flag, policy", {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}) in every
    assert ("deploy with migrate, flag, policy", {"b": 1, "c": 1, "d": 1, "e": 1}) in every
    hotfix = [quorum for _, quorum in Rules(policy, {"h": 1}).every() if "h" in quorum]
    assert {"d", "h"} not in [set(quorum) for quorum in hotfix], "what a hotfix asks takes the place of deploy"


def test_every_role_is_known() -> None:
    assert POLICY.roles() == {"approver", "dba", "on-call", "pm", "commander"}


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 4), min_size=1), max_size=4))
def test_each_rule_that_fits_is_met_whenever_the_whole_is(quorums: list[dict[str, int]]) -> None:
    rules = [{"action": "deploy", "quorum": one} for one in quorums]
    found = Policy.model_validate({"deploy": {"a": 1}, "rules": rules}).quorum("deploy")
    assert all(found[role] >= count for one in [*quorums, {"a": 1}] for role, count in one.items())
    assert all(any(one.get(role) == count for one in [*quorums, {"a": 1}]) for role, count in found.items())


@pytest.mark.parametrize(
    "wrong", [{}, {"deploy": {}}, {"deploy": {"a": 0}}, {"deploy": {"A B": 1}}, {"deploy": {"a": 1}, "deplo": {"a": 1}},
              {"deploy": {"a": 1}, "rules": [{"action": "fly", "quorum": {"a": 1}}]},
              {"deploy": {"a": 1}, "release_signer": "anybody"}],
)  # fmt: skip
def test_a_policy_that_is_none(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(wrong)
