"""Whether the files beside the log are those that the entries tell of, and the attestations are signed by who may."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from stationmaster.domain.approvers import Approvers
from stationmaster.domain.bundle import File, Index, envelope_name, strict_json, who_name
from stationmaster.domain.entries import Entry, canonical, digest
from stationmaster.domain.kept import kept
from stationmaster.domain.verify_absent import Told, unexcused
from stationmaster.domain.verify_index import FlawError, vouched

# Folders in which every file is told of by an entry; what else there is has the service's signature alone.
_OF_ENTRIES = (
    "approvals/",
    "attestations/",
    "consents/",
    "logs/",
    "migrations/",
    "other/",
    "reports/",
    "scans/",
    "sbom.cdx.json",
)


def personal_of(files: Mapping[str, bytes], entry: Entry) -> dict[str, Any] | None:
    """The personal data of an entry; None when it is not in the bundle."""
    content = files.get(who_name(entry.index))
    if content is None:
        return None
    try:
        found = strict_json(content)["personal"]
    except (ValueError, KeyError, TypeError):
        return None  # its digest is that of the entry: this is what was recorded, whatever it is
    return found if isinstance(found, dict) else None


def envelope_of(files: Mapping[str, bytes], entry: Entry) -> Mapping[str, Any] | None:
    """The envelope that an entry holds, or its personal data."""
    for envelope in (entry.fact.get("envelope"), (personal_of(files, entry) or {}).get("envelope")):
        if isinstance(envelope, Mapping):
            return envelope
    return None


def strangers(files: Mapping[str, bytes], index: Index, entries: Sequence[Entry]) -> Iterator[str]:
    """Files that are not what the entries tell of, and what is not there without a good reason."""
    every, rows = _told(files, entries), {row.name: row for row in index.files}
    told = {one.name: one for one in every}
    for name, row in rows.items():
        if name.startswith(_OF_ENTRIES) or row.entry is not None or row.cut is not None:
            yield from _fitting(row, told.get(name), index)
    yield from unexcused([one for one in every if one.name not in rows], index, entries)


def attestations(files: Mapping[str, bytes], index: Index, entries: Iterable[Entry], keys: Approvers) -> Iterator[str]:
    """Every attestation that no service who may has signed, or that is not about what its entry says."""
    known = {entry.index: entry for entry in entries}
    names = {one.entry: one.name for one in kept(known.values()) if one.kind == "attestation"}
    for number, name in names.items():
        if name in files:
            yield from _attestation(name, files[name], known[number], keys)
            yield from _about(name, known[number], known, whole=index.tenant is None)


def _attestation(name: str, content: bytes, entry: Entry, keys: Approvers) -> Iterator[str]:
    try:
        payload = vouched(name, content, keys, datetime.fromisoformat(entry.at))
    except FlawError as flaw:
        yield str(flaw)
        return
    if json.loads(payload)["predicateType"] != entry.fact.get("predicate"):
        yield f"{name}: its predicate is not the one of entry {entry.index}"


def _about(name: str, entry: Entry, known: Mapping[int, Entry], *, whole: bool) -> Iterator[str]:
    """What is attested is in a whole bundle; a tenant's lacks facts that name others."""
    of = entry.fact.get("of")
    about = known.get(of) if isinstance(of, int) else None
    if about is None and (whole or not isinstance(of, int)):
        yield f"{name}: entry {entry.index} is about entry {of}, which is not in this bundle"
    elif about is not None and entry.subject != f"{about.step}/{about.subject}":
        yield f"{name}: entry {entry.index} is about {entry.subject}, and entry {about.index} is another"


def _told(files: Mapping[str, bytes], entries: Iterable[Entry]) -> list[Told]:
    listed = tuple(entries)
    found = [Told(one.name, one.entry, one.digest, one.what, one.kind) for one in kept(listed)]
    for entry in listed:
        number = entry.index
        if entry.payload is not None:
            found.append(Told(who_name(number), number, entry.payload, "who", "who"))
        if (envelope := envelope_of(files, entry)) is not None:
            found.append(Told(envelope_name(number), number, digest(canonical(envelope)), "envelope", "envelope"))
    return found


def _fitting(row: File, told: Told | None, index: Index) -> Iterator[str]:
    if told is None or row.entry != told.entry:
        yield f"{row.name}: no entry of this bundle tells of it"
    elif (row.cut.of if row.cut else row.digest) != told.digest:
        yield f"{row.name}: it is not the file that entry {told.entry} tells of"
    elif row.cut and (index.tenant is None or told.kind != "log"):
        yield f"{row.name}: lines are cut from it, although it is no log of one tenant's bundle"
