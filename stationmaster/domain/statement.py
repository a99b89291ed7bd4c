"""An in-toto Statement v1 about a fact of the ledger, in canonical bytes. Which predicate a fact has is
`attestation.py`'s; signing is `blocks/attesting.py`'s.

https://github.com/in-toto/attestation/tree/main/spec/v1
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from stationmaster.domain.entries import Entry, canonical

STATEMENT = "https://in-toto.io/Statement/v1"
OURS = "https://stationmaster.dev"
ENTRY = f"{OURS}/entry/v1"  # the annotation of each subject
CONFIG = "stationmaster.yaml"
_NAMES = "tag:stationmaster.dev,2026"  # RFC 4151: what has a name and no address


@dataclass(frozen=True)
class About:
    """What statements say of a release beside the fact itself."""

    release: str
    product: str
    ref: str
    kind: str
    commit: str
    version: str
    artifact: str | None  # digest; None before it is built
    source: str | None = None  # the repository's public address

    @classmethod
    def of(cls, entries: Iterable[Entry], source: str | None = None) -> "About | None":
        """Of the entries of one release; None before it is cut, when there is nothing to say."""
        first: dict[str, Entry] = {}
        for entry in entries:
            first.setdefault(entry.step, entry)
        asked, cut, built = (first.get(step) for step in ("started", "cut", "built"))
        if asked is None or cut is None:
            return None
        return cls(
            cut.release, asked.fact["product"], asked.fact["ref"], asked.fact["kind"], cut.fact["commit"],
            cut.fact["version"], built.fact["digest"] if built else None, source,
        )  # fmt: skip

    @property
    def config(self) -> dict[str, Any]:
        """The file that says what had to be done, at the release's commit."""
        return {"name": CONFIG, "digest": {"gitCommit": self.commit}}


@dataclass(frozen=True)
class Statement:
    """A predicate about one entry. `subjects` are what it is about, each with a digest."""

    of: int  # index of the entry
    about: str  # STEP/SUBJECT of it
    predicate_type: str
    content: Mapping[str, Any]

    def canonical(self) -> bytes:
        """The bytes that are signed (RFC 8785)."""
        return canonical(self.content)


def state(entry: Entry, subject: Mapping[str, Any], predicate_type: str, predicate: Mapping[str, Any]) -> Statement:
    """The statement. The subject is annotated with the entry, by the hash of its leaf in the log (RFC 6962), so that
    it cannot be taken for one about another release of the same artifact.
    """
    leaf = hashlib.sha256(b"\x00" + entry.canonical()).hexdigest()
    note = {"release": entry.release, "step": entry.step, "index": entry.index, "leaf": leaf}
    content = {
        "_type": STATEMENT,
        "subject": [{**subject, "annotations": {ENTRY: note}}],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }
    return Statement(entry.index, f"{entry.step}/{entry.subject}", predicate_type, content)


def digests(digest: str) -> dict[str, str]:
    """`sha256:…` as in-toto writes it."""
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}


def kept(name: str, digest: str, media_type: str) -> dict[str, Any]:
    """A file of the evidence, as a ResourceDescriptor."""
    return {
        "name": name, "digest": digests(digest), "downloadLocation": named(f"evidence/{digest}"),
        "mediaType": media_type,
    }  # fmt: skip


def named(what: str) -> str:
    """An identifier of something that has no address of its own."""
    return f"{_NAMES}:{quote(what, safe='/:')}"
