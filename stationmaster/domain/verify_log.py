"""Whether the entries of a bundle are what the log has at their places, all of them, under a trusted checkpoint."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from pydantic import ValidationError

from stationmaster.domain import bundle, checkpoint, merkle
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.bundle import Index
from stationmaster.domain.checkpoint import Checkpoint, CheckpointError
from stationmaster.domain.entries import Entry
from stationmaster.domain.verify_index import FlawError


def read_log(files: Mapping[str, bytes], index: Index, keys: Approvers) -> tuple[list[Entry], list[bytes]]:
    """The release's entries and all leaves, if the checkpoint is signed by a log's key and is over these leaves, and
    each entry is the leaf at its place. Raises FlawError.
    """
    made = _trusted(_file(files, bundle.CHECKPOINT), index, keys)
    leaves = _leaves(_file(files, bundle.LEAVES), made)
    return list(_entries(_file(files, bundle.ENTRIES), index, leaves)), leaves


def proofs(files: Mapping[str, bytes], index: Index, leaves: Sequence[bytes]) -> Iterator[str]:
    """Every proof that is missing, or does not lead from its entry to this checkpoint, and each that is of no entry."""
    note, root = files[bundle.CHECKPOINT].decode(), bytes.fromhex(index.checkpoint.root.removeprefix("sha256:"))
    wanted = {bundle.proof_name(number): number for number in index.entries}
    for name in sorted(set(wanted) | {name for name in files if name.startswith("log/proofs/")}):
        if name not in wanted or name not in files:
            yield f"{name}: {'it is missing' if name in wanted else 'it is the proof of no entry of this bundle'}"
            continue
        number = wanted[name]
        try:
            proof = checkpoint.parse_proof(files[name])
        except CheckpointError as error:
            yield f"{name}: {error.message}"
            continue
        if proof.signed.text != note or proof.index != number or proof.extra:
            yield f"{name}: it is the proof of another entry, or under another checkpoint"
        elif not merkle.verify_inclusion(leaves[number], number, len(leaves), proof.hashes, root):
            yield f"{name}: it does not lead from entry {number} to the root of the checkpoint"


def gaps(index: Index, entries: Sequence[Entry]) -> Iterator[str]:
    """What is missing or too much, by the entries that list them all below the size that they say. Before one is
    written, the index is believed.
    """
    every = sorted({*index.entries, *index.hidden})
    if len(every) != len(index.entries) + len(index.hidden) or any(not 0 <= n < index.checkpoint.size for n in every):
        yield f"{bundle.INDEX}: an entry is both shown and hidden, or is beyond the checkpoint"
    if index.hidden and index.tenant is None:
        yield f"{bundle.INDEX}: entries are hidden, although it is the bundle of no one tenant"
    lists = [entry for entry in entries if entry.step == "closed"]  # they list what is no list
    known = [number for number in every if number not in {closed.index for closed in lists}]
    for closed in lists:
        listed, size = closed.fact.get("leaves"), closed.fact.get("size")
        here = [number for number in known if number < (size if isinstance(size, int) else closed.index)]
        if listed != here:
            among = listed if isinstance(listed, list) else []
            odd = [one for one in [*among, *here] if one not in among or one not in here][:5]
            yield f"{bundle.ENTRIES}: entry {closed.index} lists other entries of the release: {str(odd)[:60]}"


def compared(note: bytes, index: Index, keys: Approvers, leaves: Sequence[bytes]) -> Iterator[str]:
    """Whether a checkpoint from elsewhere contradicts the bundle. A larger one cannot be compared: that it continues
    this log would take leaves that are not here, and an old log must not pass for a new one.
    """
    try:
        found = checkpoint.opened(note, keys.vkeys(index.checkpoint.origin))
    except CheckpointError as error:
        yield f"the other checkpoint: {error.message}"
        return
    if found.size > len(leaves):
        yield (
            f"the other checkpoint: it has {found.size} entries and this bundle's {len(leaves)}: this is an older log, "
            "and the bundle must be made again to be compared"
        )
    elif merkle.root(leaves[: found.size]) != found.root:
        yield f"the other checkpoint: its {found.size} entries are not those of this bundle's log, which was rewritten"


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise FlawError(name, "it is missing")
    return files[name]


def _trusted(note: bytes, index: Index, keys: Approvers) -> Checkpoint:
    told = index.checkpoint
    try:
        made = checkpoint.opened(note, keys.vkeys(told.origin))
    except CheckpointError as error:
        raise FlawError(bundle.CHECKPOINT, error.message) from None
    if (made.origin, made.size, f"sha256:{made.root.hex()}") != (told.origin, told.size, told.root):
        raise FlawError(bundle.CHECKPOINT, f"it is not the one of {bundle.INDEX}")
    return made


def _leaves(packed: bytes, made: Checkpoint) -> list[bytes]:
    if len(packed) != made.size * merkle.HASH_BYTES:
        raise FlawError(bundle.LEAVES, f"it has {len(packed):,} bytes, which are not {made.size:,} leaves")
    leaves = merkle.split(packed)
    if merkle.root(leaves) != made.root:
        raise FlawError(bundle.LEAVES, "its root is not that of the checkpoint")
    return leaves


def _entries(content: bytes, index: Index, leaves: Sequence[bytes]) -> Iterator[Entry]:
    lines = content.split(b"\n")
    if lines.pop() or len(lines) != len(index.entries):
        raise FlawError(bundle.ENTRIES, f"it has not the {len(index.entries)} entries of {bundle.INDEX}, one a line")
    for line, number in zip(lines, index.entries, strict=True):
        entry = _entry(line, number)
        if entry.release != index.release:
            raise FlawError(bundle.ENTRIES, f"entry {number} is of another release, {entry.release}")
        if number >= len(leaves) or merkle.leaf(line) != leaves[number]:
            raise FlawError(bundle.ENTRIES, f"entry {number} is not what the log has there")
        yield entry
    if list(index.entries) != sorted(set(index.entries)):
        raise FlawError(bundle.ENTRIES, "its entries are not in the order of their indexes, each once")


def _entry(line: bytes, number: int) -> Entry:
    try:
        entry = Entry.model_validate(json.loads(line))
        known = datetime.fromisoformat(entry.at).tzinfo is not None
        again = entry.canonical()  # of a number that JSON cannot say exactly there is none
    except (ValueError, ValidationError, RecursionError):
        raise FlawError(bundle.ENTRIES, f"the line of entry {number} is no entry") from None
    if entry.index != number or not known or again != line:
        raise FlawError(bundle.ENTRIES, f"the line of entry {number} is another entry, or not canonical")
    return entry
