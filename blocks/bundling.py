"""Makes an evidence bundle of a release: its entries with their proofs, and what the evidence store and the source have
of it, under an index that the service signs. Reads alone; nothing is recorded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stationmaster.blocks.bundle_log import collect_log
from stationmaster.blocks.bundle_records import collect_cmdb, collect_notes
from stationmaster.blocks.collecting import Collection, collect_envelopes, collect_kept, collect_people
from stationmaster.blocks.others import tenants_seen
from stationmaster.blocks.ratification import retention_in_force
from stationmaster.domain import bundle
from stationmaster.domain.bundle import Index
from stationmaster.domain.bundle_pages import VERIFY_PAGE, controls_page
from stationmaster.domain.concerning import Concern, foreign_rings, openings_of, planned_tenants
from stationmaster.domain.container import pack
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry, canonical
from stationmaster.domain.errors import InputError, RefusedError, nearest
from stationmaster.domain.kept import never_recorded
from stationmaster.domain.others import Others
from stationmaster.domain.release import UnknownReleaseError

if TYPE_CHECKING:
    from stationmaster.blocks.toolbox import Toolbox

# Pages that we wrote, and hashes: in neither can anybody be named, and a short name is in hashes by chance.
_SAYS_NOTHING = (bundle.VERIFY, bundle.CONTROLS, "log/checkpoint", "log/leaves", "log/proofs/")


class TenantNamedError(RefusedError):
    """A bundle for one tenant would name another, in a place that cannot be left out."""

    code = "tenant_named"

    def __init__(self, file: str, word: str) -> None:
        super().__init__(
            f"the bundle would name another tenant: {word!r} is in its {file}",
            hint="the product, the release or the tenant is called by a word that names another; nothing was written",
        )


class UnconcernedError(InputError):
    """The release has nothing to do with the tenant."""

    code = "unconcerned"


@dataclass(frozen=True)
class Bundle:
    """The container, and what its index says."""

    raw: bytes
    index: Index


def make(tools: "Toolbox", release: str, tenant: str | None = None) -> Bundle:
    """The bundle of a release, or of what of it concerns one tenant.

    Raises:
        UnknownReleaseError: the ledger has no such release.
        UnconcernedError: the release has nothing to do with the tenant, or nobody is called so.
        TenantNamedError: another tenant would be named.
        LogBrokenError: the ledger is not the one of which checkpoints were published.
    """
    entries = tools.ledger.entries(release)
    asked = next((entry for entry in entries if entry.step in {"confirmed", "started"}), None)
    if asked is None:
        raise UnknownReleaseError(release)
    concern = _concern(tools, entries, tenant) if tenant else None
    shown = [entry for entry in entries if concern is None or concern.has(entry)]
    found, product = Collection(concern.others if concern else None), asked.fact["product"]
    _collect(found, tools, entries, shown)
    collect_cmdb(found, tools.ledger, release, tenant)
    for number, opening in openings_of(entries, concern.tenant).items() if concern else ():
        found.put(bundle.opening_name(number), opening, "opening")
    head = collect_log(found, tools, product, entries, shown)
    found.files[bundle.VERIFY] = VERIFY_PAGE.encode()
    found.files[bundle.CONTROLS] = controls_page(found.files, retention_in_force(tools.ledger, product)).encode()
    made = Index(
        release=release, product=product, state=bundle.state_of(entries), tenant=tenant, at=instant(tools.now()),
        checkpoint=head, entries=_indexes(shown), hidden=tuple(sorted({*_indexes(entries)} - {*_indexes(shown)})),
        files=bundle.listed(found.files, found.told), absent=tuple(found.absent),
    )  # fmt: skip
    return _sealed(tools, made, found)


def _sealed(tools: "Toolbox", index: Index, found: Collection) -> Bundle:
    """With the index and its signature; nothing that names another leaves."""
    raw = index.canonical()
    envelope = tools.signer.sign(bundle.statement(raw, index.release, index.tenant))
    files = {**found.files, bundle.INDEX: raw, bundle.SIGNATURE: canonical(envelope)}
    for name, content in files.items() if found.others else ():
        said = name.encode() + (b"" if name.startswith(_SAYS_NOTHING) else b"\n" + content)
        if found.others and (word := found.others.word_in(said)):
            raise TenantNamedError(name, word)
    return Bundle(pack(files), index)


def _concern(tools: "Toolbox", entries: Sequence[Entry], tenant: str) -> Concern:
    directory = tools.tenants.read().tenants
    seen = tenants_seen(tools.ledger)
    known = {one.id for one in directory} | seen
    if tenant not in known:
        raise UnconcernedError(f"there is no tenant {tenant!r}", hint=nearest(tenant, known))
    if tenant not in planned_tenants(entries) | {entry.subject for entry in entries}:
        raise UnconcernedError(
            f"nothing of {entries[0].release} concerns {tenant}", hint=f"stationmaster tenants show {tenant}"
        )
    return Concern(tenant, Others.of(tenant, directory, seen), foreign_rings(entries, tenant))


def _collect(found: Collection, tools: "Toolbox", entries: Sequence[Entry], shown: Sequence[Entry]) -> None:
    """Everything but the log: what people said and did, what was kept, what was written about it."""
    sealed = {entry.index: content for entry in shown if (content := tools.ledger.sealed(entry)) is not None}
    personal = tools.ledger.personals([entry for entry in shown if entry.index in sealed])
    wrong = frozenset(index for index, told in personal.items() if told is None)
    collect_people(found, shown, sealed, wrong)
    collect_envelopes(found, shown, {index: told for index, told in personal.items() if told is not None})
    collect_kept(found, tools.evidence, shown)
    for index, what in never_recorded(shown):
        found.miss(what, "never recorded", index)
    collect_notes(found, tools.source, entries)


def _indexes(entries: Iterable[Entry]) -> tuple[int, ...]:
    return tuple(entry.index for entry in entries)
