"""The approvals of one release: what is asked of its approvers now, what they gave, and what that comes to.

Everything is asked anew each time: of the source who wrote what, of the ledger which rules are in force, of the file
who the approvers still are. What an entry says of it proves nothing, and a key may have been withdrawn since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from stationmaster.blocks.carried import recalled
from stationmaster.blocks.confirmation import kind_of, starter_of
from stationmaster.blocks.policies import policy_for, replaces
from stationmaster.blocks.ratification import approvers_of
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.source import GitRepository
from stationmaster.domain.approval import Decision, Word, decide, is_for, signer_of
from stationmaster.domain.approval_statement import Said
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.artifact import Cut
from stationmaster.domain.authors import authors_of
from stationmaster.domain.entries import Draft, Entry, canonical
from stationmaster.domain.entries import digest as digest_of
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.mandate import Mandate
from stationmaster.domain.question import Question

if TYPE_CHECKING:
    from stationmaster.ledger.leases import Lease
    from stationmaster.ledger.store import Ledger


MandateStep = Literal["mandated", "contract_mandated"]  # of the deploy, and of the contract after it


class NothingToApproveError(RefusedError):
    """The release has no mandate yet, or is over."""

    code = "nothing_to_approve"


@dataclass(frozen=True)
class Desk:
    """Where approvals are weighed: without a Prefect server, from the ledger, the source and the signer."""

    ledger: "Ledger"
    source: GitRepository
    signer: FileSigner

    def cut(self, release: str) -> Cut:
        """The release as it was cut."""
        fact = next(entry.fact for entry in self.ledger.about(release, ["cut"]))
        return recalled(self.source, release, fact)

    def approvers(self, product: str) -> Approvers:
        """Who counts now."""
        return approvers_of(self.ledger, self.signer, product)

    def question(self, release: str) -> Question:
        """What is asked of the approvers now.

        Raises:
            NothingToApproveError: nothing is, yet.
        """
        mandate = mandate_of(self.ledger, release, asked_for(self.ledger, release))
        return asked(self, self.cut(release), mandate)

    def weigh(self, release: str, at: datetime) -> Decision:
        """What the approvals of a release come to at an aware instant. Raises as `question`."""
        return self.decide(self.cut(release), self.question(release), at)

    def decide(self, cut: Cut, question: Question, at: datetime) -> Decision:
        """What they come to for a question."""
        words = words_of(self.ledger, question.release, question.act)
        return decide(question, words, self.approvers(cut.product.product), at)


def mandate_of(ledger: "Ledger", release: str, step: MandateStep = "mandated") -> Mandate:
    """The mandate that was laid down last, of the deploy or of the contract. Raises NothingToApproveError."""
    entry = next(iter(ledger.about(release, [step])), None)
    if entry is None:
        raise NothingToApproveError(
            f"{release} has no plan to approve yet", hint=f"stationmaster release why {release}"
        )
    return Mandate.read(entry.fact)


def asked_for(ledger: "Ledger", release: str) -> MandateStep:
    """Which mandate asks for approval now: while a contract does, that."""
    return "contract_mandated" if contract_waits(ledger, release) else "mandated"


def asked(desk: Desk, cut: Cut, mandate: Mandate) -> Question:
    """What a mandate asks of whom, by the rules in force now."""
    if "contract" in mandate.parts:
        return ask_contract(desk, cut, mandate)
    return ask(desk, cut, mandate.parts["artifact"] or "", mandate.digest, mandate.ends)


def ask_contract(desk: Desk, cut: Cut, mandate: Mandate) -> Question:
    """What the mandate of a contract asks. Who wants the contract cannot approve it, and nobody goes ahead alone: what
    can wait for a release can wait for people.
    """
    rules, people = policy_for(desk.ledger, cut).rules, desk.approvers(cut.product.product)
    authors = authors_of(cut, people)
    return Question(
        release=cut.release,
        digest=mandate.parts["artifact"] or "",
        mandate=mandate.digest,
        ends=mandate.ends,
        required=rules.contract(kind_of(desk.ledger, cut.release)),
        starter=people.starter(wanted_by(desk.ledger, cut.release)).id,
        changes=authors.changes,
        unresolved=authors.unknown,
        earlier=_earlier(desk.ledger, cut.release, "contract_mandated") - {mandate.digest},
        assurance=rules.policy.assurance,
        aloof=rules.policy.release_signer == "must_not_be_author",
        act="contract",
    )


def contract_waits(ledger: "Ledger", release: str) -> bool:
    """Whether the contract of a release asks for approval: its mandate is laid down, and it is not over."""
    last = ledger.about(release, ["contract_mandated", "contract_over"])
    return bool(last) and last[-1].step == "contract_mandated"


def wanted_by(ledger: "Ledger", release: str) -> str:
    """Who wants the contract of the release; where that was erased, who wanted the release."""
    entry = next(iter(ledger.about(release, ["contract"])), None)
    personal = ledger.personal(entry) if entry else None
    return str(personal["who"]) if personal else starter_of(ledger, release)


def ask(desk: Desk, cut: Cut, artifact: str, mandate: str, ends: datetime) -> Question:
    """The same of a mandate's digest. Both are empty of a release that is not built yet: who could approve is known."""
    rules, kind = policy_for(desk.ledger, cut).rules, kind_of(desk.ledger, cut.release)
    people = desk.approvers(cut.product.product)
    authors, policy = authors_of(cut, people), rules.policy
    return Question(
        release=cut.release,
        digest=artifact,
        mandate=mandate,
        ends=ends,
        required=rules.quorum(
            kind,
            migrates=_changes(desk.source, cut, cut.product.database.migrations if cut.product.database else None),
            flags=_changes(desk.source, cut, cut.product.flags),
            policy=replaces(desk.ledger, desk.source, cut) is not None,
        ),
        starter=people.starter(starter_of(desk.ledger, cut.release)).id,
        changes=authors.changes,
        unresolved=authors.unknown,
        earlier=_earlier(desk.ledger, cut.release) - {mandate},
        assurance=policy.assurance,
        aloof=policy.release_signer == "must_not_be_author",
        emergency=policy.emergency.role if policy.emergency else None,
    )


