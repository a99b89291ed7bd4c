"""What a code host says, in one vocabulary for all hosts, and asking it: GET alone, each answer bounded in time and
size.

Which questions there are is `code_host.py`'s; how a host spells the answers is `github.py`'s and `gitlab.py`'s.
"""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import httpx
from pydantic import BaseModel, ConfigDict

from stationmaster.domain import authors as people
from stationmaster.domain.errors import OutsideError

_LARGEST = 32 << 20  # bytes of one answer
_PAGES, _PAGE = 100, 100  # pages of a list, items of a page
_PAUSE = 60.0  # seconds, when a host says that it is asked too often and not for how long


class CodeHostUnavailableError(OutsideError):
    """The code host did not answer, or answered what cannot be read."""

    code = "code_host_unavailable"

    def __init__(self, host: str, why: str) -> None:
        super().__init__(
            f"{host} did not answer: {why}", hint="is `url` of the code-host block right, and the host up?"
        )


class CodeHostBusyError(OutsideError):
    """The code host asks us to wait; `seconds` until it may be asked again."""

    code = "code_host_busy"

    def __init__(self, host: str, seconds: float) -> None:
        super().__init__(f"{host} was asked too often", hint=f"ask again in {seconds:.0f} s, or give it a token")
        self.seconds = seconds


class CodeHostRefusedError(OutsideError):
    """The code host said no: `status` 401, 403, 404 or another, and `reason` in its words."""

    code = "code_host_refused"

    def __init__(self, host: str, path: str, status: int, reason: str) -> None:
        super().__init__(f"{host} answered {status} for {path}: {reason}", hint=_HINTS.get(status))
        self.status, self.reason = status, reason


_HINTS = {
    401: "give the code-host block a token that is valid",
    403: "give the code-host block a token that may read the repository and its settings",
    404: "is `repository` right, and may the token read it? A host hides what a token may not see",
}


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Guard(_Value):
    """Whether something is enforced, and why it is said so. `unknown` is no yes."""

    answer: Literal["yes", "no", "unknown"]
    detail: str


class Author(_Value):
    """Somebody who wrote or committed a commit, or is named in it as co-author. `login` where the host knows them."""

    name: str
    email: str
    login: str | None = None


class Review(_Value):
    """What a reviewer said last or in between. `by` is None when the account is gone, `commit` the head that the host
    had received by then, or None where it does not tell.
    """

    by: str | None
    state: Literal["approved", "changes_requested", "commented", "dismissed"]
    at: datetime | None = None
    commit: str | None = None


class Merged(_Value):
    """A merged pull request: `commit` is what the base branch got, `head` the last commit that was proposed."""

    number: int
    title: str
    base: str
    commit: str
    head: str
    merged_at: datetime
    updated_at: datetime
    author: str | None
    labels: tuple[str, ...]
    url: str


class PullRequest(_Value):
    """A pull request with everything that was said and done in it. `merged` is None unless it was merged. `gaps` has
    what the host does not list completely: with any, nobody may conclude from what is absent. `pushers` are the
    accounts that brought its commits to the host, as far as it tells.
    """

    number: int
    title: str
    base: str
    head: str
    author: str | None
    labels: tuple[str, ...]
    merged: Merged | None
    reviews: tuple[Review, ...]
    authors: tuple[Author, ...]
    files: tuple[str, ...]
    gaps: tuple[str, ...]
    pushers: tuple[str, ...] = ()


class MergedSince(_Value):
    """Merged pull requests, the oldest change first, and the instant to ask from next time."""

    changes: tuple[Merged, ...]
    cursor: datetime


