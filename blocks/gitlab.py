"""How GitLab spells what a code host knows (REST API v4)."""

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from urllib.parse import quote

from stationmaster.blocks.hosting import (
    Api,
    Author,
    CodeHostRefusedError,
    Guard,
    Merged,
    MergedSince,
    PullRequest,
    Review,
    co_authors,
    once,
    since,
)
from stationmaster.domain.errors import OutsideError

URL = "https://gitlab.com/api/v4"
HEADERS = {"Accept": "application/json"}
_NOBODY = 0  # the access level "No one"
_NEEDS_PIPELINE, _SKIPPED_COUNTS = "only_allow_merge_if_pipeline_succeeds", "allow_merge_on_skipped_pipeline"


def default_branch(api: Api, repository: str) -> str:
    return str(api.get(_project(repository))["default_branch"])


def requires(api: Api, repository: str, branch: str, checks: Collection[str]) -> Guard:
    """Whether nothing comes into `branch` but through a passed pipeline, of which `checks` are jobs: merge requests
    need it, a skipped one does not count, and nobody may push past it.
    """
    try:
        project = api.get(_project(repository))
        if _NEEDS_PIPELINE not in project:
            return Guard(answer="unknown", detail=f"the token may not read the settings of {repository}")
        holes = [*_in_project(project), *_in_branch(api, repository, branch)]
    except OutsideError as error:
        return Guard(answer="unknown", detail=error.message)
    if holes:
        return Guard(answer="no", detail="; ".join(holes))
    return Guard(answer="yes", detail=f"{branch} requires a passed pipeline ({', '.join(sorted(checks))})")


def _in_project(project: dict[str, Any]) -> Iterator[str]:
    if project[_NEEDS_PIPELINE] is not True:
        yield "merge requests do not need a passed pipeline"
    elif project.get(_SKIPPED_COUNTS) is True:
        yield "a skipped pipeline counts as passed"


def _in_branch(api: Api, repository: str, branch: str) -> Iterator[str]:
    """Of several rules that fit, the one that allows most holds."""
    rules = [one for one in api.pages(f"{_project(repository)}/protected_branches") if _fits(one["name"], branch)]
    if not rules:
        yield f"{branch} is not protected"
    for rule in rules:
        who = [str(one["access_level_description"]) for one in rule["push_access_levels"] if not _is_nobody(one)]
        if who:
            yield f"{', '.join(who)} may push to {rule['name']} past the pipeline"


def _is_nobody(level: dict[str, Any]) -> bool:
    named = any(level.get(kind) for kind in ("user_id", "group_id", "deploy_key_id"))
    return level["access_level"] == _NOBODY and not named


def _fits(pattern: str, branch: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), branch) is not None


def pull_request(api: Api, repository: str, number: int) -> PullRequest:
    place = f"{_project(repository)}/merge_requests/{number}"
    request, approvals = api.get(place), api.get(f"{place}/approvals")
    files, versions = list(api.pages(f"{place}/diffs")), _versions(api, place)
    return PullRequest(
        number=request["iid"], title=request["title"], base=request["target_branch"], head=request["sha"],
        author=_username(request["author"]), labels=tuple(request["labels"]),
        merged=_merged(request) if request["state"] == "merged" else None,
        reviews=tuple(
            Review(
                by=_username(one["user"]), state="approved", at=one.get("approved_at"),
                commit=_head_at(versions, one.get("approved_at")),
            )
            for one in approvals["approved_by"]
        ),
        authors=once(chain.from_iterable(_authors(one) for one in api.pages(f"{place}/commits"))),
        files=tuple(dict.fromkeys(path for one in files for path in (one["new_path"], one["old_path"]))),
        gaps=tuple(_gaps(request, len(files))),
    )  # fmt: skip


def _versions(api: Api, place: str) -> list[tuple[datetime, str]]:
    """When the host received each head, and the head. None where the token may not see them."""
    try:
        listed = list(api.pages(f"{place}/versions"))
    except CodeHostRefusedError:
        return []
    return sorted((datetime.fromisoformat(one["created_at"]), str(one["head_commit_sha"])) for one in listed)


def _head_at(versions: list[tuple[datetime, str]], at: str | None) -> str | None:
    """What was there to be approved. GitLab tells of an approval its time alone, and older ones not even that."""
    if at is None:
        return None
    received = [head for came, head in versions if came < datetime.fromisoformat(at)]
    return received[-1] if received else None


def _gaps(request: dict[str, Any], files: int) -> Iterator[str]:
    """GitLab counts the files in words: `1000+` when there are more than it lists."""
    counted = str(request.get("changes_count") or files)
    if not counted.isdecimal() or int(counted) > files:
        yield f"{files} of {counted} files are listed"


def _authors(commit: dict[str, Any]) -> Iterator[Author]:
    for role in ("author", "committer"):
        if f"{role}_email" in commit:
            yield Author(name=commit[f"{role}_name"], email=commit[f"{role}_email"])
    yield from co_authors(commit["message"])


def merged_since(api: Api, repository: str, cursor: datetime, bases: Sequence[str]) -> MergedSince:
    def found() -> Iterator[tuple[datetime, Merged | None]]:
        after = cursor.astimezone(UTC).isoformat()
        asked = {"state": "merged", "order_by": "updated_at", "sort": "desc", "updated_after": after}
        for request in api.pages(f"{_project(repository)}/merge_requests", **asked):
            wanted = request["state"] == "merged" and request["target_branch"] in bases
            yield datetime.fromisoformat(request["updated_at"]), _merged(request) if wanted else None

    return since(api, found(), cursor)


def _merged(request: dict[str, Any]) -> Merged:
    """What the target got: a merge commit, else the squashed one, else, after a fast-forward, the last one itself."""
    commit = request["merge_commit_sha"] or request["squash_commit_sha"] or request["sha"]
    return Merged(
        number=request["iid"], title=request["title"], base=request["target_branch"], commit=commit,
        head=request["sha"], merged_at=request["merged_at"], updated_at=request["updated_at"],
        author=_username(request["author"]), labels=tuple(request["labels"]), url=request["web_url"],
    )  # fmt: skip


def introduced(api: Api, repository: str, commit: str) -> Iterator[int]:
    """The merged merge requests by which a commit came."""
    for request in api.pages(f"{_project(repository)}/repository/commits/{commit}/merge_requests"):
        if request["state"] == "merged":
            yield int(request["iid"])


def _username(user: dict[str, Any] | None) -> str | None:
    return user["username"] if user else None


def _project(repository: str) -> str:
    return f"projects/{quote(repository, safe='')}"
