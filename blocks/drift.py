"""Asks production what it runs, compares that with the ledger, puts the look on record and tells of what is new.
Nothing is mended: whoever changed something past the releases is asked first.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from stationmaster.blocks.approved_artifacts import approved_of
from stationmaster.blocks.carried import product_at
from stationmaster.blocks.database import DatabaseUnversionedError
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.block_kit import escaped, sections
from stationmaster.domain.drift import Drift, Finding, Recorded, Seen, compare, since
from stationmaster.domain.entries import DRIFT, Draft, Entry, digest
from stationmaster.domain.errors import OutsideError, StationmasterError
from stationmaster.domain.homes import database_of, place_of
from stationmaster.domain.interruption import STEPS, in_mode
from stationmaster.domain.product import Product, Service
from stationmaster.domain.stages import has_reached
from stationmaster.domain.tenants import STAGE

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger

_VERSION: str = Service.model_fields["version"].default  # where processes are asked while no release says how
_TOLD = 20  # findings that one message names


def look(tools: Toolbox) -> Drift:
    """What deviates now. A tenant that was moved while we looked is not judged.

    Raises:
        StationmasterError: the ledger, the source or the tenant directory does not answer: there is nothing to compare.
    """
    before = tools.ledger.running()
    commits = {commit: product_at(tools.source, commit) for commit in _commits(tools, before)}
    seen = _seen(tools, {product.service.version for product in commits.values()} or {_VERSION})
    after = tools.ledger.running()
    still = {name: entry for name, entry in after.items() if before.get(name) == entry}
    homes = {one.id: one.instance for one in tools.tenants.read().tenants}
    moved = {*before, *after} - set(still)
    seen = _without(seen, moved)
    return compare(
        _recorded(tools, {t: e for t, e in still.items() if t in {*homes, *seen.routes}}, homes, commits, seen), seen
    )


def check(tools: Toolbox, product: str) -> Drift:
    """The same, put on record, and each new finding told in the product's channel once."""
    found = look(tools)
    draft = Draft(release=DRIFT, step="drifted", subject=product, fact=found.fact())
    _tell(tools, product, found, tools.ledger.observe(draft, tools.now()))
    return found


def _tell(tools: Toolbox, product: str, found: Drift, this: Entry) -> None:
    """One message for all that the same look found first, under its key: one that was not sent is sent next time."""
    begun = since(chain([this], tools.ledger.backwards("drifted", product, this.index)), found.findings)
    looks: dict[int, list[Finding]] = {}
    for one in found.findings:
        looks.setdefault(begun[one], []).append(one)
    for first, new in sorted(looks.items()):
        more = [f"and {len(new) - _TOLD} more: stationmaster evidence drift"] if len(new) > _TOLD else []
        text = "\n".join([f"{product} runs something else than the ledger says", *map(str, new[:_TOLD]), *more])
        tools.chat.post(f"drift/{product}/{first}", text, [*sections(escaped(text))])


def _recorded(
    tools: Toolbox, tenants: Mapping[str, Entry], homes: Mapping[str, str], commits: Mapping[str, Product], seen: Seen
) -> Recorded:
    busy = set(tools.ledger.under_way(tools.now()))
    built = {entry.release: str(entry.fact["digest"]) for entry in tools.ledger.every("built")}
    runs = {digest for digest in seen.running.values() if digest}
    return Recorded(
        tenants=tenants,
        homes=homes,
        approved=approved_of(tools.ledger, tools.signer, runs)
        | {str(entry.fact["digest"]) for entry in tools.ledger.every("adopted")},
        schemas={name: _schemas(tools.ledger, name, busy) for name in seen.schemas},
        flags=_flags(tools, tenants, commits),
        under_way={release: built.get(release) for release in busy},
        modes=in_mode(tools.ledger.latest(STEPS)),
    )


