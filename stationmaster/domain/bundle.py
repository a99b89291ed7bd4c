"""What an evidence bundle is: its index, the names of its files, and what the service signs. Collecting them is
`blocks/bundling.py`, checking them `domain/verify.py`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.approval_statement import STATEMENT_TYPE
from stationmaster.domain.artifact import Digest
from stationmaster.domain.entries import Entry, canonical, digest
from stationmaster.domain.stages import CLOSED, Stage, stages_after
from stationmaster.domain.tenants import Id

FORMAT: Final = "https://stationmaster.dev/evidence-bundle/v1"
PREDICATE = "https://stationmaster.dev/bundle/v1"

INDEX = "release.json"
SIGNATURE = "release.json.dsse"
VERIFY = "VERIFY.md"
CONTROLS = "controls.md"
OPENINGS = "mandate_openings/"
CHECKPOINT = "log/checkpoint"
LEAVES = "log/leaves"
ENTRIES = "log/entries.jsonl"
UNLISTED = frozenset({INDEX, SIGNATURE})  # an index cannot hold its own digest, nor that of its signature

State = Literal["open", "released", "rolled_back", "aborted"]
Why = Literal["names another tenant", "no text", "not kept", "damaged", "erased", "never recorded"]


class NotCanonicalError(ValueError):
    """These bytes are not the one canonical spelling of a JSON value."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Cut(_Part):
    """Lines were taken out of a log, because they name other tenants."""

    of: Digest = Field(description="The whole log, as an entry tells it.")
    lines: int = Field(ge=1, description="How many were taken out.")


class File(_Part):
    """One file of the bundle."""

    name: str
    digest: Digest
    size: int = Field(ge=0, description="Bytes.")
    entry: int | None = Field(default=None, description="The entry of the ledger that tells its digest, if one does.")
    cut: Cut | None = None


class Absent(_Part):
    """Something that one would look for and that is not in the bundle."""

    entry: int | None = None
    what: str
    digest: Digest | None = None
    why: Why


class Head(_Part):
    """The checkpoint under which the proofs are."""

    origin: str
    size: int = Field(ge=0)
    root: Digest


class Index(_Part):
    """`release.json`. Every file but itself and its signature is in it."""

    format: Literal["https://stationmaster.dev/evidence-bundle/v1"] = FORMAT
    release: Id
    product: Id
    state: State = Field(description="How it ended, once the entry `closed` listed its evidence; until then, open.")
    tenant: Id | None = Field(description="The one customer it is for; null when it is the whole release.")
    at: str = Field(description="When it was made, as the service says.")
    checkpoint: Head
    entries: tuple[int, ...] = Field(description="Indexes of the release's entries that are in log/entries.jsonl.")
    hidden: tuple[int, ...] = Field(description="Indexes of those that are leaf hashes alone.")
    files: tuple[File, ...]
    absent: tuple[Absent, ...]

    def canonical(self) -> bytes:
        return canonical(self.model_dump())


def state_of(entries: Sequence[Entry]) -> State:
    """What a bundle says of a release, by all of its entries in order. One that is over is open until `closed` has
    listed all that led there. Raises UnfitEntryError.
    """
    said: State = "open"
    stage: Stage = "requested"
    known = list[int]()
    for entry, after in zip(entries, stages_after(entries), strict=True):
        if after != stage:
            stage, said = after, "open"
        if entry.step != "closed":
            known.append(entry.index)
        elif (entry.fact.get("state"), entry.fact.get("leaves")) == (stage, known) and stage in CLOSED:
            said = stage  # type: ignore[assignment] # CLOSED are the other three
    return said


def statement(index: bytes, release: str, tenant: str | None) -> bytes:
    """What the service signs: an in-toto Statement v1 about the bytes of the index."""
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": INDEX, "digest": {"sha256": digest(index).removeprefix("sha256:")}}],
            "predicateType": PREDICATE,
            "predicate": {"release": release, "tenant": tenant},
        }
    )


def listed(files: Mapping[str, bytes], told: Mapping[str, tuple[int, Cut | None]]) -> tuple[File, ...]:
    """The rows of the files, sorted. `told`: a file's name to the entry that tells its digest, and its cut."""
    rows = []
    for name in sorted(files):
        entry, cut = told.get(name, (None, None))
        rows.append(File(name=name, digest=digest(files[name]), size=len(files[name]), entry=entry, cut=cut))
    return tuple(rows)


def absences(index: Index) -> list[str]:
    """What is not in the bundle and why, each with how often, for people."""
    counted = Counter((one.what, one.why) for one in index.absent)
    return [f"not in it: {what}, {why} ({count})" for (what, why), count in sorted(counted.items())]


def proof_name(index: int) -> str:
    return f"log/proofs/{index}.tlog-proof"


def envelope_name(index: int) -> str:
    """The envelope of an approval."""
    return f"approvals/{index}.intoto.jsonl"


def opening_name(index: int) -> str:
    """What opens the line of one customer in the mandate that an entry laid down."""
    return f"{OPENINGS}{index}.json"


def who_name(index: int) -> str:
    """The personal data of an entry, as sealed in the ledger."""
    return f"approvals/{index}.who.json"


def lines(entries: Iterable[bytes]) -> bytes:
    """Canonical bytes of entries as `log/entries.jsonl` has them: one a line, since canonical JSON has no line ends."""
    return b"".join(each + b"\n" for each in entries)


def strict_json(content: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value of canonical JSON. Raises NotCanonicalError when there is another spelling than this, or none."""
    try:
        value = json.loads(content)
        again = rfc8785.dumps(value)
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise NotCanonicalError(f"it is not JSON: {str(error)[:120]}") from None
    if again != content:
        raise NotCanonicalError("it is not canonical JSON")
    return value
