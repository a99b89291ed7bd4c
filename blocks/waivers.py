"""What is closed as one release meets it: freezes that close, freezes that its waivers pass, and what its waivers of
blackouts come to. Signatures are counted anew each time; what an entry says of them proves nothing, and a key may have
been withdrawn since.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from stationmaster.blocks.approval import mandate_of
from stationmaster.blocks.approving import decision_on, desk_of
from stationmaster.blocks.carried import recalled
from stationmaster.blocks.confirmation import kind_of, starter_of
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.policies import policy_for
from stationmaster.blocks.ratification import approvers_of
from stationmaster.blocks.source import GitRepository
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.authors import authors_of
from stationmaster.domain.entries import Entry
from stationmaster.domain.freeze import FREEZES, Freeze, in_force
from stationmaster.domain.passage import Everywhere, Gate, Given, Passage, people
from stationmaster.domain.waiver import Asked, blackouts, weigh

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


@dataclass(frozen=True, slots=True)
class Met:
    """`closed` say in their words what waivers came to; `passed` maps each other freeze to the waivers that do it.
    `blackouts` maps each that has waivers to what they come to, whether it is in force or not.
    """

    closed: tuple[Freeze, ...]
    passed: Mapping[Freeze, Passage]
    blackouts: Mapping[Gate, Passage]


def met(leg: Leg) -> Met:
    """Every freeze in force now, and every blackout that was waived, as the leg's release meets it."""
    tools, at = leg.tools, leg.tools.now()
    freezes, entries = in_force(tools.ledger.latest(FREEZES), at), tools.ledger.entries(leg.release)
    if (alone := _alone(leg, entries)) is not None:
        return Met((), dict.fromkeys(freezes, alone), Everywhere(alone))
    waived = any(entry.step == "waived" for entry in entries)
    if not waived or not (freezes or blackouts(entries)):
        return Met(freezes, {}, {})
    known = approvers_of(tools.ledger, tools.signer, leg.request.product)
    this = asked(tools.ledger, tools.source, known, leg.release, entries)
    return sort(freezes, entries, this, at)


def _alone(leg: Leg, entries: Iterable[Entry]) -> Passage | None:
    """How an emergency passes what is closed: who may approve it alone may waive for it alone, and owes a review."""
    if not any(entry.step == "approval" and entry.fact.get("action") == "emergency" for entry in entries):
        return None
    cut = desk_of(leg).cut(leg.release)
    found, known = decision_on(leg, cut).alone, desk_of(leg).approvers(cut.product.product)
    if found is None:
        return None
    person, ends = known.person(found.who), mandate_of(leg.tools.ledger, leg.release).ends
    given = Given(found.who, person.name if person else found.who, found.word.entry or 0, found.said.ticket or "", ends)
    return Passage((), (), given)


def sort(freezes: Iterable[Freeze], entries: Sequence[Entry], this: Asked, at: datetime) -> Met:
    """What a release meets at an aware instant. `entries` are all of the release."""
    found = {freeze: weigh(entries, freeze.gate, this, at) for freeze in freezes}
    shut = {freeze: passage for freeze, passage in found.items() if not passage.open}
    closed = tuple(replace(one, waivers=passage.said, unnamed=passage.unnamed) for one, passage in shut.items())
    passed = {freeze: passage for freeze, passage in found.items() if passage.open}
    return Met(closed, passed, {gate: weigh(entries, gate, this, at) for gate in blackouts(entries)})


def asked(ledger: "Ledger", source: GitRepository, known: Approvers, release: str, entries: Sequence[Entry]) -> Asked:
    """What waivers of a release that is built are held against."""
    facts = {entry.step: entry.fact for entry in entries if entry.step in {"cut", "built"}}
    this = recalled(source, release, facts["cut"])
    kind = kind_of(ledger, release)
    rules = policy_for(ledger, this).rules
    stated = rules.policy.quorum("waiver", kind=kind)
    return Asked(
        release=release, kind=kind, digest=facts["built"]["digest"], approvers=known,
        starter=starter_of(ledger, release), authors=authors_of(this, known),
        roles=tuple(stated or rules.quorum(kind)), quorum=stated,
    )  # fmt: skip


def needed(leg: Leg) -> str:
    """Who must waive for the leg's release, in words."""
    rules = policy_for(leg.tools.ledger, desk_of(leg).cut(leg.release)).rules
    return people(rules.policy.quorum("waiver", kind=leg.request.kind))


def put_on_record(leg: Leg, where: str, through: Mapping[Gate, Passage]) -> None:
    """Record that the release reaches what is closed, and by which waivers. Before anything is touched: a process that
    dies after it leaves no other trace of what let it through. `where` is a scope, as `ring:pilot`. What is on record
    there is not recorded again, also when fewer gates are left to pass.
    """
    entries = leg.tools.ledger.entries(leg.release)
    known = [
        fact for entry in entries if (entry.step, entry.subject) == ("passed", where) for fact in entry.fact["gates"]
    ]
    new = [gate for gate in sorted(through, key=lambda gate: gate.name) if through[gate].fact(gate) not in known]
    if new:
        fact = {"gates": [through[gate].fact(gate) for gate in new]}
        who = sorted({given.who for gate in new for given in through[gate].counting})
        leg.record("passed", fact, fact, subject=where, personal={"who": who})
