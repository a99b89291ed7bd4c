"""`approve`: sign a release off with a key of one's own. The attempt is recorded whether it counts or not."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from stationmaster.blocks.confirmation import kind_of, starter_of
from stationmaster.blocks.signer import load_person_key, public_key_id, sign_with
from stationmaster.cli import lookup
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.cli.person import now, whoami
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.approval import Decision, decide, statement
from stationmaster.domain.documents import read
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.errors import Exit, RefusedError
from stationmaster.domain.product import Product
from stationmaster.domain.stages import CLOSED

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from stationmaster.ledger.store import Ledger


class NothingToApproveError(RefusedError):
    """The release has no artifact yet, or is over."""

    code = "nothing_to_approve"


def approve(release: str, *, key: Path, product: str | None = None, json: Flag = False) -> int:
    """Sign the deploy of a release's artifact with your key.

    What you sign is an in-toto statement about the artifact's digest in a DSSE envelope. The one who started the
    release cannot approve it. Exit code 1: the signature was recorded and does not count; the message says why.

    Parameters
    ----------
    release
        Its name.
    key
        Your private ed25519 key, PKCS#8 or OpenSSH. A passphrase is read from STATIONMASTER_KEY_PASSPHRASE.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    product = product or only_product()
    private = load_person_key(key, os.environ.get("STATIONMASTER_KEY_PASSPHRASE"))
    with open_ledger(product) as ledger:
        digest = _digest(ledger, release)
        _sign(ledger, release, digest, private)
        decision = _decide(ledger, release, product, digest)
    counts = any(given.key == public_key_id(private) for given in decision.given)
    found = {
        "release": release, "digest": digest, "counts": counts, "satisfied": decision.satisfied,
        "refused": [{"who": one.who, "rule": one.rule, "message": one.message} for one in decision.refused],
        "missing": dict(decision.missing),
    }  # fmt: skip
    answer(found, as_json=json, text=_said(release, decision, counts))
    return Exit.YES if counts else Exit.NO


def _sign(ledger: "Ledger", release: str, digest: str, private: "Ed25519PrivateKey") -> None:
    """On record whether it counts or not; the same signature again is the same entry."""
    envelope = sign_with(private, statement(release, digest))
    fact = {"role": None, "assurance": "signed", "digest": digest, "envelope": envelope}
    given = Draft(
        release=release,
        step="approval",
        subject=public_key_id(private),
        inputs={"digest": digest, "envelope": envelope},
        fact=fact,
        personal={"who": whoami()},
    )
    ledger.append(given, now())


def _said(release: str, decision: Decision, counted: bool) -> str:  # noqa: FBT001
    lines = [
        f"signed: {release} is approved by {', '.join(given.who for given in decision.given)}" if decision.satisfied
        else f"{release} still needs " + ", ".join(f"{count} {role}" for role, count in decision.missing.items()),
        *(f"refused: {refusal.message}" for refusal in decision.refused),
        *([f"go on with: stationmaster release start {release}"] if decision.satisfied and counted else []),
    ]  # fmt: skip
    return "\n".join(lines)


def _digest(ledger: "Ledger", release: str) -> str:
    found = lookup.find(ledger, release)
    if found.stage in CLOSED:
        raise NothingToApproveError(
            f"{release} is {found.stage}", hint="`stationmaster release list` shows what is open"
        )
    if found.digest is None:
        raise NothingToApproveError(f"{release} has no artifact yet", hint=f"stationmaster release why {release}")
    return found.digest


def _decide(ledger: "Ledger", release: str, product: str, digest: str) -> Decision:
    entries = ledger.entries(release)
    return decide(
        required=_policy(entries, product).quorum(kind_of(ledger, release)),
        approvers=recall("signer", product).people(),
        starter=starter_of(ledger, release),
        envelopes=[entry.fact["envelope"] for entry in entries if entry.step == "approval"],
        release=release,
        digest=digest,
        at=now(),
    )


def _policy(entries: list[Entry], product: str) -> Product:
    commit = next(entry for entry in reversed(entries) if entry.step == "cut").fact["commit"]
    source = recall("source", product)
    source.resolve(commit)
    return read(Product, source.read(commit, "stationmaster.yaml"), "stationmaster.yaml").value
