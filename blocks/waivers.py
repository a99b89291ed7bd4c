"""What is closed as one release meets it: freezes that close, freezes that its waivers pass, and what its waivers of
blackouts come to. Signatures are counted anew each time; what an entry says of them proves nothing, and a key may have
been withdrawn since.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from stationmaster.blocks.carried import recalled
from stationmaster.blocks.confirmation import kind_of, starter_of
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.source import GitRepository
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.authors import authors_of
from stationmaster.domain.entries import Entry
from stationmaster.domain.freeze import FREEZES, Freeze, in_force
from stationmaster.domain.waiver import Asked, Gate, Passage, blackouts, weigh

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
    waived = any(entry.step == "waived" for entry in entries)
    if not waived or not (freezes or blackouts(entries)):
        return Met(freezes, {}, {})
    this = asked(tools.ledger, tools.source, tools.signer.people(), leg.release, entries)
    return sort(freezes, entries, this, at)


def sort(freezes: Iterable[Freeze], entries: Sequence[Entry], this: Asked, at: datetime) -> Met:
    """What a release meets at an aware instant. `entries` are all of the release."""
    found = {freeze: weigh(entries, freeze.gate, this, at) for freeze in freezes}
    closed = tuple(replace(one, waivers=passage.said) for one, passage in found.items() if not passage.open)
    passed = {freeze: passage for freeze, passage in found.items() if passage.open}
    return Met(closed, passed, {gate: weigh(entries, gate, this, at) for gate in blackouts(entries)})


def asked(ledger: "Ledger", source: GitRepository, people: Approvers, release: str, entries: Sequence[Entry]) -> Asked:
    """What waivers of a release that is built are held against: the policy is that of its own commit."""
    facts = {entry.step: entry.fact for entry in entries if entry.step in {"cut", "built"}}
    this = recalled(source, release, facts["cut"])
    kind = kind_of(ledger, release)
    return Asked(
        release=release, kind=kind, digest=facts["built"]["digest"], approvers=people,
        starter=starter_of(ledger, release), authors=authors_of(this, people), roles=tuple(this.product.quorum(kind)),
    )  # fmt: skip


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
        who = sorted({given.who for gate in new for given in through[gate].given})
        leg.record("passed", fact, fact, subject=where, personal={"who": who})
