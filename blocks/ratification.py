"""The rules in force for a product: what was ratified last, by the ledger. The first of each that a ledger sees is
taken at its word, and that is on record; everything after it needs the approvals of what was there before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stationmaster.blocks.signer import FileSigner
from stationmaster.domain.approval import Decision, Word, decide
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.entries import POLICY, Draft, Entry, canonical, digest
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.policy import Rules
from stationmaster.domain.product import Product
from stationmaster.domain.question import Question
from stationmaster.domain.quorum import impossible
from stationmaster.domain.ratification import (
    InForce,
    approvers_content,
    approvers_in_force,
    content_digest,
    policy_content,
    subject,
)
from stationmaster.domain.retention import Retention

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger

_OPEN = timedelta(days=36_500)  # a proposal ends when the file says something else
FIRST = "first"  # what is ratified by nobody, since there was nothing before it


class PolicyImpossibleError(RefusedError):
    """A rule asks for more people than hold its roles."""

    code = "policy_impossible"

    def __init__(self, action: str, lack: Mapping[str, int]) -> None:
        told = ", ".join(f"{count} more {role}" for role, count in sorted(lack.items()))
        super().__init__(
            f"the rule for {action!r} could never be met: it would take {told} than approvers.yaml has",
            file="stationmaster.yaml",
            hint="ask for fewer, or give the role to more people in approvers.yaml first",
        )


def ratified(ledger: "Ledger", product: str, what: str) -> Entry | None:
    """The entry that put the `policy` or the `approvers` of a product in force."""
    return next(reversed(ledger.history("ratified", subject(product, what))), None)


class NothingRatifiedError(RefusedError):
    """No rules of the product are in force yet."""

    code = "nothing_ratified"

    def __init__(self, product: str) -> None:
        super().__init__(
            f"no rules of {product} are in force yet",
            hint="the first release takes stationmaster.yaml and approvers.yaml at their word, and puts them on record",
        )


def rules_in_force(ledger: "Ledger", product: str) -> Rules:
    """The policy that was ratified. Raises NothingRatifiedError."""
    entry = ratified(ledger, product, "policy")
    if entry is None:
        raise NothingRatifiedError(product)
    return InForce.of(entry.fact["content"]).rules


def retention_in_force(ledger: "Ledger", product: str) -> Retention | None:
    """How long evidence is kept by the policy that was ratified; None where nothing is promised."""
    entry = ratified(ledger, product, "policy")
    return InForce.of(entry.fact["content"]).retention if entry else None


def approvers_of(ledger: "Ledger", signer: FileSigner, product: str) -> Approvers:
    """The approvers in force: those who were ratified, with what the file still leaves them; all of it while none were.

    Raises:
        RatifiedErasedError: that cannot be told any more.
    """
    entry, file = ratified(ledger, product, "approvers"), signer.people()
    return approvers_in_force(entry.fact, ledger.personal(entry), file) if entry else file


def ratify_first(ledger: "Ledger", signer: FileSigner, product: Product, at: datetime) -> None:
    """Put on record what is in force when nothing ever was."""
    if ratified(ledger, product.product, "approvers") is None:
        put_approvers_in_force(ledger, product.product, signer.people(), FIRST, at)
    if ratified(ledger, product.product, "policy") is None:
        put_policy_in_force(ledger, product, FIRST, at)


def put_policy_in_force(ledger: "Ledger", product: Product, by: str, at: datetime) -> Entry:
    """Record that a product's policy is in force by a release that was approved under the one before."""
    content = policy_content(product)
    return _ratify(ledger, subject(product.product, "policy"), content, by, at)


def put_approvers_in_force(ledger: "Ledger", product: str, approvers: Approvers, by: str, at: datetime) -> Entry:
    """Record that these are the approvers; the fact has their digest, and who they are may be erased."""
    content = approvers_content(approvers)
    return _ratify(ledger, subject(product, "approvers"), content, by, at)


def must_be_possible(rules: Rules, approvers: Approvers, at: datetime) -> None:
    """Return if each quorum of the rules could be met by those who hold its roles.

    Raises:
        PolicyImpossibleError: with what one lacks.
    """
    for action, required in rules.every():
        if lack := impossible(required, approvers, at):
            raise PolicyImpossibleError(action, lack)


@dataclass(frozen=True)
class Proposal:
    """A file of approvers that is not in force yet, and what its signatures come to."""

    approvers: Approvers
    question: Question
    decision: Decision


def proposal(ledger: "Ledger", signer: FileSigner, product: str, at: datetime) -> Proposal:
    """The approvers' file as it lies there, held against the rules and the approvers in force.

    Raises:
        NothingRatifiedError: there are none.
    """
    file = signer.people()
    required = rules_in_force(ledger, product).policy.quorum("policy")
    known = ratified(ledger, product, "approvers")
    question = _question(product, file, known.index if known else None, required, at)
    words = [_word(entry) for entry in ledger.history("signed", subject(product, "approvers"))]
    return Proposal(file, question, decide(question, words, approvers_of(ledger, signer, product), at))


def put_signature(ledger: "Ledger", product: str, envelope: dict[str, Any], who: str, at: datetime) -> Entry:
    """Record a signature for the approvers' file, whether it counts or not."""
    fact = {"envelope": envelope}
    draft = Draft(
        release=POLICY,
        step="signed",
        subject=subject(product, "approvers"),
        inputs=fact,
        fact=fact,
        personal={"who": who},
    )
    return ledger.append(draft, at)


def _question(product: str, file: Approvers, after: int | None, required: Mapping[str, int], at: datetime) -> Question:
    """Who the approvers are is asked as a release is, under a name that no release may have. Nobody authored it. It is
    asked after the entry by which others came in force, so that what was signed before then counts for nothing now.
    """
    about = content_digest(approvers_content(file))
    bound = digest(canonical({"product": product, "approvers": about, "after": after}))
    return Question(
        release=POLICY, digest=about, mandate=bound, ends=at + _OPEN, required=required, starter="", changes={},
        assurance="signed", aloof=False,
    )  # fmt: skip


def _word(entry: Entry) -> Word:
    return Word(entry.fact["envelope"], datetime.fromisoformat(entry.at), entry.index)


def _ratify(ledger: "Ledger", about: str, content: dict[str, Any], by: str, at: datetime) -> Entry:
    """The content of a policy names nobody and is the fact; that of approvers does, and may be erased."""
    told, what = {"digest": content_digest(content), "by": by}, about.rpartition("/")[2]
    fact = {**told, "content": content} if what == "policy" else told
    personal = None if what == "policy" else {"approvers": content}
    draft = Draft(release=POLICY, step="ratified", subject=about, inputs=told, fact=fact, personal=personal)
    return ledger.append(draft, at)