@dataclass(frozen=True)
class Api:
    """A host's REST interface, asked with an open client."""

    name: str
    client: httpx.Client
    timeout: float

    def get(self, path: str, **params: Any) -> Any:  # noqa: ANN401 - JSON
        """The answer to one question.

        Raises:
            CodeHostRefusedError, CodeHostBusyError, CodeHostUnavailableError: there is none.
        """
        return self._ask(path, params)[0]

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
        """Every item of a list, page by page. Of the link to the next page only the question is taken, so that no
        answer can lead us, and our token, elsewhere. Errors as `get`.
        """
        asked: dict[str, Any] = {"per_page": _PAGE, **params}
        for _ in range(_PAGES):
            items, following = self._ask(path, asked)
            if not isinstance(items, list):
                raise CodeHostUnavailableError(self.name, f"{path} is no list")
            yield from items
            if following is None:
                return
            asked = dict(parse_qsl(urlsplit(following).query))
        raise CodeHostUnavailableError(self.name, f"{path} has more than {_PAGES} pages")

    def _ask(self, path: str, params: dict[str, Any]) -> tuple[Any, str | None]:
        try:
            with self.client.stream("GET", path, params=params) as answer:
                body = self._body(answer)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CodeHostUnavailableError(self.name, type(error).__name__) from None
        if answer.status_code != HTTPStatus.OK:
            raise self._error(path, answer, body)
        try:
            return json.loads(body), answer.links.get("next", {}).get("url")
        except (ValueError, RecursionError):
            raise CodeHostUnavailableError(self.name, f"{path} is no JSON") from None

    def _body(self, answer: httpx.Response) -> bytes:
        """The client's time limit is one for each part of an answer; this is for all of it."""
        body, end = bytearray(), time.monotonic() + 3 * self.timeout
        for part in answer.iter_bytes():
            body += part
            if len(body) > _LARGEST:
                raise CodeHostUnavailableError(self.name, f"an answer is larger than {_LARGEST >> 20} MiB")
            if time.monotonic() > end:
                raise CodeHostUnavailableError(self.name, f"an answer took longer than {3 * self.timeout:.0f} s")
        return bytes(body)

    def _error(self, path: str, answer: httpx.Response, body: bytes) -> OutsideError:
        status, reason = answer.status_code, _reason(body)
        if (seconds := _pause(answer, reason)) is not None:
            return CodeHostBusyError(self.name, seconds)
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return CodeHostRefusedError(self.name, path, status, reason)
        return CodeHostUnavailableError(self.name, f"HTTP {status}")


def _reason(body: bytes) -> str:
    """The host's own words; GitLab's are now under `message`, now under `error`."""
    with contextlib.suppress(ValueError, RecursionError):
        told = json.loads(body)
        if isinstance(told, dict):
            return str(told.get("message") or told.get("error") or "no reason given")[:200]
    return "no reason given"


def _pause(answer: httpx.Response, reason: str) -> float | None:
    """Seconds that the host asks us to wait, when it does. GitHub says so with 403 as well as with 429."""
    given = answer.headers
    spent = "0" in (given.get("x-ratelimit-remaining"), given.get("ratelimit-remaining"))
    limited = answer.status_code == HTTPStatus.TOO_MANY_REQUESTS or (
        answer.status_code == HTTPStatus.FORBIDDEN
        and (spent or "retry-after" in given or "rate limit" in reason.lower())
    )
    if not limited:
        return None
    with contextlib.suppress(ValueError):
        if "retry-after" in given:
            return max(0.0, float(given["retry-after"]))
        if reset := given.get("x-ratelimit-reset") or given.get("ratelimit-reset"):
            return max(0.0, float(reset) - time.time())
    return _PAUSE


@contextlib.contextmanager
def understood(host: str) -> Iterator[None]:
    """An answer of another shape than the host documents is no answer.

    Raises:
        CodeHostUnavailableError: in place of what reading it raised.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CodeHostUnavailableError(host, f"what it said is not understood ({type(error).__name__})") from None


def co_authors(message: str) -> Iterator[Author]:
    """Whom a commit message names as having written it too."""
    for name, email in people.co_authors(message):
        yield Author(name=name, email=email)


def once(authors: Iterable[Author]) -> tuple[Author, ...]:
    """Each author once, in the order of their first commits."""
    return tuple(dict.fromkeys(authors))


def since(api: Api, found: Iterable[tuple[datetime, Merged | None]], cursor: datetime) -> MergedSince:
    """The merged ones among pull requests that a host lists by their last change, the newest first, down to `cursor`.
    One that changes while the list is read comes twice, never not at all.
    """
    newest, changes = cursor, dict[int, Merged]()
    with understood(api.name):
        for updated, merged in found:
            if updated < cursor:
                break
            newest = max(newest, updated)
            if merged is not None:
                changes.setdefault(merged.number, merged)
    return MergedSince(changes=tuple(sorted(changes.values(), key=lambda one: one.merged_at)), cursor=newest)
