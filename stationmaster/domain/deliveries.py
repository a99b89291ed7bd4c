"""What a delivery of a code host says: a change was merged into a watched branch, or something that is not needed.

Merged means that the host says so on the event of the merge. A merge commit alone means nothing: GitHub names one for
pull requests that were never merged. Whether the delivery is genuine is decided before, by `domain/signatures.py`.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictInt, ValidationError

from stationmaster.domain.errors import InputError
from stationmaster.domain.hooks import Hook, Host
from stationmaster.domain.tenants import Id

_DELIVERY = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)
_SHOWN = 60  # characters of a stranger's word that we repeat
Json = dict[str, Any]


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is no instant in UTC") from None


def _plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has characters that cannot be shown")
    return text


def _whole(text: str) -> str:
    """JSON can spell half a character, which nobody can write down again."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("has half a character, a lone surrogate") from None
    return text


Word = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_plain)]
Instant = Annotated[AwareDatetime, AfterValidator(_utc)]


class DeliveryError(InputError):
    """The delivery is genuine and cannot be understood; nothing of it is kept."""

    code = "delivery"


class MergedChange(BaseModel):
    """A pull request, or merge request, that was merged into a watched branch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: Id
    host: Host
    repository: Word = Field(description="As the host writes it, e.g. acme/shop.")
    number: StrictInt = Field(ge=1)
    title: str = Field(max_length=10_000)
    author: Word = Field(description="The host's name for them; `id:N` where the event tells a number alone.")
    base: Word = Field(description="The branch it was merged into.")
    head: Word = Field(description="The branch it came from.")
    merge_commit: str = Field(pattern="^[0-9a-f]{40}([0-9a-f]{24})?$", description="What it became on the base.")
    merged_at: Instant
    url: str = Field(pattern="^https?://[!-~]+$", max_length=2000)
    labels: tuple[Annotated[str, AfterValidator(_whole)], ...] = ()

    @property
    def key(self) -> str:
        """What is there once, whichever mirror told it: `PRODUCT@MERGE_COMMIT`."""
        return f"{self.product}@{self.merge_commit}"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A delivery that says nothing we act on, and why."""

    reason: str


def delivery_id(host: Host, headers: Mapping[str, str], body: bytes) -> str:
    """What a host calls the delivery, the same when it sends it again. GitLab's event UUID is not used: the events that
    one webhook sets off share it. A GitLab that names no delivery gets the body's digest.

    Raises:
        DeliveryError: GitHub always names one; here is none, or one that cannot be kept.
    """
    names = ("x-github-delivery",) if host == "github" else ("webhook-id", "idempotency-key")
    given = next((headers[name] for name in names if headers.get(name)), None)
    if given is None and host == "gitlab":
        return f"sha256:{hashlib.sha256(body).hexdigest()}"
    if given is None or not _DELIVERY.fullmatch(given):
        raise DeliveryError(f"no usable delivery id in {' or '.join(names)}", hint="send it as the host does")
    return given


def understood(hook: Hook, headers: Mapping[str, str], body: bytes) -> MergedChange | Ignored:
    """What a delivery to the hook says.

    Raises:
        DeliveryError: it is no JSON object, or tells of a merge and lacks what is needed; the message says what.
    """
    return _HOSTS[hook.host](hook, headers, object_in(body))


