"""The link by which a tenant's contact agrees to a release or declines it: what it is bound to, and how it is read.

A link is a statement signed by our own key, so nobody else makes one, and whoever has it may answer: it is worth what
the contact's mailbox is worth. It says neither yes nor no; that is chosen on the page it leads to.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from stationmaster.domain import dsse
from stationmaster.domain.approval_statement import PAYLOAD_TYPE, statement_of
from stationmaster.domain.artifact import Digest
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.tenants import Id

PREDICATE_TYPE = "https://stationmaster.dev/consent-link/v1"
LONGEST = 2_048  # characters of a token; ours have some 700


class ForeignLinkError(RefusedError):
    """The link is none of ours, or not as we made it."""

    code = "foreign_link"

    def __init__(self) -> None:
        super().__init__("this link is not valid", hint="take it as it was sent, whole")


class LinkOverError(RefusedError):
    """The link was ours, and its time is over."""

    code = "link_over"

    def __init__(self) -> None:
        super().__init__("the time of this link is over", hint="ask for another one")


class Link(BaseModel):
    """What a link is for: this answer of this contact about this artifact, as this release, for this tenant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: Id
    release: Id
    tenant: Id
    contact: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="See `contact_digest`.")]
    digest: Digest
    expires: AwareDatetime

    def statement(self) -> bytes:
        """What is signed: an in-toto Statement v1 about the artifact, in canonical bytes."""
        predicate = self.model_dump(exclude={"digest", "expires"}) | {"expires": instant(self.expires)}
        return statement_of(self.digest, PREDICATE_TYPE, predicate)


def contact_digest(tenant: str, contact: str) -> str:
    """How a link names a contact of a tenant, however the address is written."""
    return hashlib.sha256(f"{tenant}\n{contact.strip().lower()}".encode()).hexdigest()


def token(envelope: Mapping[str, Any]) -> str:
    """The end of the link's address, of the envelope over its statement: two parts in URL-safe base64."""
    parsed = dsse.parse(envelope)
    return f"{_base64(parsed.payload)}.{_base64(parsed.signatures[0].sig)}"


def claimed(given: str) -> Link:
    """What a token says that it is; nothing of it is proved.

    Raises:
        ForeignLinkError: it is not written as we write them.
    """
    return _read(given)[0]


def opened(given: str, key: bytes, at: datetime) -> Link:
    """What a token is for, when our raw public `key` made it, at an aware instant.

    Raises:
        ForeignLinkError: it was made by nobody, by somebody else, or changed since.
        LinkOverError: its time is over.
    """
    link, payload, sig = _read(given)
    signature = dsse.Signature(dsse.key_id(key), sig)
    if dsse.verified(dsse.Envelope(payload, PAYLOAD_TYPE, (signature,)), signature, [key]) is None:
        raise ForeignLinkError
    if at >= link.expires:
        raise LinkOverError
    return link


def _read(given: str) -> tuple[Link, bytes, bytes]:
    """The link, its payload and its signature. There is one spelling of each: another one is no link of ours."""
    if len(given) > LONGEST or given.count(".") != 1:
        raise ForeignLinkError
    payload, sig = (_bytes(part) for part in given.split("."))
    try:
        value = json.loads(payload)
        (subject,) = value["subject"]
        found = Link.model_validate({**value["predicate"], "digest": f"sha256:{subject['digest']['sha256']}"})
        ours = found.statement()
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):  # the last: an end out of all time
        raise ForeignLinkError from None
    if ours != payload:
        raise ForeignLinkError
    return found, payload, sig


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ForeignLinkError from None
    if _base64(raw) != text:
        raise ForeignLinkError
    return raw
