"""Tickets: a release is tied to what asked for it, and refused without where the product wants one."""

import pytest

from stationmaster.blocks.leg import on_duty
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.errors import Exit
from stationmaster.domain.request import ReleaseRequest
from stationmaster.tasks.cut import cut
from stationmaster.tasks.tickets import TicketMissingError, link_tickets
from tests.shop import PRODUCT
from tests.world import World

FRAGMENT = "---\nkind: added\nrefs: {{ticket: [{refs}]}}\n---\nOrders have a status.\n"


def linked(world: World, *, refs: str = "", ticket: str | None = None, wanted: bool = False) -> list[str] | None:
    commit = world.commit("v3", product=f"{PRODUCT}require_ticket: true\n" if wanted else PRODUCT)
    world.source.commits[commit]["changes/v3.md"] = FRAGMENT.format(refs=refs)
    request = ReleaseRequest(id="r3", product="shop", ref="v3", starter="ana", ticket=ticket)
    with on_duty(world.tools, request, "test") as leg:
        leg.observe("started", request.asked(), starter="ana")
        for _ in range(2):
            link_tickets.fn(leg, cut.fn(leg))
    found = [entry.fact["tickets"] for entry in world.ledger.entries("r3") if entry.step == "linked"]
    assert len(found) <= 1
    return found[0] if found else None


def test_the_tickets_of_the_request_and_of_the_changes_are_recorded_once(world: World) -> None:
    assert linked(world, refs="OD-7, '#12'", ticket="CHG-1") == ["CHG-1", "OD-7", "#12"]


@pytest.mark.parametrize(("refs", "ticket"), [("OD-7", None), ("", "CHG-1")])
def test_one_is_enough_where_one_is_wanted(world: World, refs: str, ticket: str | None) -> None:
    assert linked(world, refs=refs, ticket=ticket, wanted=True) == [ticket or refs]


def test_without_any_nothing_is_recorded(world: World) -> None:
    assert linked(world) is None


def test_without_any_where_one_is_wanted_the_release_is_refused_with_the_way_out(world: World) -> None:
    with pytest.raises(TicketMissingError, match="nothing names a ticket that asks for r3") as refused:
        linked(world, wanted=True)
    assert (refused.value.code, refused.value.exit) == ("ticket_missing", Exit.NO)
    assert "refs: {ticket: CHG-4711}" in str(refused.value.hint)
    assert "stationmaster release abort r3" in str(refused.value.hint)


def test_what_is_no_ticket_is_named_with_its_file(world: World) -> None:
    with pytest.raises(DocumentError, match="'soon' is not a ticket") as wrong:
        linked(world, refs="soon")
    assert (wrong.value.file, wrong.value.line) == ("changes/v3.md", 3)