def _schemas(ledger: "Ledger", instance: str, busy: set[str]) -> frozenset[str]:
    """The states in which a database may be: that to which it was expanded or contracted last. While a release that is
    under way changes it, any; after one that died at it, that before as well.
    """
    done, begun = _last(ledger, instance, "expanded", "contracted"), _last(ledger, instance, "expanding", "contracting")
    states = {_heads(done.fact["after"])} if done else set()
    if begun is not None and (done is None or begun.index > done.index):
        if begun.release in busy:
            return frozenset()
        states.add(_heads(begun.fact["before"]))
    return frozenset(states)


def _last(ledger: "Ledger", instance: str, *steps: str) -> Entry | None:
    found = [entry for step in steps if (entry := next(ledger.backwards(step, instance), None))]
    return max(found, key=lambda entry: entry.index, default=None)


def _flags(tools: Toolbox, tenants: Mapping[str, Entry], commits: Mapping[str, Product]) -> frozenset[str]:
    """Digests of the files that may be published; none before a release published any."""
    if not any(entry.step == "deployed" for entry in tenants.values()):
        return frozenset()
    files = {commit: product.flags for commit, product in commits.items() if product.flags}
    return frozenset(digest(tools.source.read(commit, path).encode()) for commit, path in files.items())


def _commits(tools: Toolbox, running: Mapping[str, Entry]) -> set[str]:
    """Of what runs, and of what is on its way there."""
    busy = tools.ledger.under_way(tools.now())
    coming = [name for name in busy if has_reached(tools.ledger.entries(name), "approved")]
    cut = [entry.fact["commit"] for name in coming for entry in tools.ledger.about(name, ["cut"])]
    return {*cut, *(str(entry.fact["commit"]) for entry in running.values())}


def _seen(tools: Toolbox, versions: set[str]) -> Seen:
    away: dict[str, str] = {}
    found: dict[str, Any] = {}
    for what, name, ask in (
        ("deploy target", "running", lambda: _running(tools, versions)),
        ("deploy target", "routes", tools.target.routes),
        ("deploy target", "modes", tools.target.modes),
        ("flags", "flags", lambda: _published(tools)),
    ):
        with _noting(away, what):
            found[name] = ask()
    return Seen(**found, schemas={name: _schema(tools, name) for name in _databases(tools)}, away=away)


def _databases(tools: Toolbox) -> list[str]:
    """Those of production, by the block and by what is on record: where tenants have their own, that of their instance
    is none.
    """
    own = {name for one in tools.ledger.running().values() if (name := database_of(one)) and place_of(name)[1]}
    return sorted(({*tools.database.databases} - {STAGE, *(place_of(name)[0] for name in own)}) | own)


@contextmanager
def _noting(away: dict[str, str], what: str) -> Iterator[None]:
    """What cannot be asked is told; its words differ from time to time, its code does not."""
    try:
        yield
    except StationmasterError as error:
        away[what] = error.code


def _running(tools: Toolbox, versions: set[str]) -> dict[tuple[str, str], str | None]:
    """Each process with the digest that it says; versions of the product may say it at different paths."""
    found: dict[tuple[str, str], str | None] = {}
    for version in sorted(versions):
        for one in tools.target.running(version):
            place = (one.instance, one.colour)
            found[place] = one.digest or found.get(place)
    return found


def _published(tools: Toolbox) -> str:
    text = tools.flags.read()
    return "" if text is None else digest(text.encode())


def _schema(tools: Toolbox, instance: str) -> str | None:
    """None where the database does not answer."""
    try:
        return _heads(tools.database.revision(instance))
    except DatabaseUnversionedError:
        return "tables without a revision"
    except OutsideError:
        return None


def _heads(revisions: Any) -> str:  # noqa: ANN401 - a list or a tuple of text
    return ", ".join(revisions) or "empty"


def _without(seen: Seen, moved: set[str]) -> Seen:
    """The same without the routes of these tenants."""
    routes = {tenant: place for tenant, place in seen.routes.items() if tenant not in moved}
    return replace(seen, routes=routes)
