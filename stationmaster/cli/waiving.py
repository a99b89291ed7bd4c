"""What `release waive` and `release unwaive` do: one approver's signed word that a hotfix may pass a freeze or a
blackout, and taking such words back. An attempt is recorded whether it counts or not. No server is asked.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stationmaster.blocks.ratification import approvers_of
from stationmaster.blocks.signer import load_person_key, public_key_id, sign_with
from stationmaster.blocks.waivers import asked
from stationmaster.cli import freezing, lookup
from stationmaster.cli.blackouts import Met, met
from stationmaster.cli.person import now, whoami
from stationmaster.cli.steering import NoHotfixError
from stationmaster.cli.tools import recall
from stationmaster.domain.duration import end_of, instant
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.errors import InputError, RefusedError
from stationmaster.domain.freeze import FREEZES, closing_in_words, in_force, in_words
from stationmaster.domain.passage import Gate, Passage
from stationmaster.domain.stages import CLOSED
from stationmaster.domain.waiver import BLACKOUT, KIND, LONGEST, Asked, Terms, statement, subject, weigh

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from stationmaster.ledger.store import Ledger


class NothingToWaiveError(RefusedError):
    """What is named is not frozen or blacked out, or the release has no artifact yet or is over."""

    code = "nothing_to_waive"


class WaiverEndError(InputError):
    """The end of a waiver is no instant in the near future."""

    code = "waiver_end"


@dataclass(frozen=True)
class Wanted:
    """What a person typed."""

    release: str
    scope: str
    reason: str
    ticket: str
    until: str
    key: Path


@dataclass(frozen=True)
class Waived:
    """What came of it: whether this waiver counts, and what all of them come to."""

    terms: Terms
    counts: bool
    passage: Passage

    def record(self, release: str) -> dict[str, Any]:
        """For `--json`."""
        return {
            "release": release, "scope": self.terms.gate, "until": self.terms.until, "counts": self.counts,
            "passes": self.passage.open, "given": [one.who for one in self.passage.given],
            "refused": [str(why) for why in self.passage.refused], "missing": sum(self.passage.missing.values()),
            "missing_roles": self.passage.missing if self.passage.quorum else {},
        }  # fmt: skip

    def said(self, release: str) -> str:
        """For a person."""
        about = closing_in_words(self.terms.gate)
        if self.passage.open:
            lines = [f"{release} passes {about} {self.passage.said}"]
            lines += [f"refused: {why}" for why in self.passage.refused]
            return "\n".join([*lines, f"go on with: stationmaster release start {release}"])
        return f"{release} does not pass {about}: {self.passage.said}"


def scope(ledger: "Ledger", product: str, named: Mapping[str, str | None]) -> str:
    """The name of the gate that one of env, ring, tenant and blackout names; production's when none does.

    Raises:
        InputError: several are named.
        UnknownScopeError: there is no such environment, ring or tenant. Blackouts are looked for later.
    """
    if sum(name is not None for name in named.values()) > 1 or named["blackout"] is None:
        return freezing.scope(ledger, product, named)
    return f"{BLACKOUT}{named['blackout']}"


def waive(ledger: "Ledger", product: str, wanted: Wanted) -> Waived:
    """Sign and record one person's waiver; the same again is the same.

    Raises:
        UnknownReleaseError, NoHotfixError, NothingToWaiveError, UnknownBlackoutError, WaiverEndError, KeyFileError:
            nothing is recorded.
    """
    _must_say(wanted.reason, "reason", '--reason "what is down, and what the hotfix mends"')
    _must_say(wanted.ticket, "ticket", "--ticket NAME, where others find what it is about")
    digest = _digest(ledger, wanted.release)
    gate, at = _gate(ledger, product, wanted), now()
    until = _end(wanted.until, at)
    private = load_person_key(wanted.key, os.environ.get("STATIONMASTER_KEY_PASSPHRASE"))
    terms = Terms(
        gate=gate.name, closed_by=gate.closed_by, reason=wanted.reason, ticket=wanted.ticket,
        until=until, signed=instant(at),
    )  # fmt: skip
    mine = _given(ledger, wanted.release, terms, digest, private) or _sign(
        ledger, wanted.release, terms, digest, private
    )
    entries = ledger.entries(wanted.release)
    people = approvers_of(ledger, recall("signer", product), product)
    this = asked(ledger, recall("source", product), people, wanted.release, entries)
    return Waived(terms, _counts(mine, gate, this), weigh(entries, gate, this, now()))


def unwaive(ledger: "Ledger", product: str, release: str, scope: str, reason: str) -> int:
    """Take back every waiver of the release for a scope, whoever gave it; how many there were. Closing needs nobody's
    signature.

    Raises:
        UnknownReleaseError, UnknownBlackoutError: nothing is recorded.
    """
    _must_say(reason, "reason", '--reason "what others must know"')
    lookup.find(ledger, release)
    if scope.startswith(BLACKOUT) and not any(entry.fact.get("gate") == scope for entry in ledger.entries(release)):
        met(ledger, product, release).must_know(scope.removeprefix(BLACKOUT))
    standing = [
        entry.subject
        for entry in _last(ledger.entries(release)).values()
        if entry.step == "waived" and entry.fact["gate"] == scope
    ]
    for about in standing:
        fact, who = {"reason": reason}, {"who": whoami()}
        ledger.append(Draft(release=release, step="unwaived", subject=about, fact=fact, personal=who), now())
    return len(standing)


def _must_say(word: str, what: str, hint: str) -> None:
    if not word.strip():
        raise InputError(f"without a {what} nothing is recorded", hint=hint)


def _digest(ledger: "Ledger", release: str) -> str:
    found = lookup.find(ledger, release)
    if found.kind != KIND:
        raise NoHotfixError(
            f"{release} is no hotfix, and only a hotfix may pass a freeze or a blackout",
            hint="it waits until that is over; `stationmaster freeze status` and `release why` show until when",
        )
    if found.stage in CLOSED or found.digest is None:
        why = "has no artifact yet" if found.digest is None else f"is {found.stage.replace('_', ' ')}"
        raise NothingToWaiveError(f"{release} {why}", hint=f"stationmaster release why {release}")
    return found.digest


def _gate(ledger: "Ledger", product: str, wanted: Wanted) -> Gate:
    """What is closed now by exactly that name: what is not closed cannot be waived in advance."""
    if wanted.scope.startswith(BLACKOUT):
        return _blackout(met(ledger, product, wanted.release), wanted.scope.removeprefix(BLACKOUT))
    freezes = {freeze.scope: freeze for freeze in in_force(ledger.latest(FREEZES), now())}
    if wanted.scope not in freezes:
        ways = ", ".join("--{} {}".format(*one.split(":", 1)) for one in freezes)
        raise NothingToWaiveError(
            f"{in_words(wanted.scope)} is not frozen", hint=f"frozen is {ways}" if ways else "nothing is frozen"
        )
    return freezes[wanted.scope].gate


def _blackout(known: Met, ref: str) -> Gate:
    gates = known.in_force()
    if ref in gates:
        return gates[ref]
    known.must_know(ref)
    raise NothingToWaiveError(f"blackout {ref} is not in force", hint=known.said())


def _end(until: str, at: datetime) -> str:
    hint = f"at most {LONGEST.total_seconds() / 3600:.0f} h from now: --until 2h, or an instant with its zone"
    try:
        end = end_of(until, at)
    except ValueError as error:
        raise WaiverEndError(str(error), hint=hint) from None
    if end > at + LONGEST:
        raise WaiverEndError(f"{until} is too long for a waiver", hint=hint)
    return instant(end)


def _last(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Subject to the last word about it."""
    return {entry.subject: entry for entry in entries if entry.step in {"waived", "unwaived"}}


def _given(ledger: "Ledger", release: str, terms: Terms, digest: str, private: "Ed25519PrivateKey") -> Entry | None:
    """The entry in which the same key says the same already."""
    last = _last(ledger.entries(release)).get(subject(terms.gate, public_key_id(private)))
    return last if last and last.fact.get("digest") == digest and terms.same(last.fact) else None


def _sign(ledger: "Ledger", release: str, terms: Terms, digest: str, private: "Ed25519PrivateKey") -> Entry:
    fact = terms.fact(digest, sign_with(private, statement(release, digest, terms)))
    about, who = subject(terms.gate, public_key_id(private)), {"who": whoami()}
    draft = Draft(release=release, step="waived", subject=about, inputs=fact, fact=fact, personal=who)
    return ledger.append(draft, now())


def _counts(mine: Entry, gate: Gate, this: Asked) -> bool:
    return bool(weigh([mine], gate, this, now()).given)
