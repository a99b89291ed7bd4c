"""Leads tenants back from a release to what they ran before: routes first; what does not run any more is started.

Nothing is built, tested or migrated: what runs before was verified before, and stage proved it on the schema.
"""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass

from stationmaster.blocks.agendas import own_agenda
from stationmaster.blocks.instances import Colour, NothingRunsError, backend
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.serving import product_at, start_instance
from stationmaster.blocks.tally import Tally
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.blocks.unsaid import put_on_record
from stationmaster.domain.entries import RUNS, Entry
from stationmaster.domain.errors import OutsideError, StationmasterError
from stationmaster.domain.past import ran_before
from stationmaster.domain.rollback import NotProvedError, Order, in_scope, proved


@dataclass(frozen=True)
class _Group:
    """Tenants that go the same way: off one instance's new version, to one artifact."""

    instance: str
    left: Colour  # where they are
    before: Entry  # what they ran before; the artifact is the same for all
    tenants: tuple[str, ...]

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
            led.append(_lead(leg, group, colour))
        except StationmasterError as error:
            failed.append(error)
    _record(leg, led)
    if failed:
        raise failed[0]
    return sorted(tenant for one in led for tenant in one.group.tenants)


def _lead(leg: Leg, group: _Group, warm: Colour | None) -> _Led:
    _must_be_proved(leg, group)
    to = warm or start_instance(leg, product_at(leg, group.commit).service, group.digest, group.instance)
    leg.tools.target.shift(group.tenants, group.instance, to, leg.fence)
    return _Led(group, to, round(leg.tools.now().timestamp() * 1000))


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
    return [_Group(way[0], way[1], before[names[0]], tuple(names)) for way, names in ways.items()]


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
        past = sorted((e for step in RUNS for e in tools.ledger.history(step, tenant)), key=lambda e: e.index)
        if found := ran_before(past, digest):
            before[tenant] = found
    return before


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
    asked = product_at(leg, groups[0].commit).service.version
    answers = leg.tools.target.running(asked, of={group.instance for group in groups})
    runs = {(one.instance, one.digest): one.colour for one in answers}
    found = [(group, runs.get((group.instance, group.digest))) for group in groups]
    return sorted(found, key=lambda each: each[1] is None)


def _must_be_proved(leg: Leg, group: _Group) -> None:
    schema = _schema(leg, group.instance)
    staged = leg.tools.ledger.every("staged")
    if schema is not None and not proved(staged, group.digest, schema):
        raise NotProvedError(group.tenants, group.before.fact["version"], schema)


def _schema(leg: Leg, instance: str) -> str | None:
    """The schema that an instance's database has; None when it has none. A database that does not answer has the one
    that the ledger says: whoever changes it records it, or is the release that goes back, which stage proved too.
    """
    if instance not in leg.tools.database.databases:
        return None
    try:
        return ",".join(leg.tools.database.revision(instance))
    except OutsideError:
        history = leg.tools.ledger.history("expanded", instance)
        return ",".join(history[-1].fact["after"]) if history else None


def _record(leg: Leg, led: list[_Led]) -> None:
    """What is known once the routes are back: when they were, and when the last request ended on the version left."""
    left = {tenant: backend(one.group.instance, one.group.left) for one in led for tenant in one.group.tenants}
    last_ms = Tally(left).last_request(leg.tools) if led else None
    running = leg.tools.ledger.running()
    for one in led:
        for tenant in one.group.tenants:
            fact = {name: one.group.before.fact[name] for name in ("version", "digest", "commit")}
            place = {"instance": one.group.instance, "colour": one.colour, "left": one.group.left}
            inputs = {"digest": one.group.digest, "undone": running[tenant].index}
            measured = {"routed_ms": one.routed_ms, "last_ms": last_ms}
            leg.record("rolled_back", inputs, {**fact, **place, **measured}, subject=tenant)
