"""How GitHub spells what a code host knows (REST API, version 2022-11-28)."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
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

URL = "https://api.github.com"
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
# The only two words with which a 404 means that nothing is required; any other hides something from us.
_NOTHING = ("branch not protected", "required status checks not enabled")
_PENDING = "PENDING"  # a review that was begun and not said yet


def default_branch(api: Api, repository: str) -> str:
    return str(api.get(f"repos/{repository}")["default_branch"])


def requires(api: Api, repository: str, branch: str, checks: Collection[str]) -> Guard:
    """Whether nothing comes into `branch` unless each of `checks` passed: by rulesets or by branch protection."""
    required, gaps = set[str](), list[str]()
    for source in (_by_rules, _by_protection):
        try:
            required |= set(source(api, repository, branch))
        except OutsideError as error:
            gaps.append(error.message)
    missing = sorted(set(checks) - required)
    told = f"{branch} requires {', '.join(sorted(required)) or 'no check'}"
    if not missing:
        return Guard(answer="yes", detail=told)
    if gaps:
        return Guard(answer="unknown", detail="; ".join(gaps))
    return Guard(answer="no", detail=f"{told}; {', '.join(missing)} is not among them")


def _by_rules(api: Api, repository: str, branch: str) -> Iterator[str]:
    for rule in api.pages(f"repos/{repository}/rules/branches/{quote(branch, safe='')}"):
        if rule["type"] == "required_status_checks":
            yield from (str(one["context"]) for one in rule["parameters"]["required_status_checks"])


def _by_protection(api: Api, repository: str, branch: str) -> Iterator[str]:
    try:
        found = api.get(f"repos/{repository}/branches/{quote(branch, safe='')}/protection/required_status_checks")
    except CodeHostRefusedError as refused:
        if refused.reason.lower().rstrip(".") in _NOTHING:
            return
        raise
    yield from (str(one) for one in found["contexts"])


def pull_request(api: Api, repository: str, number: int) -> PullRequest:
    place = f"repos/{repository}/pulls/{number}"
    pull = api.get(place)
    commits, files = list(api.pages(f"{place}/commits")), list(api.pages(f"{place}/files"))
    counted = (("commits", len(commits), pull["commits"]), ("files", len(files), pull["changed_files"]))
    return PullRequest(
        number=pull["number"], title=pull["title"], base=pull["base"]["ref"], head=pull["head"]["sha"],
        author=_login(pull["user"]), labels=_labels(pull), merged=_merged(pull) if pull["merged"] is True else None,
        reviews=tuple(_reviews(api, place)),
        authors=once(chain.from_iterable(_authors(one) for one in commits)),
        files=tuple(dict.fromkeys(chain.from_iterable(_paths(one) for one in files))),
        gaps=tuple(f"{told} of {there} {what} are listed" for what, told, there in counted if told < there),
        pushers=tuple(_pushers(api, repository, pull, {str(one["sha"]) for one in commits})),
    )  # fmt: skip


def _reviews(api: Api, place: str) -> Iterator[Review]:
    for one in api.pages(f"{place}/reviews"):
        if one["state"] != _PENDING:
            state: Any = one["state"].lower()
            yield Review(by=_login(one["user"]), state=state, at=one.get("submitted_at"), commit=one.get("commit_id"))


def _authors(one: dict[str, Any]) -> Iterator[Author]:
    commit = one["commit"]
    for role in ("author", "committer"):
        if role in commit:
            yield Author(name=commit[role]["name"], email=commit[role]["email"], login=_login(one.get(role)))
    yield from co_authors(commit["message"])


def _pushers(api: Api, repository: str, pull: dict[str, Any], commits: Collection[str]) -> Iterator[str]:
    """Who pushed what is in it now, by the activity of its branch. Of a branch in a fork GitHub does not tell."""
    head = pull["head"]
    if (head.get("repo") or {}).get("full_name") != repository:
        return
    try:
        for one in api.pages(f"repos/{repository}/activity", ref=f"refs/heads/{head['ref']}"):
            if one["after"] in commits and (login := _login(one["actor"])):
                yield login
    except CodeHostRefusedError:  # a token may read pull requests and not this
        return


def introduced(api: Api, repository: str, commit: str) -> Iterator[int]:
    """The merged pull requests by which a commit came, as GitHub knows it of every way of merging."""
    try:
        for pull in api.pages(f"repos/{repository}/commits/{commit}/pulls"):
            if pull["merged_at"] is not None:
                yield int(pull["number"])
    except CodeHostRefusedError as refused:
        if refused.status != HTTPStatus.UNPROCESSABLE_ENTITY:  # which says that it has no such commit
            raise


def _paths(file: dict[str, Any]) -> Iterator[str]:
    yield file["filename"]
    if "previous_filename" in file:
        yield file["previous_filename"]


def merged_since(api: Api, repository: str, cursor: datetime, bases: Sequence[str]) -> MergedSince:
    def found() -> Iterator[tuple[datetime, Merged | None]]:
        pulls = api.pages(f"repos/{repository}/pulls", state="closed", sort="updated", direction="desc")
        for pull in pulls:
            wanted = pull["merged_at"] is not None and pull["base"]["ref"] in bases
            yield datetime.fromisoformat(pull["updated_at"]), _merged(pull) if wanted else None

    return since(api, found(), cursor)


def _merged(pull: dict[str, Any]) -> Merged:
    return Merged(
        number=pull["number"], title=pull["title"], base=pull["base"]["ref"], commit=pull["merge_commit_sha"],
        head=pull["head"]["sha"], merged_at=pull["merged_at"], updated_at=pull["updated_at"],
        author=_login(pull["user"]), labels=_labels(pull), url=pull["html_url"],
    )  # fmt: skip


def _login(user: dict[str, Any] | None) -> str | None:
    return user["login"] if user else None


def _labels(pull: dict[str, Any]) -> tuple[str, ...]:
    return tuple(label["name"] for label in pull["labels"])
