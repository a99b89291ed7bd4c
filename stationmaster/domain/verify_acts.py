"""Whether each act on production was in what had been approved by then. One pass over the entries."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from stationmaster.domain import bundle
from stationmaster.domain.approval import is_for
from stationmaster.domain.bundle import opening_name
from stationmaster.domain.compatibility import PROVES
from stationmaster.domain.concerning import Signed
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry, canonical, digest
from stationmaster.domain.mandate import Mandate
from stationmaster.domain.tenants import STAGE
from stationmaster.domain.verify_contract import UNFIT, led_past, taken_away

# An approval holds until what is to be approved is another thing.
_ENDS = frozenset({"planned", "mandated"})
_SCHEMA = frozenset({"expanding", "expanded"})
_CONTRACT = frozenset({"contracting", "contracted"})
_MANDATES = frozenset({"mandated", "contract_mandated"})


@dataclass(frozen=True)
class Asked:
    """A mandate, and its tenants: None where its plan is not here, or is none. `opened` is the one tenant of which
    there is an opening, which is checked elsewhere.
    """

    entry: Entry
    mandate: Mandate
    signed: Signed | None
    opened: str | None

    def has(self, tenant: str) -> bool:
        if self.opened is not None:
            return tenant == self.opened
        try:
            return self.signed is not None and self.signed.opening(tenant) is not None
        except UNFIT:  # the plan's salt is none
            return False


@dataclass
class Sofar:
    """What was asked, said and approved up to an entry of a bundle: of one `tenant`, from which much is hidden, or
    whole; with these `files`. The mandates that were laid down are ones.
    """

    tenant: str | None
    files: Collection[str] = ()
    asked: Asked | None = None
    approved: bool = False  # what is asked now
    were: list[Asked] = field(default_factory=list)  # approved, whatever became of it
    proved: list[tuple[object, object]] = field(default_factory=list)  # artifact and schema that passed in stage
    taken: dict[str, frozenset[str]] = field(default_factory=dict)  # database to where its contract ended
    rehearsed: str | None = None  # digest of what the last rehearsal found
    back: set[str] = field(default_factory=set)  # commits that tenants went back to
    approvals: list[Entry] = field(default_factory=list)
    _plans: dict[int, Entry] = field(default_factory=dict)
    _contract: "Sofar | None" = None

    @property
    def contract(self) -> "Sofar":
        """The same of the contract that follows the release: what was asked, said and approved for that alone."""
        if self._contract is None:
            self._contract = Sofar(self.tenant, self.files)
        return self._contract

    def learn(self, entry: Entry) -> None:
        """The next entry, in order."""
        if entry.step.startswith("contract_") or (entry.step == "approval" and is_for(entry, "contract")):
            plain = entry.model_copy(update={"step": entry.step.removeprefix("contract_")})
            self.contract._learn(plain)  # noqa: SLF001 - another of this class
            return
        if entry.step == "planned":
            self.contract._learn(entry)  # noqa: SLF001 - as above
        self._learn(entry)

    def _learn(self, entry: Entry) -> None:
        if entry.step in _ENDS:
            self.approved = False
        if entry.step == "planned":
            self._plans[entry.index] = entry
        elif entry.step == "mandated":
            self.asked = self._asked(entry)
        elif entry.step == "approval":
            self.approvals.append(entry)
        elif entry.step == "approved":
            self.approved = True
            self.were += [self.asked] if self.asked else []
        elif entry.step in PROVES:
            self.proved += _pairs(entry)
        elif entry.step == "contracted":
            self.taken[entry.subject] = _ends(self.contract.asked.entry if self.contract.asked else entry)
        elif entry.step == "rehearsed":
            self.rehearsed = digest(canonical(entry.fact))
        elif entry.step == "rolled_back":
            self.back.add(str(entry.fact.get("commit")))

    def _asked(self, entry: Entry) -> Asked:
        try:
            signed = Signed.of(entry, self._plans[entry.fact["planned"]])
        except UNFIT:
            signed = None
        opened = self.tenant if opening_name(entry.index) in self.files else None
        return Asked(entry, Mandate.read(entry.fact), signed, opened)


def _pairs(entry: Entry) -> list[tuple[object, object]]:
    try:
        return [(artifact, schema) for artifact, schema in (*entry.fact["pairs"], *entry.fact.get("covers", ()))]
    except UNFIT:
        return []


def _ends(mandated: Entry) -> frozenset[str]:
    """The revisions at which a contract ends, as they were signed; one that nobody has where that is unreadable."""
    ends = mandated.fact.get("revisions")
    return frozenset(map(str, ends)) if isinstance(ends, list) and ends else frozenset({""})


def act(entry: Entry, sofar: Sofar) -> Iterator[str]:
    """What is wrong with an act on production; nothing with any other entry."""
    if entry.step == "deployed":
        yield from _found(entry, sofar) if entry.fact.get("found") is True else _deployed(entry, sofar)
    elif entry.step in _SCHEMA and entry.subject != STAGE:
        yield from _unasked(entry, sofar, f"is a schema change of {entry.subject}")
    elif entry.step in _CONTRACT and entry.subject != STAGE:
        yield from _taken_away(entry, sofar)
    elif entry.step == "flagged":
        yield from _flagged(entry, sofar)
    elif entry.step == "rolled_back":
        yield from _led_back(entry, sofar)
    elif entry.step in _MANDATES:
        yield from _rehearsed(entry, sofar)


def _led_back(entry: Entry, sofar: Sofar) -> Iterator[str]:
    """Whether stage proved what the tenant goes back to, also without what a contract took from its database."""
    if entry.fact.get("digest") not in [artifact for artifact, _ in sofar.proved]:
        led = f"entry {entry.index} led {entry.subject} back"
        yield f"{bundle.ENTRIES}: {led} to what stage did not prove for this release"
    elif ends := sofar.taken.get(str(entry.fact.get("instance"))):
        yield from led_past(entry, ends, sofar.proved)


def _rehearsed(entry: Entry, sofar: Sofar) -> Iterator[str]:
    """Whether what people signed of the rehearsal is what it found. From one tenant it may be hidden."""
    signed = entry.fact["content"].get("rehearsal")
    if signed != sofar.rehearsed and (sofar.rehearsed is not None or sofar.tenant is None):
        yield f"{bundle.ENTRIES}: entry {entry.index} has another rehearsal signed than the one that was recorded"


def _taken_away(entry: Entry, sofar: Sofar) -> Iterator[str]:
    """Whether it was done under an approval that stood, as it was signed, and was proved before."""
    yield from _unasked(entry, sofar.contract, f"takes away from {entry.subject} what old code needs:")
    if sofar.contract.asked is not None and sofar.contract.approved:
        yield from taken_away(entry, sofar.contract.asked.entry, sofar.proved)


def _unasked(entry: Entry, sofar: Sofar, does: str) -> Iterator[str]:
    """Whether it was done under an approval that stood. What takes long says when it was asked for the approval."""
    said = entry.fact.get("asked_at", entry.at)
    if sofar.asked is None or not sofar.approved:
        yield f"{bundle.ENTRIES}: entry {entry.index} {does} that nobody had approved"
    elif not _is_before(said, sofar.asked.mandate.ends):
        over = instant(sofar.asked.mandate.ends)
        yield f"{bundle.ENTRIES}: entry {entry.index} {does} at {str(said)[:40]}, and what was approved ended at {over}"


def _is_before(said: object, end: datetime) -> bool:
    try:
        return datetime.fromisoformat(str(said)) < end
    except (ValueError, TypeError):  # it is no instant, or has no zone
        return False


def _deployed(entry: Entry, sofar: Sofar) -> Iterator[str]:
    """Whether the tenant, and what it got, were in what had been approved."""
    yield from _unasked(entry, sofar, f"is a deployment to {entry.subject}")
    if sofar.asked is None or not sofar.approved:
        return
    if entry.fact.get("digest") != sofar.asked.mandate.parts["artifact"]:
        yield f"{bundle.ENTRIES}: entry {entry.index} deployed another artifact than the one that was approved"
    if sofar.tenant and not sofar.asked.opened:
        yield f"{opening_name(sofar.asked.entry.index)}: it is missing, and entry {entry.index} deployed under it"
    elif not sofar.asked.has(entry.subject):
        yield f"{bundle.ENTRIES}: entry {entry.index} is a deployment to {entry.subject}, who is not in the mandate"


def _found(entry: Entry, sofar: Sofar) -> Iterator[str]:
    """The same of a deployment that whoever did it died before recording. When it was done is not known: it must be in
    something that had been approved by now.
    """
    might = [one for one in sofar.were if one.mandate.parts["artifact"] == entry.fact.get("digest")]
    if not any(one.has(entry.subject) for one in might):
        yield f"{bundle.ENTRIES}: entry {entry.index} is a deployment to {entry.subject} that nobody had ever approved"


def _flagged(entry: Entry, sofar: Sofar) -> Iterator[str]:
    """Whether the flags were those that had been approved, or of a version that a tenant went back to. Who went back is
    hidden from one tenant: of it is asked that something had been approved.
    """
    commit = str(entry.fact.get("commit"))
    if (sofar.were and sofar.tenant is not None) or commit in sofar.back:
        return
    yield from _unasked(entry, sofar, "is a publication of flags")
    if sofar.asked and sofar.approved and commit != sofar.asked.mandate.parts.get("commit"):
        yield f"{bundle.ENTRIES}: entry {entry.index} published flags of another commit than the one that was approved"
