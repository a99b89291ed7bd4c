"""A tenant directory that is asked elsewhere: when it is asked again, which answer may take the place of the last good
one, and for how long that one does while its source fails. Asking is `tenant_sql.py`'s and `tenant_http.py`'s.

The last good answer lies under the home folder (0600), by what identifies the source, its credentials left out.
"""

import contextlib
import hashlib
import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stationmaster.blocks import durable
from stationmaster.blocks.calendars import Found, load_calendars
from stationmaster.blocks.home import home
from stationmaster.domain.documents import Document, DocumentError, check_directory
from stationmaster.domain.duration import Seconds
from stationmaster.domain.errors import OutsideError, RefusedError, StationmasterError
from stationmaster.domain.located import Located, Problem
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory, Tenant
from stationmaster.domain.validation import problems_of

_log = logging.getLogger("stationmaster.tenants")

_NAMED = 5  # tenants that a message names
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


class TenantsUnavailableError(OutsideError):
    """The source of the tenant directory does not answer, or not with what can be read."""

    code = "tenants_unavailable"

    def __init__(self, source: str, why: str, hint: str | None = None) -> None:
        super().__init__(
            f"{source} gives no tenants: {why}", hint=hint or "is the tenants block right, and its source up?"
        )


class TenantsShrunkError(RefusedError):
    """More than half of the tenants that were known are gone from the directory."""

    code = "tenants_shrunk"

    def __init__(self, source: str, known: int, gone: Sequence[str]) -> None:
        some = ", ".join(gone[:_NAMED]) + (", …" if len(gone) > _NAMED else "")
        super().__init__(
            f"{source} has lost {len(gone)} of {known} tenants: {some}",
            hint="if they are gone indeed: `stationmaster tenants accept`, on each machine that says so",
        )


class TenantsTooOldError(OutsideError):
    """The source of the tenant directory fails, and its last good copy is older than `max_age`."""

    code = "tenants_too_old"

    def __init__(self, age: float, max_age: float, why: str) -> None:
        old = f"is {ago(age)} old, which is more than {ago(max_age)}" if age >= 0 else "is of an instant still to come"
        super().__init__(
            f"the last good copy of the tenant directory {old}; who may be touched is not known: {why}",
            hint="mend its source, or give the tenants block a larger `max_age`",
        )


class Page(BaseModel):
    """One answer of the source: its tenants in our words, and what tells whether it has changed since."""

    model_config = ConfigDict(frozen=True)

    items: tuple[dict[str, Any], ...]
    url: str = ""
    etag: str | None = None
    next: str | None = None


class Failure(BaseModel):
    """When the source was last asked without success, in seconds since the epoch, and what it said."""

    model_config = ConfigDict(frozen=True)

    at: float
    why: str


class Copy(BaseModel):
    """The last good answer. `at` is when the source was asked for it, in seconds since the epoch."""

    model_config = ConfigDict(frozen=True)

    at: float
    pages: tuple[Page, ...]
    failure: Failure | None = None


@dataclass(frozen=True)
class Known:
    """A tenant directory, how many seconds ago its source said so, and why that is not now. As a document its lines are
    those of the file; where there is none, a tenant's number stands for one.
    """

    document: Document[Directory]
    age: float = 0
    why: str | None = None

    @property
    def directory(self) -> Directory:
        """The tenants."""
        return self.document.value

    @property
    def note(self) -> str | None:
        """What whoever uses it is told; None when its source answers."""
        return f"tenant directory is {ago(self.age)} old: {self.why}" if self.why else None


@dataclass(frozen=True)
class _Kept:
    copy: Copy
    document: Document[Directory]


