"""`approve`: sign a release off with a key of one's own. The attempt is recorded whether it counts or not."""

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from stationmaster.blocks.approval import Desk, NothingToApproveError, contract_waits, put, record_refusals
from stationmaster.blocks.channel import bring
from stationmaster.blocks.confirmation import asked_of
from stationmaster.cli import lookup
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.cli.person import now, whoami
from stationmaster.cli.signing import Pen, pen
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.approval import Decision
from stationmaster.domain.approval_code import code_of
from stationmaster.domain.approval_statement import Said
from stationmaster.domain.confirming import Wish, asked_digest
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import Exit, InputError
from stationmaster.domain.stages import CLOSED

if TYPE_CHECKING:
    from stationmaster.domain.entries import Entry
    from stationmaster.domain.question import Question
    from stationmaster.ledger.store import Ledger


class EmergencyUnexplainedError(InputError):
    """An emergency says why, and in which ticket; nothing else does."""

    code = "emergency_unexplained"


def approve(
    release: str, *, key: Path | None = None, agent: Flag = False, identity: str | None = None, confirm: Flag = False,
    print_: Annotated[Flag, Parameter(name="--print")] = False, emergency: Flag = False, reason: str | None = None,
    ticket: str | None = None, product: str | None = None, json: Flag = False,
) -> int:  # fmt: skip
    """Sign the mandate of a release with your key: what is carried out, for whom, by which rules, until when.

    Who started the release cannot approve it, and nobody approves what they wrote. Exit code 1: your signature was
    recorded and does not count; the message says which rule refuses it. `stationmaster approvals status RELEASE` says
    what is still missing.

    Parameters
    ----------
    release
        Its name.
    key
        Your private ed25519 key, PKCS#8 or OpenSSH. A passphrase is read from STATIONMASTER_KEY_PASSPHRASE.
    agent
        Sign with the ed25519 key in your SSH agent instead.
    identity
        Which of its keys: comment, fingerprint (SHA256:…) or public key file. Not needed when it has one.
    confirm
        Sign that you want the release, instead: a start from the Prefect UI waits for that. You are its starter then.
    print_
        Record nothing; print a code that the form of the flow `approve` takes.
    emergency
        Go ahead alone, if the policy names you for it. It passes freezes and blackouts too, is recorded as what it is,
        and somebody else must review it.
    reason
        Why nobody else can be waited for.
    ticket
        The incident.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    if bool(reason and ticket) != emergency or bool(reason or ticket) != emergency:
        raise EmergencyUnexplainedError(
            "--emergency, --reason and --ticket stand together",
            hint=f"stationmaster approve {release} --key FILE --emergency --reason WHY --ticket INC-1",
        )
    if confirm and emergency:
        raise EmergencyUnexplainedError("an emergency approves, and --confirm starts", hint="leave one of them out")
    product = product or only_product()
    with open_ledger(product) as ledger:
        desk, mine = desk_for(ledger, product), pen(key, agent=agent, identity=identity)
        if confirm:
            return _confirm(desk, product, release, mine, printed=print_, as_json=json)
        question = wanted(desk, release)
        said = Said(
            release=release, mandate=question.mandate, action="emergency" if emergency else question.act, reason=reason,
            ticket=ticket,
        )  # fmt: skip
        envelope = mine.sign(said.statement(question.digest))
        if print_:
            return _printed(release, envelope, as_json=json)
        entry = put(ledger, said, question.digest, envelope, desk.approvers(product), by=whoami(), at=now())
        return told(desk, release, entry, as_json=json)


def _confirm(desk: Desk, product: str, release: str, mine: Pen, *, printed: bool, as_json: bool) -> int:
    """Sign that the release is wanted as it was asked for."""
    lookup.find(desk.ledger, release)
    request = asked_digest(release, asked_of(desk.ledger, release))
    envelope = mine.sign(Wish(release=release, request=request).statement())
    if printed:
        return _printed(release, envelope, as_json=as_json)
    found = bring(desk, product, release, envelope, by=whoami(), at=now())
    answer({"release": release, "confirmed": found.counts}, as_json=as_json, text=found.said)
    return Exit.YES


def _printed(release: str, envelope: dict[str, Any], *, as_json: bool) -> int:
    code = code_of(envelope)
    answer({"release": release, "code": code}, as_json=as_json, text="\n".join(wrap(code, 76)))
    return Exit.YES


def desk_for(ledger: "Ledger", product: str) -> Desk:
    """Where approvals are weighed, from the last good copies of the blocks."""
    return Desk(ledger, recall("source", product), recall("signer", product))


def wanted(desk: Desk, release: str) -> "Question":
    """What is to be signed.

    Raises:
        UnknownReleaseError: with the nearest name.
        NothingToApproveError: nothing is.
    """
    found = lookup.find(desk.ledger, release)
    if found.stage in CLOSED and not contract_waits(desk.ledger, release):
        raise NothingToApproveError(
            f"{release} is {found.stage}", hint="`stationmaster release list` shows what is open"
        )
    return desk.question(release)


def told(desk: Desk, release: str, entry: "Entry", *, as_json: bool) -> int:
    """Say what the approval in that entry comes to, whatever else the same key signed."""
    decision = desk.weigh(release, now())
    record_refusals(desk.ledger, release, decision, now())
    counts = all(one.entry != entry.index for one in decision.refused)
    found = {"release": release, "counts": counts, **record(desk.question(release), decision)}
    go_on = "contract" if desk.question(release).act == "contract" else "start"
    answer(found, as_json=as_json, text=_said(release, decision, go_on, counts=counts))
    return Exit.YES if counts else Exit.NO


def record(question: "Question", decision: Decision) -> dict[str, object]:
    """As `approvals status --json` has it, and what is missing."""
    return {
        "mandate": question.mandate,
        "required": dict(decision.required),
        "given": [
            {"who": one.who, "role": one.role, "at": instant(one.word.at), "assurance": one.said.assurance}
            for one in (*decision.given, *([decision.alone] if decision.alone else []))
        ],
        "refused": [{"who": one.who, "rule": one.rule, "message": one.message} for one in decision.refused],
        "satisfied": decision.satisfied,
        "missing": dict(decision.missing),
        "lacking": list(decision.lacking),
        "emergency": decision.alone is not None,
    }


def _said(release: str, decision: Decision, go_on: str, *, counts: bool) -> str:
    lacks = (*(f"{n} {role}" for role, n in decision.missing.items()), *decision.lacking)
    who = ", ".join(one.who for one in decision.given) or (decision.alone.who if decision.alone else "")
    return "\n".join(
        [
            f"signed: {release} is approved by {who}{', alone: an emergency' if decision.alone else ''}"
            if decision.satisfied
            else f"{release} still needs {', '.join(lacks)}",
            *(f"refused: {refusal.message} ({refusal.rule})" for refusal in decision.refused),
            *([f"go on with: stationmaster release {go_on} {release}"] if decision.satisfied and counts else []),
        ]
    )
