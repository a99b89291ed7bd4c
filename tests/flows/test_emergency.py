"""Somebody goes ahead alone: the review that is owed is told with every later release; overdue, it stops trains."""

from datetime import timedelta

import pytest

from stationmaster.blocks.approved_artifacts import approved_of
from stationmaster.blocks.emergencies import emergencies
from stationmaster.blocks.owing import said
from stationmaster.blocks.ratification import put_approvers_in_force
from stationmaster.blocks.reminding import remind
from stationmaster.blocks.signer import public_key_id, sign_with
from stationmaster.domain.documents import read
from stationmaster.domain.emergency import statement
from stationmaster.domain.entries import Draft
from stationmaster.domain.product import Product
from stationmaster.domain.ratification import approvers_content, approvers_in
from stationmaster.domain.summary import summary
from tests.flows.test_train import CADENCE, CUT, FIRST, LEAVES, MONDAY, Station, services
from tests.shop import PRODUCT
from tests.world import World

RULES = "approvals: {deploy: {release-approver: 2}, emergency: {role: release-approver, review_within: 24h}}"
ASKED = PRODUCT.replace("approvals: {deploy: {release-approver: 1}}", RULES)
TRAINS = f"{ASKED}train: {{{CADENCE}}}\n"


def look(world: World, who: str = "mei", release: str = "r2") -> None:
    of = world.last("approval", release)
    envelope = sign_with(world.keys[who], statement(of, "justified", "seen"))
    fact = {"entry": of.index, "verdict": "justified", "reason": "seen", "envelope": envelope}
    about = f"{of.index}/{public_key_id(world.keys[who])}"
    world.ledger.append(
        Draft(release=release, step="reviewed", subject=about, inputs=fact, fact=fact), world.clock.now()
    )


def test_who_it_was_is_told_by_a_file_that_was_ratified_before_names_were_one_owners(world: World) -> None:
    world.commit("v2", product=ASKED)
    world.start()
    world.go_ahead()
    assert world.start().name == "Released"
    content = approvers_content(world.tools.signer.people())
    content["people"] = [{**one, "slack": "us"} for one in content["people"]]
    older = approvers_in({"approvers": content})
    put_approvers_in_force(world.ledger, "shop", older, "signatures", world.clock.now())
    (owed,) = emergencies(world.ledger, world.tools.signer, "shop")
    assert owed.who == "ben"
    runs = {world.last("built").fact["digest"]}
    assert approved_of(world.ledger, world.tools.signer, runs) == runs


@pytest.fixture
def station(world: World) -> Station:
    """Ben went ahead alone with r2, on Monday at eight."""
    services(world, "release-train")
    world.commit("v2", product=ASKED)
    world.start()
    world.go_ahead()
    assert world.start().name == "Released"
    return Station(world)


def test_what_went_out_by_one_alone_owes_a_look(station: Station) -> None:
    (one,) = emergencies(station.world.ledger, station.world.tools.signer, "shop")
    assert (one.release, one.who, one.since, one.due) == ("r2", "ben", MONDAY, MONDAY + timedelta(hours=24))
    assert emergencies(station.world.ledger, station.world.tools.signer, "other") == []
    look(station.world, "ben")
    assert emergencies(station.world.ledger, station.world.tools.signer, "shop")[0].owed(MONDAY)
    look(station.world)
    assert not emergencies(station.world.ledger, station.world.tools.signer, "shop")[0].owed(MONDAY)


@pytest.mark.slow
def test_it_stops_the_next_train_when_it_is_overdue_and_not_before(station: Station) -> None:
    world = station.world
    world.source.times[world.commit("v3", product=TRAINS)] = MONDAY
    assert station.told(MONDAY + timedelta(hours=1))[0] == "WaitingForCutOff"
    name, message = station.told(MONDAY + timedelta(hours=24))
    assert name == "WaitingForReview"
    assert "in which ben went ahead alone" in message
    assert station.runs == {}
    look(world)
    assert station.told()[0] == "UnderWay"


@pytest.mark.slow
def test_a_train_that_was_cut_does_not_leave_while_it_is_overdue(station: Station) -> None:
    world = station.world
    world.source.times[world.commit("v3", product=TRAINS)] = MONDAY
    assert station.told(CUT)[0] == "UnderWay"
    station.leg()
    for who in ("ben", "mei"):
        world.approve(FIRST, who)
    assert station.leg(at=LEAVES).name == "WaitingForPerson"
    assert "is not reviewed" in world.last("waiting", FIRST).fact["message"]
    assert world.production()["acme"] == "2"
    look(world)
    assert station.leg().name == "Released"


@pytest.mark.slow
def test_every_later_release_tells_of_it_until_it_is_done(station: Station) -> None:
    world = station.world
    world.commit("v3", product=ASKED)
    world.start("r3", "v3")
    for who in ("ben", "mei"):
        world.approve("r3", who)
    world.start("r3", "v3")
    brief = str(world.chat.shown[world.last("briefed", "r3").fact["ts"]])
    assert "Owed from before" in brief
    assert "the emergency of r2 (INC-1: it is down)" in brief
    told = said(world.tools, read(Product, ASKED, "stationmaster.yaml").value)
    assert "## Owed from before" in summary("r3", world.ledger.entries("r3"), world.ledger.running(), owed=told)
    look(world)
    world.commit("v4", product=ASKED)
    world.start("r4", "v4")
    for who in ("ben", "mei"):
        world.approve("r4", who)
    world.start("r4", "v4")
    assert "Owed from before" not in str(world.chat.shown[world.last("briefed", "r4").fact["ts"]])


@pytest.mark.slow
def test_people_are_reminded_once_while_it_is_owed_and_once_when_it_is_overdue(station: Station) -> None:
    world = station.world
    before = len(world.chat.messages)
    for _ in range(2):
        (told,) = remind(world.tools)
        assert "due at" in told
    world.clock.sleep(25 * 3600)
    for _ in range(2):
        remind(world.tools)
    assert len(world.chat.messages) == before + 2
    look(world)
    assert remind(world.tools) == []
