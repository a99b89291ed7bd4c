"""Puts the tenants of a database into a mode for a schema change that cannot be made online, and always back.

Who is put into a mode is on record before it happens, so that whoever comes after a process that died knows whom to
serve in full again: the next leg, the watchdog, or a person.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from stationmaster.blocks.agendas import agenda_of
from stationmaster.blocks.migration_estimates import estimates, slack
from stationmaster.domain.agenda import Agenda
from stationmaster.domain.calendar_slots import Slot
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import MODE, Draft, Entry
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.interruption import STEPS, Interruption, in_mode
from stationmaster.domain.migration_forecast import expected_ms
from stationmaster.domain.migration_need import Need
from stationmaster.domain.plan import first_planned
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory

if TYPE_CHECKING:
    from stationmaster.blocks.deploy_target import SandboxTarget
    from stationmaster.blocks.leg import Leg
    from stationmaster.blocks.supervisor import Fence
    from stationmaster.ledger.leases import Lease
    from stationmaster.ledger.store import Ledger

_PAUSES = (1.0, 4.0, 15.0)  # seconds between tries to serve tenants in full again, while the target is away


def interruption(leg: "Leg", product: Product, name: str, need: Need, tenant: str | None = None) -> Interruption:
    """Whom the change of a database limits, how, for how long, and the first slot that all of them have: all tenants of
    the instance, or the one to whom the database belongs.

    Raises:
        ModeNotDeclaredError: the product cannot be put into the mode that it needs.
    """
    directory, mode = leg.tools.tenants.read(), need.mode(product.service.modes)
    tenants = (tenant,) if tenant else _served_from(leg, directory, name)
    seconds = _seconds(leg)
    sent = first_planned([entry for entry in leg.tools.ledger.entries(leg.release) if entry.step == "planned"])
    agenda = agenda_of(leg.tools.tenants, directory, product, sent)
    return laid_out(Interruption(name, mode, tenants, need.why, seconds), agenda, leg.tools.now())


def _served_from(leg: "Leg", directory: Directory, instance: str) -> tuple[str, ...]:
    routed = {tenant for tenant, place in leg.tools.target.routes().items() if place[0] == instance}
    return tuple(sorted(routed | {one.id for one in directory.tenants if one.instance == instance}))


def laid_out(bare: Interruption, agenda: Agenda, at: datetime) -> Interruption:
    """The same with the first slot from an aware instant on that all its tenants have, or why there is none."""
    slot = agenda.lasting(bare.seconds).together(bare.tenants, at)
    if isinstance(slot, Slot):
        return replace(bare, start=instant(slot.start), end=instant(slot.end))
    return replace(bare, closed=slot.why)


def announce(leg: "Leg", found: Interruption) -> None:
    """Put on record who is to be told of what, and when it is expected; once, and again when that changed."""
    leg.record("notice", {"of": found.fact()}, found.fact(), subject=found.instance)


def announced(ledger: "Ledger", release: str) -> list[Interruption]:
    """What a release will limit, as it was told last."""
    return [Interruption.read(entry.fact) for _, entry in sorted(_notices(ledger, release).items())]


def _notices(ledger: "Ledger", release: str) -> dict[str, Entry]:
    return {entry.subject: entry for entry in ledger.entries(release) if entry.step == "notice"}


@contextmanager
def limited(leg: "Leg", product: Product, found: Iterable[Interruption]) -> Iterator[None]:
    """Around what cannot be made online: the tenants are in their mode while the block lasts, and in full after it,
    however it ends.
    """
    mine = [(one, one.mode) for one in found if one.mode is not None]
    if not mine:
        yield
        return
    tenants, told = [who for one, _ in mine for who in one.tenants], _notices(leg.tools.ledger, leg.release)
    try:
        for one, mode in mine:
            fact = {"mode": mode, "instance": one.instance, "why": one.why, "product": product.product}
            notice = told[one.instance].index if one.instance in told else None
            for tenant in one.tenants:
                leg.record("mode_on", {"mode": mode}, {**fact, "notice": notice}, subject=tenant)
            leg.tools.target.set_mode(one.tenants, mode, leg.fence)
        yield
    except BaseException:  # also what ends the process: nobody else is as near
        _over(leg, tenants, "the change did not end well")
        raise
    _over(leg, tenants, "the change is made")


def serve_again(leg: "Leg") -> None:
    """Serve in full whom a leg before this one left in a mode, because it died."""
    if on := in_mode(leg.tools.ledger.latest(STEPS), leg.release):
        _over(leg, on, "the leg that limited it is over")


def set_back(
    target: "SandboxTarget", ledger: "Ledger", on: Mapping[str, Entry], *, why: str, at: datetime,
    fence: "Fence | None" = None, lease: "Lease | None" = None, who: str | None = None,
) -> None:  # fmt: skip
    """Serve the tenants in full from their next request on, then put it on record. `on` are the entries by which they
    are not; without a lease it is a person, `who`.
    """
    target.set_mode(sorted(on), None, fence)
    _on_record(ledger, on, why=why, at=at, lease=lease, who=who)


def set_back_unrecorded(
    target: "SandboxTarget", ledger: "Ledger", found: Mapping[str, str], *, why: str, at: datetime, who: str
) -> None:
    """The same of tenants for whom nobody said that they are in a mode, by a person."""
    target.set_mode(sorted(found), None)
    for tenant, mode in sorted(found.items()):
        fact = {"mode": mode, "instance": None, "why": why, "seconds": None}
        inputs, personal = {"at": instant(at)}, {"who": who}
        draft = Draft(release=MODE, step="mode_off", subject=tenant, inputs=inputs, fact=fact, personal=personal)
        ledger.append(draft, at)


def _over(leg: "Leg", tenants: Iterable[str], why: str) -> None:
    """In full first, and again and again for a while; whom nobody can serve then, the watchdog does."""
    for pause in (*_PAUSES, None):
        try:
            leg.tools.target.set_mode(sorted(tenants), None, leg.fence)
        except OutsideError:
            if pause is None:
                raise
            leg.tools.sleep(pause)
        else:
            break
    on = in_mode(leg.tools.ledger.latest(STEPS), leg.release)
    _on_record(leg.tools.ledger, on, why=why, at=leg.tools.now(), lease=leg.lease)


def _on_record(
    ledger: "Ledger", on: Mapping[str, Entry], *, why: str, at: datetime, lease: "Lease | None", who: str | None = None
) -> None:
    personal = {"who": who} if who else None
    for tenant, entry in sorted(on.items()):
        seconds = round((at - datetime.fromisoformat(entry.at)).total_seconds())
        fact = {"mode": entry.fact["mode"], "instance": entry.fact["instance"], "why": why, "seconds": seconds}
        draft = Draft(
            release=entry.release, step="mode_off", subject=tenant, inputs={"on": entry.index}, fact=fact,
            personal=personal,
        )  # fmt: skip
        ledger.append(draft, at, lease)


def _seconds(leg: "Leg") -> float | None:
    """What the rehearsal expects, with the slack of the last time; of several states the longest."""
    found, more = estimates(leg.tools.ledger, leg.release), slack(leg.tools.ledger, leg.release)
    return max((expected_ms(one, more) / 1000 for one in found), default=None)
