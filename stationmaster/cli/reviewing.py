"""`approvals review`: somebody else looks at an emergency, and signs what they found."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from stationmaster.blocks.emergencies import emergencies, holders
from stationmaster.blocks.signer import load_person_key, public_key_id, sign_with
from stationmaster.cli import lookup
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.cli.person import now, whoami
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.emergency import Verdict, refusal, statement
from stationmaster.domain.entries import Draft
from stationmaster.domain.errors import InputError, RefusedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from stationmaster.domain.emergency import Holders
    from stationmaster.domain.entries import Entry
    from stationmaster.ledger.store import Ledger


class NothingToReviewError(RefusedError):
    """Nobody went ahead alone, or somebody looked at it."""

    code = "nothing_to_review"


class ReviewRefusedError(RefusedError):
    """The review would not count."""

    code = "review_refused"


def review(
    release: str, *, verdict: Verdict, reason: str, key: Path, product: str | None = None, json: Flag = False
) -> None:
    """Sign, with your key, what you found of an emergency in which somebody else went ahead alone with a release.

    It is due within `approvals.emergency.review_within`; overdue, it blocks the next train. Whoever went ahead cannot
    review it. Exit code 1: there is nothing to review, or yours would not count; nothing is recorded then.

    Parameters
    ----------
    release
        Its name.
    verdict
        justified, or unjustified. Either ends what is owed; what follows from it is for people.
    reason
        What you found; it is signed, and kept in the ledger.
    key
        Your private ed25519 key, PKCS#8 or OpenSSH. A passphrase is read from STATIONMASTER_KEY_PASSPHRASE.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    if not reason.strip():
        raise InputError("without a reason nothing is recorded", hint='--reason "what you found"')
    home = product or only_product()
    private = load_person_key(key, os.environ.get("STATIONMASTER_KEY_PASSPHRASE"))
    with open_ledger(home) as ledger:
        found = _owed(ledger, home, release)
        people = holders(ledger, recall("signer", home), home)
        for approval in found:
            _sign(ledger, approval, _fact(approval, verdict, reason, private), people, private)
    told = {"release": release, "verdict": verdict, "entries": [one.index for one in found]}
    answer(told, as_json=json, text=f"the emergency of {release} was reviewed: {verdict}")


def _owed(ledger: "Ledger", product: str, release: str) -> "list[Entry]":
    """The emergency approvals of the release at which nobody else has looked."""
    lookup.find(ledger, release)
    known = [one for one in emergencies(ledger, recall("signer", product), product) if one.release == release]
    left = {one.entry for one in known if one.owed(now())}
    if not left:
        why = f"the emergency of {release} was reviewed already" if known else f"nobody went ahead alone with {release}"
        raise NothingToReviewError(why, hint=f"stationmaster release status {release}")
    return [entry for entry in ledger.entries(release) if entry.index in left]


def _fact(approval: "Entry", verdict: Verdict, reason: str, private: "Ed25519PrivateKey") -> dict[str, object]:
    envelope = sign_with(private, statement(approval, verdict, reason))
    return {"entry": approval.index, "verdict": verdict, "reason": reason, "envelope": envelope}


def _sign(
    ledger: "Ledger", approval: "Entry", fact: dict[str, object], people: "Holders", private: "Ed25519PrivateKey"
) -> None:
    at = now()
    if why := refusal(fact, approval, people, at):
        raise ReviewRefusedError(
            f"your review does not count: {why}", hint="somebody else in approvers.yaml reviews it"
        )
    draft = Draft(
        release=approval.release, step="reviewed", subject=f"{approval.index}/{public_key_id(private)}", inputs=fact,
        fact=fact, personal={"who": whoami()},
    )  # fmt: skip
    ledger.append(draft, at)
