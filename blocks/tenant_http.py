"""The tenant directory as JSON over HTTP, page by page. It only asks, and a token goes to the one server alone."""

import email.utils
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from pydantic import Field, SecretStr, field_validator

from stationmaster.blocks.tenant_copies import AskedDirectory, Page, TenantsUnavailableError
from stationmaster.domain.duration import Seconds
from stationmaster.domain.tenants import Tenant

_LARGEST = 32 << 20  # bytes of one page
_TRIES = 4  # of one page
_BUSY = frozenset({429, 502, 503, 504})  # who says so may be asked again
_HINTS = {
    401: "give the tenants block a token that is valid",
    403: "give the tenants block a token that may read the tenants",
    404: "is `url` of the tenants block right?",
}


class HttpDirectory(AskedDirectory):
    """Tenants as JSON from an HTTP endpoint: a list, or an object that holds one."""

    url: str = Field(description="Address of the first page.", examples=["https://crm.example/api/tenants?limit=500"])
    token: SecretStr | None = Field(default=None, description="Sent as a bearer token, to that server alone.")
    items: str = Field(default="tenants", description="Where an object has the list; dots lead inward.")
    next: str = Field(
        default="next", description="Where an object has the next page's address, if no `Link` header says it."
    )
    fields: dict[str, str] = Field(
        default_factory=dict,
        description="A tenant's key to the endpoint's, where they differ; dots lead inward.",
        examples=[{"id": "customer_id", "ring": "release.ring"}],
    )
    ignore_others: bool = Field(
        default=False, description="Leave keys aside that no tenant has. A misspelt one is not noticed then."
    )
    pages: int = Field(default=100, ge=1, description="More pages than that are an error.")
    timeout: float = Field(default=10, gt=0, description="Seconds to wait for each part of an answer.")
    overall: Seconds = Field(default=60, description="How long all pages together may take.")

    @field_validator("url")
    @classmethod
    def _keeps_the_token_secret(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            raise ValueError("must be an address: https://HOST/PATH") from None
        if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
            raise ValueError("must begin with https://, or a token would be sent for all to read")
        if parts.username or parts.password:
            raise ValueError("must hold no user and no password; `token` is for that")
        return url

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        word = token.get_secret_value() if token else "none"
        if not (word.isascii() and word.isprintable() and word.split() == [word]):
            raise ValueError("must be one word of printable ASCII; is there a line break at its end?")
        return token

    @field_validator("fields")
    @classmethod
    def _fills_keys_of_a_tenant(cls, fields: dict[str, str]) -> dict[str, str]:
        for key in fields:
            if key not in Tenant.model_fields:
                raise ValueError(f"a tenant has no key {key!r}")
        return fields

    @property
    def source(self) -> str:
        """The server."""
        return urlsplit(self.url).netloc

    def identity(self) -> list[Any]:
        """Where it is asked, and how the answer is read."""
        return ["http", self.url, self.items, self.next, sorted(self.fields.items()), self.ignore_others]

    def ask(self, known: tuple[Page, ...]) -> tuple[Page, ...]:
        """Every page. Errors as `AskedDirectory.ask`."""
        headers = {"Accept": "application/json", "User-Agent": "stationmaster"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        with _client(headers, self.timeout, loopback=_is_loopback(urlsplit(self.url).hostname or "")) as client:
            asking = _Asking(self, client, time.monotonic() + self.overall, {page.url: page for page in known})
            return tuple(asking.pages())


def _client(headers: dict[str, str], timeout: float, *, loopback: bool) -> httpx.Client:
    return httpx.Client(headers=headers, timeout=timeout, follow_redirects=False, trust_env=not loopback)


@dataclass
class _Asking:
    """One reading of all pages. `end` is an instant of the monotonic clock."""

    how: HttpDirectory
    client: httpx.Client
    end: float
    known: Mapping[str, Page]
    seen: set[str] = field(default_factory=set)

    def pages(self) -> Iterator[Page]:
        url: str | None = self.how.url
        while url is not None:
            if len(self.seen) == self.how.pages:
                raise self._failed(f"there are more than {self.how.pages} pages", "raise `pages` of the tenants block")
            self.seen.add(url)
            page = self._page(url)
            yield page
            url = self._following(page)

    def _following(self, page: Page) -> str | None:
        """The next page's address. It may not lead us, and our token, elsewhere, nor round in a circle."""
        if page.next is None:
            return None
        here, there = urlsplit(page.url), urlsplit(page.next)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise self._failed(f"page {len(self.seen)} leads to another server")
        if page.next in self.seen:
            raise self._failed(f"page {len(self.seen)} leads back to one before")
        return page.next

    def _page(self, url: str) -> Page:
        before = self.known.get(url)
        headers = {"If-None-Match": before.etag} if before and before.etag else {}
        answer, body = self._answer(url, headers)
        if answer.status_code == HTTPStatus.NOT_MODIFIED and before and headers:
            return before
        if answer.status_code != HTTPStatus.OK:
            raise self._refused(answer)
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            raise self._failed(f"page {len(self.seen)} is no JSON") from None
        items = data if isinstance(data, list) else _inward(data, self.how.items)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self._failed(
                f"page {len(self.seen)} has no list of objects" + ("" if items is data else f" at {self.how.items!r}"),
                "say with `items` of the tenants block where it is",
            )
        tenants = tuple(_shaped(item, self.how.fields, others=not self.how.ignore_others) for item in items)
        return Page(url=url, etag=answer.headers.get("etag"), next=self._next(url, answer, data), items=tenants)

    def _next(self, url: str, answer: httpx.Response, data: object) -> str | None:
        following = answer.links.get("next", {}).get("url") or _inward(data, self.how.next)
        if not following:
            return None
        if not isinstance(following, str):
            raise self._failed(f"the next page's address at {self.how.next!r} is no text")
        try:
            joined = urljoin(url, following)
            return urlsplit(joined)._replace(fragment="").geturl()
        except ValueError:
            raise self._failed("the next page's address is none") from None

    def _answer(self, url: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
        """The answer for a page. Asked again while the server is busy and there is time."""
        for attempt in range(1, _TRIES + 1):
            try:
                with self.client.stream("GET", url, headers=headers, timeout=self._left()) as answer:
                    body = self._body(answer)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                why, pause = type(error).__name__, 0.25 * 2**attempt
            else:
                if answer.status_code not in _BUSY:
                    return answer, body
                why = f"HTTP {answer.status_code}"
                pause = _retry_after(answer.headers.get("retry-after", "")) or 0.25 * 2**attempt
            if attempt == _TRIES or time.monotonic() + pause > self.end:
                break
            time.sleep(pause)
        asked = f", and asks to wait {pause:.0f} s" if why == "HTTP 429" else ""
        raise self._failed(f"{why} for page {len(self.seen)} after {attempt} tries{asked}")

    def _left(self) -> float:
        """Seconds for one part of an answer."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise self._failed(f"{len(self.seen)} pages take longer than {self.how.overall} s")
        return min(left, self.how.timeout)

    def _body(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        for part in answer.iter_bytes():
            body += part
            if len(body) > _LARGEST:
                raise self._failed(f"page {len(self.seen)} is larger than {_LARGEST >> 20} MiB")
            self._left()
        return bytes(body)

    def _refused(self, answer: httpx.Response) -> TenantsUnavailableError:
        status = answer.status_code
        if answer.is_redirect:
            return self._failed(f"HTTP {status}: it has moved", "give `url` of the tenants block the new address")
        return self._failed(f"HTTP {status} for page {len(self.seen)}", _HINTS.get(status))

    def _failed(self, why: str, hint: str | None = None) -> TenantsUnavailableError:
        return TenantsUnavailableError(self.how.source, why, hint)


def _shaped(item: dict[str, Any], fields: Mapping[str, str], *, others: bool) -> dict[str, Any]:
    """A tenant's keys out of what the endpoint calls them. What is null was not given."""
    taken = {path.partition(".")[0] for path in fields.values()}
    found = {
        key: value
        for key, value in item.items()
        if key not in taken and key not in fields and (others or key in Tenant.model_fields)
    }
    found |= {key: _inward(item, path) for key, path in fields.items()}
    return {key: value for key, value in found.items() if value is not None}


def _inward(data: object, path: str) -> object:
    """`links.next` → `data["links"]["next"]`; None where there is no such thing."""
    for key in path.split("."):
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _retry_after(text: str) -> float | None:
    """Seconds, of a number or a date."""
    try:
        return max(0.0, float(text)) if text.strip().isdigit() else _until(email.utils.parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):
        return None


def _until(at: datetime) -> float:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - time.time())


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name: whoever answers to it may be anywhere
        return False
