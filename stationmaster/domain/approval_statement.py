"""What one approver says: an in-toto Statement v1 with predicate approval/v1, in the one byte string it may have."""

import json
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stationmaster.domain.policy import Assurance

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://stationmaster.dev/approval/v1"

Act = Literal["deploy", "contract", "emergency"]
Channel = Literal["github", "slack"]
_Words = Annotated[str, Field(min_length=1, max_length=2000)]


class Said(BaseModel):
    """The predicate approval/v1.

    `mandate` is the digest of what may be done. With `assurance: attested_by_channel` a service of ours signs, and says
    through which channel and under which handle (`by`) somebody approved. An emergency carries a reason and a ticket.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    release: str
    action: Act = "deploy"
    mandate: str
    assurance: Assurance = "signed"
    channel: Channel | None = None
    by: _Words | None = None
    reason: _Words | None = None
    ticket: _Words | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "Said":
        through = self.assurance == "attested_by_channel"
        if ((self.channel is not None), (self.by is not None)) != (through, through):
            raise ValueError("a channel and a handle stand with attested_by_channel, and only there")
        if (self.action == "emergency") != bool(self.reason and self.ticket):
            raise ValueError("an emergency has a reason and a ticket, and nothing else has")
        return self

    def statement(self, digest: str) -> bytes:
        """What is signed: a statement about the artifact of that digest, in canonical bytes (RFC 8785)."""
        return statement_of(digest, PREDICATE_TYPE, self.model_dump(exclude_none=True))


def statement_of(digest: str, predicate_type: str, predicate: dict[str, Any]) -> bytes:
    """An in-toto Statement v1 about the artifact, in canonical bytes."""
    return rfc8785.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": "artifact", "digest": {"sha256": digest.removeprefix("sha256:")}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def statement(release: str, digest: str, mandate: str) -> bytes:
    """What an approver of a deploy signs with a key of their own."""
    return Said(release=release, mandate=mandate).statement(digest)


def said_in(payload: bytes, digest: str) -> Said | None:
    """What a payload says of the artifact of that digest; None when it is anything else, by as little as a byte."""
    try:
        said = Said.model_validate(json.loads(payload)["predicate"])
    except (ValueError, ValidationError, TypeError, KeyError, RecursionError):
        return None
    return said if said.statement(digest) == payload else None
