"""The product's repository at GitHub or GitLab: what its main branch requires, and what was merged. It only asks."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from ipaddress import ip_address
from types import ModuleType
from typing import Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, Field, SecretStr, field_validator

from stationmaster.blocks import github, gitlab
from stationmaster.blocks.hosting import Api, Guard, MergedSince, PullRequest, understood
from stationmaster.domain.errors import OutsideError

_HOSTS: dict[str, ModuleType] = {"github": github, "gitlab": gitlab}
_REDIRECTS = 3  # a repository that was renamed answers with one


class CodeHost(BaseModel):
    """A repository at a code host, and the token that may read it."""

    host: Literal["github", "gitlab"] = Field(description="Whose interface it speaks.")
    repository: str = Field(
        pattern=r"^[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)+$",
        description="OWNER/NAME; at GitLab with every group above it.",
        examples=["shop/orders"],
    )
    url: str = Field(
        default="",
        description="Address of the interface, when the host is self-hosted.",
        examples=["https://github.shop.example/api/v3", "https://gitlab.shop.example/api/v4"],
    )
    token: SecretStr | None = Field(
        default=None,
        description="May read the repository, its pull requests and, to see branch protection, its administration.",
    )
    timeout: float = Field(default=10, gt=0, description="Seconds to wait for each part of an answer.")

    @field_validator("url")
    @classmethod
    def _keeps_the_token_secret(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(url)):
            raise ValueError("must begin with https://, or a token would be sent for all to read")
        return url

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        word = token.get_secret_value() if token else "none"
        if not (word.isascii() and word.isprintable() and word.split() == [word]):
            raise ValueError("must be one word of printable ASCII; is there a line break at its end?")
        return token

    def default_branch(self) -> str:
        """The branch that pull requests go into unless they say otherwise. Errors as `pull_request`."""
        with self._api() as api, understood(self.name):
            return str(_HOSTS[self.host].default_branch(api, self.repository))

    def requires(self, branch: str, checks: Collection[str]) -> Guard:
        """Whether nothing comes into `branch` unless `checks` passed. Never raises: what the host does not tell, or
        tells in words that are not understood, is `unknown`.
        """
        try:
            with self._api() as api, understood(self.name):
                found: Guard = _HOSTS[self.host].requires(api, self.repository, branch, checks)
                return found
        except OutsideError as error:
            return Guard(answer="unknown", detail=error.message)

    def pull_request(self, number: int) -> PullRequest:
        """A pull request with its reviews, the authors of all its commits, and the files it changes.

        Raises:
            CodeHostRefusedError, CodeHostBusyError, CodeHostUnavailableError: it is not known.
        """
        with self._api() as api, understood(self.name):
            found: PullRequest = _HOSTS[self.host].pull_request(api, self.repository, number)
            return found

    def introduced(self, commit: str) -> tuple[int, ...]:
        """The numbers of the merged requests by which a commit came, whichever way they were merged; none when it was
        pushed. Errors as `pull_request`.
        """
        with self._api() as api, understood(self.name):
            return tuple(_HOSTS[self.host].introduced(api, self.repository, commit))

    def merged_since(self, cursor: datetime, bases: Sequence[str]) -> MergedSince:
        """What was merged into one of `bases` and changed at or after the aware instant `cursor`, some of it perhaps
        known already. Errors as `pull_request`.
        """
        with self._api() as api, understood(self.name):
            found: MergedSince = _HOSTS[self.host].merged_since(api, self.repository, cursor, bases)
            return found

    @property
    def name(self) -> str:
        """What messages call it: its address without path and user."""
        return urlsplit(self._address).hostname or self.host

    @property
    def _address(self) -> str:
        return self.url or str(_HOSTS[self.host].URL)

    @contextmanager
    def _api(self) -> Iterator[Api]:
        headers = {**_HOSTS[self.host].HEADERS, "User-Agent": "stationmaster"}
        if self.token:  # in this header, and no other, since it is left out when a redirect leads elsewhere
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        with httpx.Client(
            base_url=self._address, headers=headers, timeout=self.timeout, follow_redirects=True,
            max_redirects=_REDIRECTS, trust_env=not _is_loopback(self._address),
        ) as client:  # fmt: skip
            yield Api(self.name, client, self.timeout)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name: whoever answers to it may be anywhere
        return False
