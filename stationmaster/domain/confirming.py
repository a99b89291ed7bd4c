"""What somebody says who wants a release that was asked for in the Prefect UI: approval/v1 with action `confirm`.

Whoever confirms is the starter and cannot approve. Said of another request, of another release or by nobody known it
confirms nothing.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stationmaster.domain import dsse
from stationmaster.domain.approval_statement import PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, Channel
from stationmaster.domain.approvers import Approvers, Person
from stationmaster.domain.entries import canonical, digest
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.policy import Assurance


class ConfirmationRefusedError(RefusedError):
    """What was said confirms no start."""

    code = "confirmation_refused"


class Wish(BaseModel):
    """The predicate: that somebody wants the release whose request has this digest."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    release: str
    action: Literal["confirm"] = "confirm"
    request: str
    assurance: Assurance = "signed"
    channel: Channel | None = None
    by: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    def statement(self) -> bytes:
        """What is signed: an in-toto statement about the request, in canonical bytes."""
        return rfc8785.dumps(
            {
                "_type": STATEMENT_TYPE,
                "subject": [{"name": "request", "digest": {"sha256": self.request.removeprefix("sha256:")}}],
                "predicateType": PREDICATE_TYPE,
                "predicate": self.model_dump(exclude_none=True),
            }
        )


def asked_digest(release: str, asked: Mapping[str, Any]) -> str:
    """What names all of a request, as `ReleaseRequest.asked` gives it, under the release's name."""
    return digest(canonical({"id": release, **asked}))


def wish_in(payload: bytes) -> Wish | None:
    """The wish that a payload is; None when it is anything else, by as little as a byte."""
    try:
        wish = Wish.model_validate(json.loads(payload)["predicate"])
    except (ValueError, ValidationError, TypeError, KeyError, RecursionError):
        return None
    return wish if wish.statement() == payload else None


def who_confirms(
    given: Mapping[str, Any], release: str, asked: Mapping[str, Any], approvers: Approvers, at: datetime
) -> tuple[Person, Wish]:
    """Who wants the release, by one signature over this very request.

    Raises:
        ConfirmationRefusedError: nobody who may, or something else is wanted.
    """
    envelope = dsse.parse(given)
    wish = wish_in(envelope.payload) if envelope.payload_type == PAYLOAD_TYPE else None
    if wish is None or (wish.release, wish.request) != (release, asked_digest(release, asked)):
        raise ConfirmationRefusedError(
            f"something else was signed than that {release} is wanted as it was asked for",
            hint=f"sign it as it is now: stationmaster approve {release} --confirm",
        )
    person = _signer(envelope, wish, approvers, at)
    if person is None:
        raise ConfirmationRefusedError(
            f"nobody who may start releases signed that {release} is wanted", hint="is your key in approvers.yaml?"
        )
    return person, wish


def _signer(envelope: dsse.Envelope, wish: Wish, approvers: Approvers, at: datetime) -> Person | None:
    """A person by their key; by a channel, when a service signed that may say so."""
    held = {raw: (key, owner) for raw, key, owner in approvers.holders() if key.valid(at)}
    raws = [dsse.verified(envelope, one, held) for one in envelope.signatures]
    if len(raws) != 1 or raws[0] is None:
        return None
    owner = held[raws[0]][1]
    if isinstance(owner, Person):
        person = owner if wish.assurance == "signed" and wish.channel is None else None
    else:
        may = owner.attests_approvals and wish.assurance == "attested_by_channel" and wish.channel is not None
        person = approvers.by_channel(wish.channel, wish.by or "") if may and wish.channel else None
    return person if person is not None and person.valid(at) else None
