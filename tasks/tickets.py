"""Tickets: a release to production is tied to what asked for it."""

from stationmaster.blocks.carried import fragments_of
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.policies import policy_for
from stationmaster.domain.artifact import Cut
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.ticket import tickets_of
from stationmaster.tasks import act


class TicketMissingError(RefusedError):
    """The product wants a ticket for each release, and nothing names one."""

    code = "ticket_missing"

    def __init__(self, cut: Cut) -> None:
        super().__init__(
            f"nothing names a ticket that asks for {cut.release}, and the policy in force has `require_ticket: true`",
            hint=f"add `refs: {{ticket: CHG-4711}}` to a file in {cut.product.changes}/ and release that; or "
            "`stationmaster "
            f"release abort {cut.release} --reason WHY` and start a new one with --ticket",
        )


@act("link tickets", timeout=120)
def link_tickets(leg: Leg, cut: Cut) -> None:
    """Record the tickets of the request and of the change fragments; nothing when there are none and none is wanted."""
    inputs = {"commit": cut.commit.commit}
    if leg.recorded("linked", inputs):
        return
    fragments = fragments_of(leg.tools.source, cut)
    tickets = tickets_of(leg.request.ticket, [fragment.refs for fragment in fragments])
    if not tickets and policy_for(leg.tools.ledger, cut).require_ticket:
        raise TicketMissingError(cut)
    if tickets:
        leg.record("linked", inputs, {"tickets": list(tickets)})
