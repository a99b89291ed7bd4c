"""Whether a bundle's index is the service's own, and the files are those that it lists."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from stationmaster.domain import bundle, dsse
from stationmaster.domain.approval_statement import PAYLOAD_TYPE
from stationmaster.domain.approvers import Approvers, Service
from stationmaster.domain.bundle import Index, NotCanonicalError, strict_json
from stationmaster.domain.entries import digest


class FlawError(ValueError):
    """Something in a bundle is not as it must be: which file, and why."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")


def read_index(files: Mapping[str, bytes], keys: Approvers) -> Index:
    """The index, if a service that may has signed exactly this one. Raises FlawError."""
    for name in sorted(bundle.UNLISTED):
        if name not in files:
            raise FlawError(name, "it is missing")
    raw = files[bundle.INDEX]
    index = _parsed(raw)
    said = vouched(bundle.SIGNATURE, files[bundle.SIGNATURE], keys, _instant(index.at))
    if said != bundle.statement(raw, index.release, index.tenant):
        raise FlawError(bundle.SIGNATURE, f"what was signed is not this {bundle.INDEX}")
    return index


def vouched(file: str, content: bytes, keys: Approvers, at: datetime) -> bytes:
    """The payload of an envelope that one of our services has signed, with a key that counted for such a statement at
    the aware instant. Each signature must be good, and is counted for its key alone. Raises FlawError.
    """
    envelope = _envelope(file, content)
    predicate = _predicate(file, envelope.payload)
    owners = {raw: (key, owner) for raw, key, owner in keys.holders() if isinstance(owner, Service)}
    if not envelope.signatures:
        raise FlawError(file, "nobody has signed it")
    for signature in envelope.signatures:
        raw = dsse.verified(envelope, signature, owners)
        if raw is None or dsse.key_id(raw) != signature.keyid:
            raise FlawError(file, f"no service in the file of keys made the signature of {signature.keyid[:16]}…")
        key, owner = owners[raw]
        if not owner.attests(predicate):
            raise FlawError(file, f"{owner.id} signed it, whose keys do not count for {predicate}")
        if not key.valid(at):
            raise FlawError(file, f"the key of {owner.id} was not valid when it signed")
    return envelope.payload


def listing(files: Mapping[str, bytes], index: Index) -> Iterator[str]:
    """Every file that is not as the index says: missing, changed, or not listed."""
    names = [row.name for row in index.files]
    if names != sorted(set(names)):
        yield f"{bundle.INDEX}: its files are not listed once each, in the order of their names"
    for name in sorted(set(files) - set(names) - bundle.UNLISTED):
        yield f"{name}: it is not in {bundle.INDEX}"
    for row in index.files:
        if row.name not in files:
            yield f"{row.name}: it is missing"
        elif row.size != len(files[row.name]) or row.digest != digest(files[row.name]):
            yield f"{row.name}: it was changed, its digest is not that of {bundle.INDEX}"


def _parsed(raw: bytes) -> Index:
    try:
        strict_json(raw)
        index = Index.model_validate_json(raw)
    except NotCanonicalError as error:
        raise FlawError(bundle.INDEX, str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise FlawError(bundle.INDEX, f"it is no index of a bundle: {where}: {first['msg']}") from None
    if index.canonical() != raw:
        raise FlawError(bundle.INDEX, "it is not spelt as an index is")
    return index


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise FlawError(bundle.INDEX, f"{text[:40]!r} is no instant") from None
    if at.tzinfo is None:
        raise FlawError(bundle.INDEX, f"{text!r} has no zone")
    return at


def _envelope(file: str, content: bytes) -> dsse.Envelope:
    try:
        strict_json(content)
        envelope = dsse.parse(content)
    except (NotCanonicalError, dsse.MalformedError) as error:
        raise FlawError(file, f"it is no envelope as we write them: {error}") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise FlawError(file, f"it holds {envelope.payload_type[:60]!r}, not an in-toto statement")
    return envelope


def _predicate(file: str, payload: bytes) -> str:
    try:
        statement: Any = strict_json(payload)
        return str(statement["predicateType"])
    except (NotCanonicalError, KeyError, TypeError):
        raise FlawError(file, "what is signed is no in-toto statement in canonical JSON") from None