def _changes(source: GitRepository, cut: Cut, path: str | None) -> bool:
    """Whether the release brings something else at a path than a commit that runs; nothing where there is no path."""
    if path is None:
        return False
    here = source.fingerprint(cut.commit.commit, path)
    return any(source.fingerprint(commit, path) != here for commit in cut.previous)


def words_of(ledger: "Ledger", release: str, act: str = "deploy") -> list[Word]:
    """The approvals that were given for an act, in order, whether they count or not. Where the personal data held the
    envelope, an erased one is lost.
    """
    return [
        _word(ledger, entry) for entry in ledger.entries(release) if entry.step == "approval" and is_for(entry, act)
    ]


def put(
    ledger: "Ledger", said: Said, digest: str, envelope: Mapping[str, Any], people: Approvers, *, by: str, at: datetime
) -> Entry:
    """Record an approval of the artifact of that digest, whether it counts or not; the same again is the same entry.
    Whose it is, among `people`, and `by`, who brings it, may be erased; so may an envelope that names a person, where a
    channel is taken at its word.
    """
    fact = {**said.model_dump(exclude_none=True, exclude={"release", "by"}), "digest": digest}
    about, mine, personal = (
        str(envelope["signatures"][0]["keyid"]),
        {"envelope": dict(envelope)},
        _whose(said, envelope, people, by),
    )
    if said.by is not None:
        about, mine, personal = _handle(said), {}, {**personal, **mine, "by": said.by}
    inputs = {"envelope": digest_of(canonical(dict(envelope)))}
    draft = Draft(
        release=said.release, step="approval", subject=about, inputs=inputs, fact={**fact, **mine}, personal=personal
    )
    return ledger.append(draft, at)


def _whose(said: Said, envelope: Mapping[str, Any], people: Approvers, by: str) -> dict[str, Any]:
    person = signer_of(envelope, said, people)
    return {**({"who": person.id} if person else {}), "brought_by": by}


def _handle(said: Said) -> str:
    """A channel's account as an entry may name it for ever: told apart from others, and nobody's name."""
    return f"{said.channel}:{digest_of(canonical([said.release, said.channel, said.by]))[7:23]}"


def record_refusals(
    ledger: "Ledger", release: str, decision: Decision, at: datetime, lease: "Lease | None" = None
) -> None:
    """Put on record which approvals do not count and by which rule, each once."""
    about = {entry.index: entry.subject for entry in ledger.entries(release) if entry.step == "approval"}
    for refusal in decision.refused:
        if refusal.entry in about:
            fact = {"entry": refusal.entry, "rule": refusal.rule}
            who = {"who": refusal.who} if refusal.who else None
            draft = Draft(
                release=release, step="refused", subject=about[refusal.entry], inputs=fact, fact=fact, personal=who
            )
            ledger.append(draft, at, lease)


def _earlier(ledger: "Ledger", release: str, step: str = "mandated") -> frozenset[str]:
    return frozenset(entry.fact["digest"] for entry in ledger.entries(release) if entry.step == step)


def _word(ledger: "Ledger", entry: Entry) -> Word:
    envelope = entry.fact.get("envelope") or (ledger.personal(entry) or {}).get("envelope", "")
    return Word(envelope, datetime.fromisoformat(entry.at), entry.index)
