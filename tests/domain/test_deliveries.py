"""Merged is what the host calls merged, on the event of the merge, into a watched branch. Nothing else is."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.deliveries import DeliveryError, Ignored, MergedChange, delivery_id, understood
from stationmaster.domain.duration import instant
from stationmaster.domain.hooks import Hook
from tests.hook_deliveries import GITHUB, GITLAB, PAYLOADS, Event, body_of, event_of, merged, put

HUB = Hook.model_validate({"host": "github", "product": "shop", "secret": "x", "base": ["main", "master"]})
LAB = Hook.model_validate({"host": "gitlab", "product": "shop", "secret": "x"})
PULL = {"x-github-event": "pull_request"}


def hub(event: Event) -> MergedChange | Ignored:
    return understood(HUB, PULL, body_of(event))


def lab(name: str, **changed: Any) -> MergedChange | Ignored:
    event = json.loads((PAYLOADS / f"gitlab/merge_request.{name}.json").read_bytes())
    for path, value in changed.items():
        put(event, path.replace("__", "."), value)
    return understood(LAB, {}, body_of(event))


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_no_published_example_of_github_is_merged_and_each_says_why(path: Path) -> None:
    found = understood(HUB, {"x-github-event": event_of(path)}, path.read_bytes())
    assert isinstance(found, Ignored)
    closed = json.loads(path.read_bytes()).get("action") == "closed"
    assert (found.reason == "the pull request was closed and not merged") is closed


def test_githubs_closed_examples_name_a_merge_commit_and_are_not_merged() -> None:
    """What makes them worth having: whoever trusts `merge_commit_sha` releases what was thrown away."""
    closed = [json.loads(path.read_bytes()) for path in GITHUB if ".closed" in path.name]
    assert len(closed) == 2
    assert all(event["pull_request"]["merge_commit_sha"] for event in closed)


def test_the_same_example_merged_is_a_change_with_all_that_is_needed() -> None:
    found = hub(merged(2))
    assert isinstance(found, MergedChange)
    assert found.model_dump(exclude={"merge_commit", "merged_at"}) == {
        "product": "shop",
        "host": "github",
        "repository": "Codertocat/Hello-World",
        "number": 2,
        "title": "Update the README with new information.",
        "author": "Codertocat",
        "base": "master",
        "head": "changes",
        "url": "https://github.com/Codertocat/Hello-World/pull/2",
        "labels": ("bug",),
    }
    assert found.key == f"shop@{found.merge_commit}"
    assert instant(found.merged_at) == "2026-11-20T14:31:08Z"


@pytest.mark.parametrize("merged_is", [False, None, "true", 1, "yes", {}, []])
def test_only_true_is_merged(merged_is: object) -> None:
    assert isinstance(hub(merged(pull_request__merged=merged_is)), Ignored)


@pytest.mark.parametrize("action", ["edited", "labeled", "synchronize", None, 7, ["closed"]])
def test_a_merged_pull_request_that_is_touched_again_is_not_merged_again(action: object) -> None:
    assert isinstance(hub(merged(action=action)), Ignored)


def test_a_merge_into_another_branch_names_it_and_what_is_watched() -> None:
    found = hub(merged(pull_request__base__ref="feature"))
    assert found == Ignored("merged into 'feature'; the hook watches main, master")


def test_a_deleted_account_is_a_ghost() -> None:
    found = hub(merged(pull_request__user=None))
    assert isinstance(found, MergedChange)
    assert found.author == "ghost"


def test_labels_are_kept_in_their_order() -> None:
    found = hub(merged(pull_request__labels=[{"name": "hotfix"}, {"name": "Ångström"}]))
    assert isinstance(found, MergedChange)
    assert found.labels == ("hotfix", "Ångström")


@pytest.mark.parametrize(
    "path",
    [
        "repository.full_name", "pull_request.number", "pull_request.title", "pull_request.user.login",
        "pull_request.base.ref", "pull_request.head.ref", "pull_request.merge_commit_sha", "pull_request.merged_at",
        "pull_request.html_url",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [..., None])
def test_a_merge_that_lacks_something_says_what(path: str, value: object) -> None:
    with pytest.raises(DeliveryError) as caught:
        hub(put(merged(), path, value))
    assert str(caught.value) == f"it says merged and lacks {path}"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("pull_request.number", "2", "number: "),
        ("pull_request.number", True, "number: "),
        ("pull_request.number", 0, "number: "),
        ("pull_request.merge_commit_sha", "HEAD", "merge_commit: "),
        ("pull_request.merge_commit_sha", "a" * 41, "merge_commit: "),
        ("pull_request.merged_at", "2026-11-20T14:31:08", "merged_at: "),
        ("pull_request.merged_at", "yesterday", "merged_at: "),
        ("pull_request.merged_at", "0001-01-01T00:00:00+14:00", "merged_at: "),
        ("pull_request.html_url", "javascript:alert(1)", "url: "),
        ("pull_request.head.ref", "a\nb", "head: "),
        ("pull_request.head.ref", "\ud800", "head: "),
        ("pull_request.title", "\ud800", "title: "),
        ("pull_request.title", "x" * 10_001, "title: "),
        ("pull_request.labels", [{"name": 1}], "labels.0: "),
        ("pull_request.labels", {"name": 1}, "labels: "),
        ("pull_request.labels", [{"name": "bug"}, {"name": "\ud800"}], "labels.1: "),
        ("pull_request.base", [], "pull_request.base.ref"),
    ],
)
def test_a_merge_that_makes_no_sense_says_where(path: str, value: object, said: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        hub(put(merged(), path, value))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300, "what a stranger wrote is not repeated"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b"null", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000, b"NaN"]
)
def test_a_body_that_is_no_object_says_so(body: bytes) -> None:
    for hook in (HUB, LAB):
        with pytest.raises(DeliveryError, match="the body is not"):
            understood(hook, PULL, body)


def test_without_its_kind_nothing_is_understood() -> None:
    with pytest.raises(DeliveryError, match="X-GitHub-Event"):
        understood(HUB, {}, body_of(merged()))
    with pytest.raises(DeliveryError, match="object_kind"):
        understood(LAB, {}, b"{}")


ACCEPTED = {"merge", "merge-fast-forward", "merge-squash", "merge-older", "merge-author-unnamed"}


@pytest.mark.parametrize("path", GITLAB, ids=lambda path: path.stem)
def test_of_gitlabs_events_the_merged_ones_are_changes(path: Path) -> None:
    found = understood(LAB, {}, path.read_bytes())
    assert isinstance(found, MergedChange) is (path.stem.partition(".")[2] in ACCEPTED)
    assert isinstance(found, MergedChange) or found.reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("close", "what was done to the merge request is 'close', not merge"),
        ("close-after-merge-attempt", "what was done to the merge request is 'close', not merge"),
        ("update-commits", "what was done to the merge request is 'update', not merge"),
        ("test-of-the-hook", "nothing was done to the merge request: a test of the hook"),
        ("merge-other-branch", "merged into 'feature/totals'; the hook watches main"),
    ],
)
def test_gitlabs_others_say_why_not(name: str, reason: str) -> None:
    assert lab(name) == Ignored(reason)


def test_a_merge_that_gitlab_began_and_did_not_end_is_none() -> None:
    assert lab("merge", object_attributes__state="locked") == Ignored("the merge request is 'locked', not merged")


@pytest.mark.parametrize(
    ("name", "commit"),
    [
        ("merge", "9b2e4d6f80a1c3e5f7091b2d4f6a8c0e1d3f5b79"),
        ("merge-squash", "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"),
        ("merge-fast-forward", "3f1c0a6be2d94c57a8b1f0e2d3c4b5a697887766"),
    ],
)
def test_the_merged_commit_is_what_gitlab_calls_so(name: str, commit: str) -> None:
    found = lab(name)
    assert isinstance(found, MergedChange)
    assert found.merge_commit == commit


def test_a_squash_whose_commit_is_not_named_is_not_taken_for_the_branchs_last() -> None:
    with pytest.raises(DeliveryError, match=r"lacks object_attributes\.merge_commit_sha"):
        lab("merge-squash", object_attributes__squash_commit_sha=None)


@pytest.mark.parametrize(("name", "author"), [("merge", "ana"), ("merge-author-unnamed", "id:55")])
def test_gitlabs_author_is_named_where_the_event_knows_them(name: str, author: str) -> None:
    """Ben merged it: who merges is not who wrote it."""
    found = lab(name)
    assert isinstance(found, MergedChange)
    assert (found.author, found.labels, found.repository, found.number) == (author, ("billing",), "acme/shop", 87)


def test_older_gitlabs_write_the_zone_out() -> None:
    found = lab("merge-older")
    assert isinstance(found, MergedChange)
    assert instant(found.merged_at) == "2026-11-20T14:31:08Z"


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("project", "project.path_with_namespace"),
        ("object_attributes.iid", "object_attributes.iid"),
        ("object_attributes.author_id", "object_attributes.author_id"),
        ("object_attributes.target_branch", "object_attributes.target_branch"),
        ("object_attributes.updated_at", "object_attributes.updated_at"),
        ("object_attributes.url", "object_attributes.url"),
    ],
)
def test_a_merge_of_gitlabs_that_lacks_something_says_what(path: str, named: str) -> None:
    with pytest.raises(DeliveryError, match=f"it says merged and lacks {named}"):
        lab("merge", **{path.replace(".", "__"): ...})


@pytest.mark.parametrize(
    ("hook", "headers", "known"),
    [
        (HUB, {"x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}, "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        (LAB, {"idempotency-key": "k"}, "k"),
        (LAB, {"webhook-id": "w", "idempotency-key": "k"}, "w"),
        (LAB, {"x-gitlab-event-uuid": "u"}, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ],
)
def test_a_delivery_is_called_what_its_host_calls_it(hook: Hook, headers: dict[str, str], known: str) -> None:
    assert delivery_id(hook.host, headers, b"") == known


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 201, "caf\xe9", "\x00"])
def test_a_delivery_of_github_without_a_usable_id_is_refused(given: str | None) -> None:
    with pytest.raises(DeliveryError, match="x-github-delivery"):
        delivery_id("github", {} if given is None else {"x-github-delivery": given}, b"")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
places = (
    "action", "pull_request", "pull_request.base", "pull_request.base.ref", "pull_request.user", "repository",
    "pull_request.labels", "pull_request.number", "pull_request.merged_at", "pull_request.title", "pull_request.merged",
)  # fmt: skip
lab_places = (
    "object_kind", "object_attributes", "object_attributes.action", "object_attributes.state", "labels", "user",
    "assignees", "project", "object_attributes.last_commit", "object_attributes.updated_at", "object_attributes.iid",
    "object_attributes.author_id", "object_attributes.merge_commit_sha",
)  # fmt: skip


def outcome(hook: Hook, event: Event) -> MergedChange | Ignored | DeliveryError:
    try:
        return understood(hook, PULL, body_of(event))
    except DeliveryError as error:
        return error


@given(st.sampled_from(places), anything)
def test_whatever_github_says_somewhere_is_a_change_ignored_or_refused(place: str, value: object) -> None:
    found = outcome(HUB, put(merged(), place, value))
    assert not isinstance(found, Ignored) or found.reason.isprintable()


@given(st.sampled_from(lab_places), anything)
def test_whatever_gitlab_says_somewhere_is_a_change_ignored_or_refused(place: str, value: object) -> None:
    event = json.loads((PAYLOADS / "gitlab/merge_request.merge-fast-forward.json").read_bytes())
    found = outcome(LAB, put(event, place, value))
    assert not isinstance(found, Ignored) or found.reason.isprintable()