class AskedDirectory(BaseModel, ABC):
    """A tenant directory whose source is asked, with a memory."""

    calendars: str = Field(
        default="",
        description="Folder of the calendar files that tenants name; `calendars` in Stationmaster's own unless given.",
        examples=["/etc/stationmaster/calendars"],
    )
    cache: Seconds = Field(default=60, description="How long an answer counts before the source is asked again.")
    max_age: Seconds = Field(
        default=86400, description="How old the last good answer may become while the source fails."
    )

    @field_validator("calendars")
    @classmethod
    def _is_one_folder_wherever_it_is_asked(cls, calendars: str) -> str:
        if calendars and not Path(calendars).is_absolute():
            raise ValueError("must be an absolute path")
        return calendars

    @property
    @abstractmethod
    def source(self) -> str:
        """What messages call it; without a secret."""

    @abstractmethod
    def identity(self) -> list[Any]:
        """What makes it another source when it changes; no secret is among it."""

    @abstractmethod
    def ask(self, known: tuple[Page, ...]) -> tuple[Page, ...]:
        """Every page as it is now; of one that has not changed, what is `known` of it.

        Raises:
            TenantsUnavailableError: there is no whole answer.
        """

    @property
    def calendar_folder(self) -> Path:
        """Where the calendar files are that tenants name."""
        return Path(self.calendars) if self.calendars else home() / "calendars"

    def calendars_of(self, tenants: Iterable[Tenant]) -> dict[str, Found]:
        """Tenant to its calendars, or to the reason why it has none."""
        return load_calendars(tenants, self.calendar_folder, self._label)

    def read(self, product: Product | None = None) -> Directory:
        """The tenants, checked against the product's rings when it is given. An age that is more than `cache` is
        logged. Errors as `look`.
        """
        known = self.look(product)
        if known.note is not None:
            _log.warning(known.note)
        return known.directory

    def look(self, product: Product | None = None, *, accept: bool = False) -> Known:
        """The tenants, and how old they are. With `accept` the source is asked now and may have lost any number.

        Raises:
            TenantsUnavailableError, TenantsShrunkError, DocumentError: the source fails and there is no copy.
            TenantsTooOldError: it fails, and the copy is too old.
            DocumentError: what the product does not know; every problem with the number of its tenant as the line.
        """
        now, kept = time.time(), self._kept()
        if kept and not accept and 0 <= now - kept.copy.at < self.cache:
            known = Known(kept.document, now - kept.copy.at)
        elif kept and not accept and kept.copy.failure and 0 <= now - kept.copy.failure.at < self.cache:
            known = self._instead(kept, kept.copy.failure.why, now)
        else:
            known = self._asked(kept, now, accept=accept)
        if product is not None:
            check_directory(product, known.document)
        return known

    @property
    def copy_path(self) -> Path:
        """Where the last good answer lies."""
        digest = hashlib.sha256(json.dumps(self.identity()).encode()).hexdigest()
        return home() / "tenants" / f"{digest[:16]}.json"

    @property
    def _label(self) -> str:
        return f"tenants of {self.source}"

    def _asked(self, kept: _Kept | None, now: float, *, accept: bool) -> Known:
        try:
            pages = self.ask(kept.copy.pages if kept else ())
            document = _document(pages, self._label)
            if kept and not accept:
                _must_not_shrink(self.source, kept.document.value, document.value)
        except StationmasterError as error:
            if kept is None or accept:
                raise
            why = _in_a_line(error)
            self._keep(kept.copy.model_copy(update={"failure": Failure(at=now, why=why)}))
            return self._instead(kept, why, now)
        self._keep(Copy(at=now, pages=pages))
        return Known(document)

    def _instead(self, kept: _Kept, why: str, now: float) -> Known:
        age = now - kept.copy.at
        if not 0 <= age <= self.max_age:
            raise TenantsTooOldError(age, self.max_age, why)
        return Known(kept.document, age, why)

    def _kept(self) -> _Kept | None:
        """The copy, if there is one that can be read and is a directory."""
        try:
            copy = Copy.model_validate_json(self.copy_path.read_bytes())
            return _Kept(copy, _document(copy.pages, self._label))
        except (OSError, ValidationError, DocumentError):
            return None

    def _keep(self, copy: Copy) -> None:
        with contextlib.suppress(OSError):  # a full disk must not stop a release here; the source is asked again then
            self.copy_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            durable.write(self.copy_path, copy.model_dump_json(), mode=0o600)


def ago(seconds: float) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`: whole units, rounded down."""
    for name, length in _UNITS:
        if seconds >= length:
            return f"{seconds // length:.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"


def _document(pages: Iterable[Page], label: str) -> Document[Directory]:
    """The tenants of all pages, in their order.

    Raises:
        DocumentError: one is not a tenant, there is none, or an id is given twice.
    """
    items = [item for page in pages for item in page.items]
    located = Located(lines={("tenants", index): index + 1 for index in range(len(items))})
    try:
        found = Directory.model_validate({"tenants": items})
    except ValidationError as error:
        raise DocumentError(label, problems_of(error, located, Directory.model_json_schema())) from None
    first: dict[str, int] = {}
    problems: list[Problem] = []
    for number, tenant in enumerate(found.tenants, 1):
        if first.setdefault(tenant.id, number) != number:
            said = f"tenant {tenant.id!r}: the id is given twice, first as number {first[tenant.id]}"
            problems.append(Problem(number, said))
    if problems:
        raise DocumentError(label, problems)
    return Document(found, label, located)


def _must_not_shrink(source: str, before: Directory, after: Directory) -> None:
    known, there = {tenant.id for tenant in before.tenants}, {tenant.id for tenant in after.tenants}
    gone = sorted(known - there)
    if 2 * len(gone) > len(known):
        raise TenantsShrunkError(source, len(known), gone)


def _in_a_line(error: StationmasterError) -> str:
    """What is wrong and the way out, for a message about something else."""
    lines = str(error).splitlines()
    more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"{lines[0]}{more}" + (f" ({error.hint})" if error.hint and len(lines) == 1 else "")
