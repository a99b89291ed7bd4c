"""The way back: routes first, then flags and what nobody uses any more; every process is asked; support is told."""

from stationmaster.blocks.backfill_back import stand_still
from stationmaster.blocks.carried import product_at
from stationmaster.blocks.going_back import lead_back, look_again, must_have_a_way, tenants_of
from stationmaster.blocks.instances import must_serve
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.ordering import decide
from stationmaster.blocks.serving import publish_flags_of
from stationmaster.blocks.tally import Tally
from stationmaster.domain.entries import Entry, inputs_digest
from stationmaster.domain.orders import ORDERS, in_force
from stationmaster.domain.rollback import Order, went_back
from stationmaster.domain.safe import Safe, safe_after
from stationmaster.tasks import act


@act("route back", timeout=600, even_paused=True)
def route_back(leg: Leg, order: Order) -> None:
    """Decide, then lead the order's tenants back to what they ran before. First of all acts of a rollback, and the
    one that `release` calls itself on a breach: the same order decided twice is one. A breach of which nobody can go
    back is no order: the release stops there with the reason, and a person decides.
    """
    if not leg.back and in_force(leg.tools.ledger.about(leg.release, ORDERS)) != "rollback":
        must_have_a_way(leg.tools, leg.release, tenants_of(leg.tools, leg.release, order))
    decided = decide(leg.tools, leg.release, order, lease=leg.lease)
    look_again(leg)
    lead_back(leg, tenants_of(leg.tools, leg.release, decided))


@act("backfills back", timeout=300)
def stop_backfills(leg: Leg) -> None:
    """Nothing is filled in any more for the release, and whom it was taken back from loses what was verified."""
    stand_still(leg)


@act("flags back", timeout=60)
def send_flags_back(leg: Leg) -> str:
    """The flags of the version before when nobody is on the release any more: `back`; else they stay: `kept`."""
    running, led = leg.tools.ledger.running(), _led_back(leg)
    if any((entry.release, entry.step) == (leg.release, "deployed") for entry in running.values()) or not led:
        return "kept"
    commit = max(led.values(), key=lambda entry: entry.index).fact["commit"]
    product = product_at(leg.tools.source, commit)
    if not product.flags:
        return "none"
    publish_flags_of(leg, product, commit, {})
    return "back"


@act("retire", timeout=300)
def retire_left(leg: Leg) -> None:
    """End what the tenants left, where nobody else is routed to it."""
    left = {(entry.fact["instance"], entry.fact["left"]) for entry in _led_back(leg).values()}
    for instance, colour in sorted(left - set(leg.tools.target.routes().values())):
        leg.tools.target.retire(instance, colour, leg.fence)


@act("confirm back", timeout=60)
def confirm_back(leg: Leg, order: Order, flags: str) -> Safe:
    """Ask every process: each tenant that was led back is served by the version before. The figures of the way back."""
    led, routes = _led_back(leg), leg.tools.target.routes()
    asked = {
        entry.fact["commit"]: product_at(leg.tools.source, entry.fact["commit"]).service.version
        for entry in led.values()
    }
    runs = {
        (one.instance, one.colour): one.digest
        for version in set(asked.values())
        for one in leg.tools.target.running(version)
        if one.digest
    }
    must_serve({t: e.fact["digest"] for t, e in led.items()}, {t: runs.get(routes[t]) for t in led if t in routes})
    bad = Tally.of_release(leg.release, leg.tools.ledger.running()).bad(leg.tools)
    left = [t for t, e in leg.tools.ledger.running().items() if (e.release, e.step) == (leg.release, "deployed")]
    return safe_after(_decided(leg, order), went_back(leg.tools.ledger.entries(leg.release)), left, flags, bad)


@act("end rollback", timeout=60)
def end_rollback(leg: Leg, safe: Safe) -> None:
    """The rollback is over: nobody is on the release any more, or the others keep it and a person decides. One that a
    wider order overtook ends with that.
    """
    step = "contained" if safe.left else "restored"
    if step == "restored" or leg.tools.ledger.about(leg.release, ["rollback"])[0].index == safe.order:
        leg.record(step, {"rollback": safe.order}, safe.fact())


def _decided(leg: Leg, order: Order) -> Entry:
    """The entry of the order that is carried out; another may have been given since."""
    entries, wanted = leg.tools.ledger.entries(leg.release), inputs_digest(order.inputs)
    return next(one for one in reversed(entries) if (one.step, one.inputs) == ("rollback", wanted))


def _led_back(leg: Leg) -> dict[str, Entry]:
    """The tenants that this release was taken back from, and no other came to since; each with its entry."""
    running = leg.tools.ledger.running()
    return {t: e for t, e in sorted(running.items()) if (e.release, e.step) == (leg.release, "rolled_back")}
