"""Who asked for a release. The Prefect UI knows no users, so what is typed into its form says nothing of that: a start
counts when somebody who can write to the ledger confirmed it, and that one is the starter.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from stationmaster.domain.approvers import Approvers
from stationmaster.domain.confirming import who_confirms
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.release import UnknownReleaseError
from stationmaster.domain.request import ReleaseRequest

if TYPE_CHECKING:
    from stationmaster.blocks.signer import FileSigner
    from stationmaster.ledger.store import Ledger

# command line: whoever can write to the ledger said so. service: a train or a webhook. The others: somebody signed it,
# or said it through a channel that vouches for who they are.
Assurance = Literal["command line", "service", "signed", "attested_by_channel"]


class StarterErasedError(RefusedError):
    """Nobody can tell any more who must not approve."""

    code = "starter_erased"


class OtherConfirmedError(RefusedError):
    """What was confirmed under this name is another release."""

    code = "other_confirmed"


def confirm(
    ledger: "Ledger", signer: "FileSigner", request: ReleaseRequest, assurance: Assurance, at: datetime
) -> Entry:
    """Record that the request's starter wants this release, by their id and not by what was typed: a name may be
    somebody else's tomorrow. The first who did so stays the starter.

    Raises:
        UnknownStarterError: nobody confirmed it yet, and the starter is nobody. Nothing is recorded.
    """
    if (already := confirmation(ledger, request.id)) is not None:
        return already
    fact = {**request.asked(), "assurance": assurance}
    who = signer.people().starter(request.starter).id
    return ledger.append(Draft(release=request.id, step="confirmed", fact=fact, personal={"who": who}), at)


def confirm_signed(
    ledger: "Ledger", approvers: Approvers, release: str, envelope: Mapping[str, Any], at: datetime
) -> str:
    """Record that whoever signed it, or said it through a channel, wants the release as it was asked for; the first who
    did so stays the starter. Their id.

    Raises:
        ConfirmationRefusedError: it is nobody who may, or something else was signed. Nothing is recorded.
        UnknownReleaseError: nobody asked for the release.
    """
    asked = asked_of(ledger, release)
    person, wish = who_confirms(envelope, release, asked, approvers, at)
    draft = Draft(
        release=release, step="confirmed", fact={**asked, "assurance": wish.assurance},
        personal={"who": person.id, "envelope": dict(envelope)},
    )  # fmt: skip
    ledger.append(draft, at)
    return person.id


def asked_of(ledger: "Ledger", release: str) -> dict[str, Any]:
    """What was asked for under this name first, confirmed or not.

    Raises:
        UnknownReleaseError: nothing was.
    """
    found = next((entry.fact for entry in ledger.entries(release) if entry.step == "started"), None)
    if found is None:
        raise UnknownReleaseError(release)
    return dict(found)


def confirmation(ledger: "Ledger", release: str) -> Entry | None:
    """The entry with which the start was confirmed, if it was."""
    return next(iter(ledger.about(release, ["confirmed"])), None)


def kind_of(ledger: "Ledger", release: str) -> str:
    """What kind of release was confirmed; a plain one when nobody confirmed any."""
    entry = confirmation(ledger, release)
    return str(entry.fact["kind"]) if entry else "manual"


def starter_of(ledger: "Ledger", release: str) -> str:
    """Who wants the release: the one who confirmed its start.

    Raises:
        StarterErasedError: that was erased, or nobody did.
    """
    entry = confirmation(ledger, release)
    personal = ledger.personal(entry) if entry else None
    if not personal:
        raise StarterErasedError(f"who started {release} is not known any more", hint="start a new release")
    return str(personal["who"])


def must_be_confirmed_so(ledger: "Ledger", request: ReleaseRequest) -> None:
    """Return unless what was confirmed under this name is something else. Nobody may have confirmed it yet.

    Raises:
        OtherConfirmedError: with what differs.
    """
    confirmed = confirmation(ledger, request.id)
    asked = request.asked()
    given = {n: v for n, v in confirmed.fact.items() if n != "assurance"} if confirmed else asked
    if other := [name for name in sorted({*asked, *given}) if asked.get(name) != given.get(name)]:
        told = ", ".join(f"{name} {given.get(name)}, not {asked.get(name)}" for name in other)
        raise OtherConfirmedError(f"{request.id} was confirmed with {told}", hint="give one of them another name")