def object_in(body: bytes) -> Json:
    """The JSON object that a body is. Raises DeliveryError when it is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise DeliveryError("the body is not JSON", hint="send it as the host does") from None
    if not isinstance(found, dict):
        raise DeliveryError("the body is not a JSON object", hint="send it as the host does")
    return found


def _github(hook: Hook, headers: Mapping[str, str], event: Json) -> MergedChange | Ignored:
    kind, action = headers.get("x-github-event"), event.get("action")
    if not kind:
        raise DeliveryError("no X-GitHub-Event header", hint="send it as the host does")
    if kind == "ping":
        return Ignored("a ping: the hook works")
    if kind != "pull_request":
        return Ignored(f"an event of kind {_shown(kind)}; pull_request alone is needed")
    if action != "closed":
        return Ignored(f"the pull request was {_shown(action)}, not closed")
    if _at(event, "pull_request.merged") is not True:
        return Ignored("the pull request was closed and not merged")
    return _merged(hook, event, _GITHUB)


def _gitlab(hook: Hook, _headers: Mapping[str, str], event: Json) -> MergedChange | Ignored:
    kind, action, state = (_at(event, path) for path in ("object_kind", _ACTION, "object_attributes.state"))
    if kind is None:
        raise DeliveryError("missing: object_kind", hint="send it as the host does")
    if kind != "merge_request":
        return Ignored(f"an event of kind {_shown(kind)}; merge_request alone is needed")
    if action is None:
        return Ignored("nothing was done to the merge request: a test of the hook")
    if action != "merge":
        return Ignored(f"what was done to the merge request is {_shown(action)}, not merge")
    if state != "merged":
        return Ignored(f"the merge request is {_shown(state)}, not merged")
    return _merged(hook, event, _GITLAB)


_HOSTS: dict[Host, Callable[[Hook, Mapping[str, str], Json], MergedChange | Ignored]] = {
    "github": _github,
    "gitlab": _gitlab,
}


def _merged(hook: Hook, event: Json, fields: "Mapping[str, _Source]") -> MergedChange | Ignored:
    """The change of an event that says it was merged, when it was merged into a watched branch."""
    found = {name: source(event) if callable(source) else _at(event, source) for name, source in fields.items()}
    base = found["base"]
    if isinstance(base, str) and not hook.watches(base):
        return Ignored(f"merged into {_shown(base)}; the hook watches {', '.join(hook.base)}")
    missing = [_PLACES.get(source, source) for name, source in fields.items() if found[name] is None]
    if missing:
        raise DeliveryError(f"it says merged and lacks {', '.join(map(str, missing))}", hint=_HINT)
    try:
        return MergedChange.model_validate({**found, "product": hook.product, "host": hook.host})
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False, include_context=False)
        said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong)
        raise DeliveryError(f"it says merged and is not understood: {said}", hint=_HINT) from None


_HINT = "the change is not kept: send the delivery again as the host does, or let catch-up find it"


def _at(event: Json, path: str) -> Any:  # noqa: ANN401 - JSON
    """The value at a dotted path; None where there is none."""
    found: Any = event
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _labels(path: str, key: str) -> "Callable[[Json], Any]":
    def labels(event: Json) -> Any:  # noqa: ANN401 - JSON
        given = _at(event, path) or ()
        return [one.get(key) if isinstance(one, dict) else one for one in given] if isinstance(given, list) else given

    return labels


def _github_author(event: Json) -> Any:  # noqa: ANN401 - JSON
    """An account that was deleted is null here, and a ghost on the host's pages."""
    pull_request = event["pull_request"]
    gone = "user" in pull_request and pull_request["user"] is None
    return "ghost" if gone else _at(pull_request, "user.login")


def _gitlab_commit(event: Json) -> Any:  # noqa: ANN401 - JSON
    """What GitLab itself calls the merged commit: where a project merges without one, the squashed or the last."""
    attributes = event["object_attributes"]
    last = None if attributes.get("squash") is True else _at(attributes, "last_commit.id")
    return attributes.get("merge_commit_sha") or attributes.get("squash_commit_sha") or last


def _gitlab_author(event: Json) -> Any:  # noqa: ANN401 - JSON
    """The event names whoever merged, reviews or is assigned, and of the author a number."""
    number = _at(event, "object_attributes.author_id")
    people = [event.get("user"), *_people(event, "assignees"), *_people(event, "reviewers")]
    names = (one.get("username") for one in people if isinstance(one, dict) and one.get("id") == number)
    return None if number is None else next((name for name in names if name), f"id:{_shown(number)}")


def _people(event: Json, key: str) -> list[Any]:
    return event[key] if isinstance(event.get(key), list) else []


def _gitlab_time(event: Json) -> Any:  # noqa: ANN401 - JSON
    """The event of the merge has no time of its own, and is the merge request's last change. Older GitLabs write UTC
    out.
    """
    at = _at(event, "object_attributes.merged_at") or _at(event, "object_attributes.updated_at")
    return f"{at.removesuffix(' UTC')}Z" if isinstance(at, str) and at.endswith(" UTC") else at


_Source = str | Callable[[Json], Any]
_ACTION = "object_attributes.action"
_GITHUB: Mapping[str, _Source] = {
    "repository": "repository.full_name",
    "number": "pull_request.number",
    "title": "pull_request.title",
    "author": _github_author,
    "base": "pull_request.base.ref",
    "head": "pull_request.head.ref",
    "merge_commit": "pull_request.merge_commit_sha",
    "merged_at": "pull_request.merged_at",
    "url": "pull_request.html_url",
    "labels": _labels("pull_request.labels", "name"),
}
_GITLAB: Mapping[str, _Source] = {
    "repository": "project.path_with_namespace",
    "number": "object_attributes.iid",
    "title": "object_attributes.title",
    "author": _gitlab_author,
    "base": "object_attributes.target_branch",
    "head": "object_attributes.source_branch",
    "merge_commit": _gitlab_commit,
    "merged_at": _gitlab_time,
    "url": "object_attributes.url",
    "labels": _labels("labels", "title"),
}
_PLACES: Mapping[_Source, str] = {  # what is missing where no single path says so
    _github_author: "pull_request.user.login",
    _gitlab_author: "object_attributes.author_id",
    _gitlab_commit: "object_attributes.merge_commit_sha",
    _gitlab_time: "object_attributes.updated_at",
}


def _shown(word: object) -> str:
    """A stranger's word, short and printable."""
    return ascii(word)[:_SHOWN]
