"""What a channel says: who, by the channel's own word, and which digest. Everything else is ignored or refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.channel import Voice, button, of_github, of_slack
from stationmaster.domain.deliveries import DeliveryError, Ignored
from tests.hook_deliveries import PAYLOADS, form_of, pressed, reviewed

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
VALUE = button("deploy", "r2", DIGEST, "Approve")["elements"][0]["value"]


def slack(**changed: Any) -> Voice | Ignored:
    return of_slack(form_of(pressed("U0BEN", VALUE, **changed)))


@pytest.mark.parametrize("action", ["deploy", "confirm"])
def test_our_button_says_which_release_and_digest_it_is_of(action: Any) -> None:
    (element,) = button(action, "r2", DIGEST, "Approve")["elements"]
    assert len(element["value"]) < 2000  # Slack takes no more
    body = form_of(pressed("U0BEN", element["value"], element["action_id"]))
    assert of_slack(body) == Voice("slack", "U0BEN", DIGEST, "r2", action, "1795420800.000100")


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "view_submission"}, {"actions": []}, {"actions": [{}, {}]}, {"actions": None}, {"actions": [1]},
        {"actions": [{"action_id": "theirs", "value": VALUE}]},
    ],
)  # fmt: skip
def test_what_is_no_press_of_our_button_is_ignored(changed: dict[str, Any]) -> None:
    assert isinstance(slack(**changed), Ignored)


@pytest.mark.parametrize(
    "value",
    ["", "{}", "[]", "1", '{"release": "r2"}', '{"release": 2, "digest": "x"}', '{"release":"r2","digest":"sha256:A"}',
     f'{{"release":"r2","digest":"{DIGEST}0"}}'],
)  # fmt: skip
def test_a_value_that_is_not_ours_is_refused(value: str) -> None:
    with pytest.raises(DeliveryError, match="value is not ours"):
        of_slack(form_of(pressed("U0BEN", value)))


@pytest.mark.parametrize("user", [{}, None, {"id": None}, {"id": ""}, {"id": "U 1"}, {"id": "x" * 101}, {"id": ["U"]}])
def test_a_press_that_does_not_say_by_whom_is_refused(user: Any) -> None:
    with pytest.raises(DeliveryError, match="who it was"):
        slack(user=user)


@pytest.mark.parametrize("ts", [None, "", "https://evil.example", "1.2.3", "-1.0", 5])
def test_a_thread_that_is_none_is_not_answered(ts: Any) -> None:
    found = slack(message={"ts": ts})
    assert isinstance(found, Voice)
    assert found.thread is None


@pytest.mark.parametrize("body", [b"", b"payload=", b"payload=[]", b"payload={}&payload={}", b"{}", b"\xff", b"a=1"])
def test_what_is_no_form_with_one_payload_is_refused(body: bytes) -> None:
    with pytest.raises(DeliveryError):
        of_slack(body)


KEYS = st.sampled_from(["type", "actions", "user", "id", "action_id", "value", "message", "ts"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.just("block_actions")


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_no_payload_breaks_it(told: Any) -> None:
    try:
        of_slack(form_of(told))
    except DeliveryError:
        return


def github(comment: str = f"ship it, {DIGEST}", **changed: Any) -> Voice | Ignored:
    return of_github("TST", reviewed("ben-hub", comment, **changed))


def test_an_approved_deployment_says_who_and_in_the_comment_what() -> None:
    assert github() == Voice("github", "ben-hub", DIGEST)
    assert github(f"{DIGEST}\n{DIGEST}") == Voice("github", "ben-hub", DIGEST)
    assert github(workflow_job_runs=[{"environment": "other"}, {"environment": "TST"}]) == Voice(
        "github", "ben-hub", DIGEST
    )


@pytest.mark.parametrize("comment", ["", "ship it", f"{DIGEST} {OTHER}", DIGEST[:-1], f"{DIGEST}0", f"x{DIGEST}", None])
def test_a_comment_that_names_no_one_mandate_says_nothing(comment: Any) -> None:
    assert isinstance(github(comment), Ignored)


@pytest.mark.parametrize(
    "changed",
    [
        {"action": "rejected"}, {"action": "requested"}, {"workflow_job_runs": []}, {"sender__login": "eve"},
        {"workflow_job_runs": [{"environment": "staging"}]}, {"workflow_job_runs": None}, {"sender": None},
    ],
)  # fmt: skip
def test_what_is_no_approval_of_that_environment_says_nothing(changed: dict[str, Any]) -> None:
    assert isinstance(github(**changed), Ignored)


def test_what_a_workflow_calls_itself_says_nothing() -> None:
    """Whoever may push a workflow writes its name, its title and what a deployment carries."""
    for path in ("name", "display_title", "path", "head_branch"):
        assert isinstance(github("ship it", **{f"workflow_run__{path}": DIGEST}), Ignored)


def test_the_published_request_for_a_review_is_no_approval() -> None:
    event = json.loads((PAYLOADS / "github/deployment_review.requested.json").read_bytes())
    assert of_github("TST", event) == Ignored("no deployment was approved")


def test_an_approval_by_nobody_is_refused() -> None:
    with pytest.raises(DeliveryError, match="who it was"):
        github(approver=None, sender=None)
