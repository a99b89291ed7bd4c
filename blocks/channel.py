"""Records what somebody says of a release through a channel, or by a code that they signed, and says what it comes to.

A channel's word is signed with the service's own key, which says so: `attested_by_channel`. It is on record whether it
counts or not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stationmaster.blocks.approval import (
    Desk,
    NothingToApproveError,
    asked,
    asked_for,
    contract_waits,
    mandate_of,
    put,
    record_refusals,
)
from stationmaster.blocks.confirmation import asked_of, confirm_signed, confirmation
from stationmaster.domain import dsse
from stationmaster.domain.approval import Decision
from stationmaster.domain.approval_code import ApprovalCodeError
from stationmaster.domain.approval_statement import Said, said_in
from stationmaster.domain.channel import Voice
from stationmaster.domain.confirming import Wish, asked_digest, wish_in
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import RefusedError, StationmasterError
from stationmaster.domain.stages import CLOSED, fold

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


_KEY_ID = re.compile(r"[0-9a-f]{64}")


class NotAskedError(RefusedError):
    """Nobody asks for what was agreed to."""

    code = "not_asked"


@dataclass(frozen=True)
class Answer:
    """What became of it, in a sentence for whoever said it."""

    release: str
    counts: bool
    said: str


def hear(desk: Desk, product: str, voice: Voice, at: datetime) -> Answer:
    """Record what somebody said through a channel of a release of this product, at an aware instant.

    Raises:
        NotAskedError: nothing of the product has that digest; nothing is recorded.
        NothingToApproveError: the release is over; nothing is recorded.
        ConfirmationRefusedError: whoever said it may not start releases; nothing is recorded.
    """
    release, action = _about(desk.ledger, product, voice)
    if action == "confirm":
        wish = Wish(
            release=release, request=voice.digest, assurance="attested_by_channel", channel=voice.channel, by=voice.by
        )
        return _confirmed(desk, release, desk.signer.sign(wish.statement()), at)
    said = Said(
        release=release, action="contract" if _is_of_contract(desk.ledger, release, voice.digest) else "deploy",
        mandate=voice.digest, assurance="attested_by_channel", channel=voice.channel, by=voice.by,
    )  # fmt: skip
    artifact = _artifact(desk.ledger, release)
    return _put(desk, said, artifact, desk.signer.sign(said.statement(artifact)), by=voice.channel, at=at)


def bring(desk: Desk, product: str, release: str, envelope: Mapping[str, Any], *, by: str, at: datetime) -> Answer:
    """Record what somebody signed of a release of a product, approval or confirmation of its start. `by` brings it.

    Raises:
        ApprovalCodeError: it is about something else, or is no signature of one key; nothing is recorded.
        NotAskedError, NothingToApproveError, ConfirmationRefusedError: as `hear`.
    """
    found = dsse.parse(envelope)
    if not _is_of(desk.ledger, release, product):
        raise ApprovalCodeError(f"{release} is no release of {product}", hint="stationmaster release list")
    if len(found.signatures) != 1 or not _KEY_ID.fullmatch(found.signatures[0].keyid):
        raise ApprovalCodeError(
            "what was signed has not one signature, by the id of its key",
            hint=f"make it anew: stationmaster approve {release} --key FILE --print",
        )
    payload = found.payload
    if wish_in(payload) is not None:
        return _confirmed(desk, release, envelope, at)
    artifact = _artifact(desk.ledger, release)
    said = said_in(payload, artifact)
    if said is None or said.release != release or said.assurance != "signed":
        raise ApprovalCodeError(
            f"what was signed is no approval of {release} as it is now",
            hint=f"stationmaster approvals status {release}",
        )
    return _put(desk, said, artifact, envelope, by=by, at=at)


def _put(desk: Desk, said: Said, artifact: str, envelope: Mapping[str, Any], *, by: str, at: datetime) -> Answer:
    cut = desk.cut(said.release)
    mandate = mandate_of(desk.ledger, said.release, asked_for(desk.ledger, said.release))
    question = asked(desk, cut, mandate)  # what cannot be weighed is not recorded
    people = desk.approvers(cut.product.product)
    entry = put(desk.ledger, said, artifact, envelope, people, by=by, at=at)
    try:
        decision = desk.decide(cut, question, at)
        record_refusals(desk.ledger, said.release, decision, at)
    except StationmasterError as error:
        said_so = f"it is on record; what it comes to cannot be told now: {error.message}"
        return Answer(said.release, counts=False, said=said_so)
    return _answer(said.release, entry, decision)


def _answer(release: str, entry: Entry, decision: Decision) -> Answer:
    refused = next((one for one in decision.refused if one.entry == entry.index), None)
    if refused is not None:
        return Answer(
            release, counts=False, said=f"{refused.message} ({refused.rule}); it does not count, and is on record"
        )
    lacks = ", ".join((*(f"{n} more {role}" for role, n in decision.missing.items()), *decision.lacking))
    state = f"{release} is approved" if decision.satisfied else f"{release} still needs {lacks}"
    return Answer(release, counts=True, said=f"it counts: {state}")


def _confirmed(desk: Desk, release: str, envelope: Mapping[str, Any], at: datetime) -> Answer:
    _must_be_open(desk.ledger, release)
    if confirmation(desk.ledger, release) is not None:
        raise NotAskedError(f"the start of {release} was confirmed before", hint=f"stationmaster release why {release}")
    people = desk.approvers(asked_of(desk.ledger, release)["product"])
    who = confirm_signed(desk.ledger, people, release, envelope, at)
    return Answer(release, counts=True, said=f"{who} wants {release}, and so cannot approve it")


def _about(ledger: "Ledger", product: str, voice: Voice) -> tuple[str, str]:
    """The release of the product that has the digest, and whether that is its mandate or its request. One that was
    asked for before and is not any more is found, too: it is told why it does not count.
    """
    laid_down = [*ledger.every("mandated"), *ledger.every("contract_mandated")]
    asked = {entry.release for entry in laid_down if entry.fact["digest"] == voice.digest}
    waiting = {
        entry.release for entry in ledger.every("started") if asked_digest(entry.release, entry.fact) == voice.digest
    }
    found = [(one, "deploy") for one in sorted(asked)] + [(one, "confirm") for one in sorted(waiting)]
    for release, action in found:
        if _is_of(ledger, release, product) and voice.release in {None, release} and voice.action in {None, action}:
            return release, action
    raise NotAskedError(
        f"no release of {product} asks for {voice.digest[:19]}…", hint="was another mandate laid down meanwhile?"
    )


def _is_of_contract(ledger: "Ledger", release: str, mandate: str) -> bool:
    found = ledger.entries(release)
    return any((entry.step, entry.fact.get("digest")) == ("contract_mandated", mandate) for entry in found)


def _is_of(ledger: "Ledger", release: str, product: str) -> bool:
    """Approvers of one product say nothing of another's releases."""
    return any(entry.step == "started" and entry.fact["product"] == product for entry in ledger.entries(release))


def _artifact(ledger: "Ledger", release: str) -> str:
    if not contract_waits(ledger, release):
        _must_be_open(ledger, release)
    return mandate_of(ledger, release, asked_for(ledger, release)).parts["artifact"] or ""


def _must_be_open(ledger: "Ledger", release: str) -> None:
    if (stage := fold(ledger.entries(release))) in CLOSED:
        raise NothingToApproveError(f"{release} is {stage}", hint="`stationmaster release list` shows what is open")
