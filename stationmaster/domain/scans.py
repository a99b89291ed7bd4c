"""`scans:` of `stationmaster.yaml`: what is asked of the artifact and of the change, and which answers refuse.

Pure values. Which part an advisory is about is decided by `scan_advisories.py`; the scanners are called by
`blocks/scanners.py`.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stationmaster.domain.calendar_fields import Day
from stationmaster.domain.duration import Seconds
from stationmaster.domain.errors import InputError, RefusedError

Severity = Literal["low", "medium", "high", "critical"]
Words = Annotated[str, Field(min_length=1, max_length=500)]
LARGEST = 32 << 20  # bytes of an SBOM that a build leaves
_DAY = 86_400
_SHOWN = 20  # findings that a message has room for


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ignored(_Part):
    """An advisory that refuses nothing until a day, and why."""

    id: Annotated[str, Field(min_length=1, description="Its id, or one of its aliases.", examples=["CVE-2024-3651"])]
    reason: Words
    until: Day = Field(description="The first day on which it counts again.")


class Vulnerabilities(_Part):
    """Whether the artifact's parts have known vulnerabilities, by a database that lies on the worker."""

    database: str | None = Field(
        default=None,
        description="Folder or zip of OSV records on the worker, kept current by its operator; nothing is fetched.",
        examples=["/var/lib/stationmaster/osv"],
    )
    required: bool = Field(default=False, description="Refuse a release whose parts could not all be looked up.")
    fail_on: Severity = Field(
        default="high", description="From which severity on a finding refuses; one that nobody rated always does."
    )
    max_age: Seconds = Field(default=7 * _DAY, description="How old the newest record of the database may be.")
    stale: Literal["refuse", "warn"] = Field(default="refuse", description="What an older database does.")
    ignore: tuple[Ignored, ...] = Field(default=(), description="Advisories that refuse nothing for a while.")

    @field_validator("database")
    @classmethod
    def _is_a_place(cls, place: str | None) -> str | None:
        if place is not None and not PurePosixPath(place).is_absolute():
            raise ValueError(f"`database` is a place on the worker and begins with /, {place!r} does not")
        return place

    def ignored(self, ids: Iterable[str], today: date) -> Ignored | None:
        """The entry that excuses an advisory of these ids today."""
        known = set(ids)
        return next((one for one in self.ignore if one.id in known and today < one.until), None)


class Secrets(_Part):
    """Whether the change adds secrets."""

    scan: bool = Field(default=True, description="false: nothing is looked for, and the evidence says so.")
    entropy: bool = Field(
        default=False,
        description="Take strings that look random for secrets too: finds more, and ids of revisions as well.",
    )


class Scans(_Part):
    """What is found out about the artifact and the change before stage."""

    sbom: str | None = Field(
        default=None,
        description="A CycloneDX JSON that the build leaves, relative to the export; made from the artifact without.",
        examples=["dist/sbom.cdx.json"],
    )
    secrets: Secrets = Secrets()
    vulnerabilities: Vulnerabilities = Vulnerabilities()

    @field_validator("sbom")
    @classmethod
    def _lies_inside(cls, place: str | None) -> str | None:
        path = PurePosixPath("." if place is None else place)
        if place is not None and (not path.parts or path.is_absolute() or ".." in path.parts):
            raise ValueError(f"`sbom` must lie in the export, {place!r} does not")
        return place


class SbomUnusableError(InputError):
    """What the build left as its SBOM is none, or is about another file."""

    code = "sbom_unusable"


class SecretsFoundError(RefusedError):
    """The change adds what looks like secrets."""

    code = "secrets_found"

    def __init__(self, found: "tuple[Secret, ...]") -> None:
        super().__init__(
            f"the change adds {_count(len(found), 'secret')}:\n{_listed(f'{one.place} {one.kind}' for one in found)}",
            hint="take it out and replace it where it is used; what is none: comment `pragma: allowlist secret` in its "
            "line, or put it into .secrets.baseline",
            file=found[0].file,
            line=found[0].line,
        )
        self.found = found


class VulnerabilitiesFoundError(RefusedError):
    """Parts of the artifact have known vulnerabilities."""

    code = "vulnerabilities_found"

    def __init__(self, told: list[str]) -> None:
        super().__init__(
            f"the artifact has {_count(len(told), 'known vulnerability', 'known vulnerabilities')}:\n{_listed(told)}",
            hint="take the fixed version, or say under `scans.vulnerabilities.ignore` why it may wait until when",
        )


class NotLookedUpError(RefusedError):
    """Vulnerabilities must be looked up, and not all parts could be."""

    code = "vulnerabilities_not_scanned"


class AdvisoriesStaleError(RefusedError):
    """The advisory database is older than it may be."""

    code = "advisories_stale"


@dataclass(frozen=True, order=True)
class Secret:
    """Where something that looks like a secret stands. Never the secret: its hash tells two apart."""

    file: str
    line: int
    kind: str
    hash: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def identity(self) -> tuple[str, str, str]:
        """What a baseline knows it by, wherever it moves in its file."""
        return (self.file, self.kind, self.hash)

    def told(self) -> dict[str, Any]:
        return asdict(self)


class BaselineUnreadableError(InputError):
    """`.secrets.baseline` is not what detect-secrets writes."""

    code = "secrets_baseline"


def allowed(baseline: str | None) -> frozenset[tuple[str, str, str]]:
    """The identities that a `.secrets.baseline` of detect-secrets allows. What an audit calls a true secret is not
    allowed; its plugins and filters are not read: they may name code of the product, and would turn the gate off.

    Raises:
        BaselineUnreadableError: it is something else.
    """
    if baseline is None:
        return frozenset()
    try:
        rows = [(file, row) for file, rows in json.loads(baseline)["results"].items() for row in rows]
        return frozenset(
            (str(file), str(row["type"]), str(row["hashed_secret"])) for file, row in rows if not row.get("is_secret")
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BaselineUnreadableError(
            "the file is not what detect-secrets writes",
            file=".secrets.baseline",
            hint="detect-secrets scan > .secrets.baseline",
        ) from None


def _count(number: int, noun: str, nouns: str = "") -> str:
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


def _listed(lines: Iterable[str]) -> str:
    every = list(lines)
    more = [f"  … and {len(every) - _SHOWN} more"] if len(every) > _SHOWN else []
    return "\n".join([*(f"  {line}" for line in every[:_SHOWN]), *more])
