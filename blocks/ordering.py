"""Gives the order to roll a release back: checked against what runs, then in the ledger, where every leg sees it.

It moves nobody, and it needs no lease: an order is a fact of its own.
"""

import contextlib

from stationmaster.blocks.going_back import must_have_a_way, tenants_of
from stationmaster.blocks.leg import first_request
from stationmaster.blocks.tally import Tally
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.blocks.unsaid import put_on_record
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.orders import in_force
from stationmaster.domain.request import RollbackRequest
from stationmaster.domain.rollback import Order, in_scope, must_be_deployed, of_person
from stationmaster.domain.stages import fold
from stationmaster.ledger.leases import Lease


def give_order(tools: Toolbox, request: RollbackRequest) -> Order:
    """The order somebody gives, in force from now on. A release that is back on the version before is left alone, and
    an order that is in force already is carried on, whoever runs what by now.

    Raises:
        NothingToRollBackError, RollbackOfRollbackError, NotOnReleaseError: nothing is recorded.
        NothingRunsError: nobody in scope ran anything before; nothing is recorded.
        NotProvedError: nobody in scope can go back on the schema as it is now; nothing is recorded.
    """
    first_request(tools, request.release, request.starter)  # else nobody knows the release
    entries = tools.ledger.entries(request.release)
    order = of_person(request, tools.now())
    built = next((entry.fact["digest"] for entry in entries if entry.step == "built"), None)
    if fold(entries) == "rolled_back":
        return order
    given = order_in_force(entries)
    if given and given.inputs == order.inputs:
        return given
    fresh = given is None
    _put_on_record(tools, request.release, wanted=fresh)
    must_be_deployed(request.release, built, tools.ledger.running())
    _put_on_record(tools, request.release, wanted=fresh, led=True)
    in_scope(request.release, order.scope, order.tenants, tools.ledger.running())
    back = tenants_of(tools, request.release, order)
    if fresh and not back:
        return order  # nobody goes back now: they are back, or their windows are closed
    if fresh:
        must_have_a_way(tools, request.release, back)
    return decide(tools, request.release, order, who=request.starter)


def order_in_force(entries: list[Entry]) -> Order | None:
    """The rollback that is to be carried out, by the entries of its release in order."""
    if in_force(entries) != "rollback":
        return None
    return Order.from_fact(next(entry.fact for entry in reversed(entries) if entry.step == "rollback"))


def _put_on_record(tools: Toolbox, release: str, *, wanted: bool, led: bool = False) -> None:
    """Whoever has it is known before it is decided who goes back; if the target is away, the order is given all the
    same.
    """
    with contextlib.suppress(OutsideError):
        if wanted:
            put_on_record(tools, release, led=led)


def decide(tools: Toolbox, release: str, order: Order, *, lease: Lease | None = None, who: str | None = None) -> Order:
    """Record the order; the same one given twice is one, as it was given first. With it go the bad requests counted
    so far, so that those that come from now on can be told.
    """
    bad = Tally.of_release(release, tools.ledger.running()).bad(tools)
    draft = Draft(
        release=release, step="rollback", inputs=order.inputs, fact={**order.fact(), "bad_before": bad},
        personal={"who": who} if who else None,
    )  # fmt: skip
    return Order.from_fact(tools.ledger.append(draft, tools.now(), lease).fact)
