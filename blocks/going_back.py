"""Leads tenants back from a release to what they ran before: routes first; what does not run any more is started.

Nothing is built, tested or migrated: what runs before was verified before, and stage proved it on the schema.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stationmaster.blocks.agendas import own_agenda
from stationmaster.blocks.carried import product_at
from stationmaster.blocks.compatible import matrix_of, schemas_of, ways_of
from stationmaster.blocks.instances import Colour, NothingRunsError, backend
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.serving import start_instance
from stationmaster.blocks.tally import Tally
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.blocks.unsaid import put_on_record
from stationmaster.domain.entries import RUNS, Entry
from stationmaster.domain.errors import OutsideError, StationmasterError
from stationmaster.domain.homes import database_of, own
from stationmaster.domain.past import ran_before
from stationmaster.domain.rollback import NotProvedError, Order, in_scope

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


@dataclass(frozen=True)
class _Group:
    """Tenants that go the same way: off one instance's new version, to one artifact."""

    instance: str
    left: Colour  # where they are
    before: Entry  # what they ran before; the artifact is the same for all
    homes: Mapping[str, tuple[str, ...]]  # the databases in which their data is, each with its tenants

    @property
    def tenants(self) -> tuple[str, ...]:
        return tuple(sorted(tenant for tenants in self.homes.values() for tenant in tenants))

    @property
    def digest(self) -> str:
        return str(self.before.fact["digest"])

    @property
    def commit(self) -> str:
        return str(self.before.fact["commit"])


@dataclass(frozen=True)
class _Led:
    """A group whose routes are back: on which colour, and since when in milliseconds since the epoch."""

    group: _Group
    colour: Colour
    routed_ms: int


def tenants_of(tools: Toolbox, release: str, order: Order) -> list[str]:
    """Who goes back now: with the scope release those whose window is open, and everybody if it must be at once."""
    tenants = in_scope(release, order.scope, order.tenants, tools.ledger.running())
    if order.scope != "release" or order.now:
        return list(tenants)
    agenda = own_agenda(tools.tenants, tools.tenants.read())
    return [name for name in tenants if agenda.any_time(name, tools.now()).open]


def look_again(leg: Leg) -> None:
    """Under the lease of the way back nobody moves tenants to the release any more: who was moved since the order was
    given, by a process that died before it said so, is put on record. A target that is away tells in `lead_back`.
    """
    if leg.back:
        with contextlib.suppress(OutsideError):
            put_on_record(leg.tools, leg.release, led=True)


def lead_back(leg: Leg, tenants: Collection[str]) -> list[str]:
    """The tenants that were led back from the leg's release. Repeating it leads back those that are left; one that
    cannot go back keeps nobody else from it.

    Raises:
        NothingRunsError: a tenant ran nothing before; it stays.
        NotProvedError: nobody proved the version before on the schema; it stays.
        StationmasterError: what an instance that has to be started again raises.
    """
    led: list[_Led] = []
    failed: list[StationmasterError] = []
    for group, colour in _warm_first(leg, _groups(leg, tenants, failed)):
        try:
            led += _lead(leg, group, colour, failed)
        except StationmasterError as error:
            failed.append(error)
    _record(leg, led)
    if failed:
        raise failed[0]
    return sorted(tenant for one in led for tenant in one.group.tenants)


def _lead(leg: Leg, group: _Group, warm: Colour | None, failed: list[StationmasterError]) -> list[_Led]:
    """Those of the group whose own database the version before is proved on, all at once; nothing if that is nobody."""
    may = replace(group, homes=dict(_proved(leg.tools, group, failed)))
    if not may.homes:
        return []
    to = warm or start_instance(leg, product_at(leg.tools.source, may.commit).service, may.digest, may.instance)
    leg.tools.target.shift(may.tenants, may.instance, to, leg.fence)
    return [_Led(may, to, round(leg.tools.now().timestamp() * 1000))]


def _proved(tools: Toolbox, group: _Group, failed: list[StationmasterError]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, tenants in group.homes.items():
        try:
            must_be_proved(tools, tenants, name, group.before)
        except NotProvedError as error:
            failed.append(error)
        else:
            yield name, tenants


def _groups(leg: Leg, tenants: Collection[str], failed: list[StationmasterError]) -> list[_Group]:
    """Who goes where. Tenants that ran nothing before are in no group."""
    running, before = leg.tools.ledger.running(), ran_before_it(leg.tools, leg.release, tenants)
    new = sorted(set(tenants) - set(before))
    if new:
        failed.append(stays(leg.release, new))
    ways: dict[tuple[str, Colour, str], list[str]] = {}
    for tenant in sorted(set(tenants) & set(before)):
        at = running[tenant].fact
        ways.setdefault((at["instance"], at["colour"], before[tenant].fact["digest"]), []).append(tenant)
    return [_Group(way[0], way[1], before[names[0]], _homes(running, names)) for way, names in ways.items()]


def _homes(running: Mapping[str, Entry], tenants: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for tenant in tenants:
        name = str(database_of(running[tenant]))
        found[name] = (*found.get(name, ()), tenant)
    return found


def ran_before_it(tools: Toolbox, release: str, tenants: Collection[str]) -> dict[str, Entry]:
    """What each tenant ran before the release; who ran nothing is not in it. Where another release was last, and was
    taken back to this one's artifact, that is older: its whole past is read.
    """
    running, before = tools.ledger.running(), tools.ledger.running(without=release)
    for tenant in set(tenants) & set(before):
        digest = running[tenant].fact["digest"]
        if before[tenant].fact["digest"] != digest:
            continue
        del before[tenant]
        if found := ran_before_now(tools.ledger, running[tenant]):
            before[tenant] = found
    return before


def ran_before_now(ledger: "Ledger", now: Entry) -> Entry | None:
    """What the tenant of an entry that says what it runs ran before that artifact, by its whole past."""
    past = sorted((e for step in RUNS for e in ledger.history(step, now.subject)), key=lambda e: e.index)
    return ran_before(past, now.fact["digest"])


def must_have_a_way(tools: Toolbox, release: str, tenants: Collection[str]) -> None:
    """Return if at least one of the tenants can go back, or there are none: asked before an order is given, so that
    none is in force that nobody could carry out.

    Raises:
        NothingRunsError: none of them ran anything before.
        NotProvedError: stage proved what they ran before on no schema that their databases have.
    """
    running, before = tools.ledger.running(), ran_before_it(tools, release, tenants)
    there = sorted(set(tenants) & set(before))
    if tenants and not there:
        raise stays(release, tenants)
    refused: list[NotProvedError] = []
    for name in there:
        try:
            must_be_proved(tools, [name], str(database_of(running[name])), before[name])
        except NotProvedError as error:
            refused.append(error)
        else:
            return
    if refused:
        raise refused[0]


def stays(release: str, tenants: Collection[str]) -> NothingRunsError:
    """Why tenants are not led back."""
    return NothingRunsError(
        f"{', '.join(sorted(tenants))} ran nothing before {release}, so they stay on it",
        hint="start a release of the version you want",
    )


def _warm_first(leg: Leg, groups: list[_Group]) -> list[tuple[_Group, Colour | None]]:
    """Each group with the colour on which its version before still runs; those that have one come first."""
    if not groups:
        return []
    asked = product_at(leg.tools.source, groups[0].commit).service.version
    answers = leg.tools.target.running(asked, of={group.instance for group in groups})
    runs = {(one.instance, one.digest): one.colour for one in answers}
    found = [(group, runs.get((group.instance, group.digest))) for group in groups]
    return sorted(found, key=lambda each: each[1] is None)


def must_be_proved(tools: Toolbox, tenants: Collection[str], database: str, before: Entry) -> None:
    """Return if what `before` says may serve the tenants of a database: stage proved it on each schema that this may
    have. Where nobody can tell what schema that is, it is not proved.

    Raises:
        NotProvedError: it is not, with the ways that are left.
    """
    digest, version = str(before.fact["digest"]), str(before.fact["version"])
    known = schemas_of(tools, database)
    if known is None or (known and matrix_of(tools.ledger).proved(digest, known)):
        return
    now = next((e for t, e in tools.ledger.running().items() if t in tenants), before)
    ways = ways_of(tools, database, digest, version, str(now.fact["commit"]))
    raise NotProvedError(tenants, version, known, database, ways)


def _record(leg: Leg, led: list[_Led]) -> None:
    """What is known once the routes are back: when they were, and when the last request ended on the version left."""
    left = {tenant: backend(one.group.instance, one.group.left) for one in led for tenant in one.group.tenants}
    last_ms = Tally(left).last_request(leg.tools) if led else None
    running = leg.tools.ledger.running()
    for one in led:
        homes = {tenant: name for name, tenants in one.group.homes.items() for tenant in tenants}
        for tenant in one.group.tenants:
            fact = {name: one.group.before.fact[name] for name in ("version", "digest", "commit")}
            place = {"instance": one.group.instance, "colour": one.colour, "left": one.group.left}
            place |= own(homes[tenant], one.group.instance)
            inputs = {"digest": one.group.digest, "undone": running[tenant].index}
            measured = {"routed_ms": one.routed_ms, "last_ms": last_ms}
            leg.record("rolled_back", inputs, {**fact, **place, **measured}, subject=tenant)
