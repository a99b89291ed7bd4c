"""Legs of a release over the fakes, without a Prefect server: how each ends, what is known of it, how it goes on."""

from typing import Any

import pytest

from stationmaster.blocks.asked import MigrationRefusedError
from stationmaster.blocks.chat import ChatUnavailableError
from stationmaster.blocks.guest import GuestFailedError
from stationmaster.blocks.migration_running import MigrationFailedError
from stationmaster.domain.approvers import UnknownStarterError
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.entries import Draft
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.release import why
from stationmaster.domain.request import ReleaseRequest
from stationmaster.flows.leg import OtherReleaseError, conduct
from stationmaster.flows.release import runbook
from stationmaster.tasks.stage import StageFailedError
from tests.shop import PRODUCT
from tests.world import World, once

OLD = {"acme": "1", "birch": "1", "cedar": "1"}


def test_a_good_release_waits_for_an_approval_and_then_reaches_every_tenant(world: World) -> None:
    waiting = world.start()
    assert (waiting.name, waiting.type.value) == ("WaitingForApproval", "COMPLETED")
    assert world.status().waiting_for == "approval"
    assert why(world.status()).command == "stationmaster approve r2 --key FILE"
    assert world.tenants() == {**OLD, "stage-probe": "2"}
    world.approve()
    assert world.start().name == "Released"
    assert world.production() == dict.fromkeys(OLD, "2")
    assert world.status().stage == "released"


def test_a_closed_window_is_waited_for_and_then_gone_through(world: World) -> None:
    world.windows("closed")
    state = world.release()
    assert state.name == "WaitingForWindow"
    assert state.message is not None
    assert "acme" in state.message
    assert (world.status().waiting_for, world.status().stage) == ("window", "briefed")
    assert world.production() == OLD
    world.windows("open")
    assert world.start().name == "Released"


@pytest.mark.slow
def test_a_tenant_that_left_the_directory_is_not_touched(world: World) -> None:
    world.start()
    world.approve()
    text = world.directory.read_text()
    world.directory.write_text("\n".join(line for line in text.splitlines() if "birch" not in line))
    assert world.start().name == "Released"
    assert world.production() == {"acme": "2", "birch": "1", "cedar": "2"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "error", "step"),
    [
        ({"product": PRODUCT.replace("mkdir dist;", "test -e MENDED && mkdir dist &&")}, GuestFailedError, "build"),
        (
            {"product": PRODUCT.replace("[grep, -q, version,", "[grep, -q, nothing-like-this,")},
            GuestFailedError,
            "test",
        ),
        ({"sql": "-- RAISE"}, MigrationFailedError, "expand"),
        ({"sql": "ALTER TABLE orders DROP COLUMN total"}, MigrationRefusedError, "lint migrations"),
        ({"fails": {"stage": ["/order"]}}, StageFailedError, "stage"),
    ],
    ids=["build", "check", "migration", "drop", "stage"],
)
def test_what_does_not_work_is_named_and_given_up(
    world: World, broken: dict[str, Any], error: type[StationmasterError], step: str
) -> None:
    world.commit("v3", **broken)
    with pytest.raises(error):
        world.start("r3", "v3")
    said = world.last("failed", "r3").fact
    assert (said["step"], said["code"]) == (step, error.code)
    assert said["message"]
    assert said["hint"]
    assert world.status("r3").stage == "failed"
    assert why(world.status("r3")).message.startswith(f"Step {step} failed: ")
    assert world.production() == OLD
    world.abort("r3")
    assert world.start("r3", "v3").message == "r3 is over already"
    assert world.release().name == "Released"  # the next one is not in its way


@pytest.mark.slow
def test_what_failed_for_a_cause_outside_goes_on_when_that_is_mended(world: World) -> None:
    mended = world.root / "mended"
    world.commit("v3", product=PRODUCT.replace("mkdir dist;", f"test -e {mended} && mkdir dist &&"))
    with pytest.raises(GuestFailedError):
        world.start("r3", "v3")
    mended.touch()
    assert world.release("r3", "v3").name == "Released"


@pytest.mark.slow
def test_a_migration_that_raises_in_production_leaves_the_tenants_where_they_were(world: World) -> None:
    world.start()
    world.approve()
    world.source.commits[world.source.refs["v2"]]["migrations/expand.sql"] = "-- RAISE"
    assert world.start().name == "WaitingForApproval"  # what was signed was another migration
    world.approve()
    with pytest.raises(MigrationFailedError):
        world.start()
    assert world.production() == OLD
    world.source.commits[world.source.refs["v2"]]["migrations/expand.sql"] = ""
    assert world.start().name == "Released"  # the first mandate again, to the byte, which was signed


@pytest.mark.slow
def test_a_wave_that_is_as_bad_as_its_neighbours_is_held_and_watched_again_when_somebody_says_so(world: World) -> None:
    world.commit("v3", bad={"cloud": 5})
    world.target.runs["cloud", "a"]["bad"] = {"cloud": 5}
    state = world.release("r3", "v3")
    assert (state.name, state.type.value) == ("Held", "FAILED")
    assert world.status("r3").stage == "held"
    assert (world.last("held", "r3").subject, world.last("verdict", "r3").fact["cause"]) == ("pilot", "shared_incident")
    assert world.production() == {"acme": "3", "birch": "1", "cedar": "1"}
    assert world.start("r3", "v3").name == "Held"  # it is as bad as before
    for found in world.target.runs.values():
        found["bad"] = {}
    assert world.start("r3", "v3").name == "Released"
    assert world.production() == dict.fromkeys(OLD, "3")


def test_the_version_that_runs_must_live_on_the_new_schema(world: World) -> None:
    world.target.runs["stage", "a"]["fails"] = {"stage": ["/order"]}
    with pytest.raises(StageFailedError, match="on the expanded schema") as failed:
        world.start()
    old = world.ledger.running()["acme"].fact["digest"]
    assert old[:19] in failed.value.message
    assert world.production() == OLD


@pytest.mark.slow
def test_an_abort_ends_the_leg_at_its_next_look(world: World) -> None:
    world.start()
    world.approve()
    world.power.trap = once("clock.sleep", lambda _: world.abort())
    state = world.start()
    assert (state.name, state.type.value) == ("Aborted", "COMPLETED")
    assert world.status().stage == "aborted"
    assert "failed" not in [step for step, _ in world.steps()]
    assert world.production() == {"acme": "2", "birch": "1", "cedar": "1"}


@pytest.mark.slow
def test_when_support_cannot_be_told_production_is_not_touched(world: World) -> None:
    world.start()
    world.approve()
    world.chat.go_away()
    with pytest.raises(ChatUnavailableError):
        world.start()
    assert world.last("failed").fact["step"] == "brief"
    assert world.production() == OLD
    world.chat.away = False
    assert world.start().name == "Released"


def test_a_starter_nobody_knows_starts_nothing(world: World) -> None:
    with pytest.raises(UnknownStarterError, match="'nobody' is nobody in approvers"):
        world.start(starter="nobody")
    assert world.steps() == []
    older = ReleaseRequest(id="r2", product="shop", ref="v2", starter="nobody")
    fact = {**older.asked(), "assurance": "command line"}
    told = Draft(release="r2", step="confirmed", fact=fact, personal={"who": "nobody"})
    world.ledger.append(told, world.clock.now())
    with pytest.raises(UnknownStarterError, match="'nobody' is nobody in approvers"):
        conduct(world.tools, older, "test", runbook)
    assert world.steps() == [("confirmed", "r2")]


def test_a_hint_that_names_people_is_not_kept(world: World) -> None:
    def lost(_leg: object) -> None:
        raise UnknownStarterError("anna", ["ana", "ben"])

    request = ReleaseRequest(id="r2", product="shop", ref="v2", starter="ana")
    with pytest.raises(UnknownStarterError, match="'anna' is nobody") as told:
        conduct(world.tools, request, "test", lost)
    assert "did you mean 'ana'?" in str(told.value.hint)
    fact = world.last("failed").fact
    assert (fact["message"], fact["hint"]) == (
        "who starts the release is nobody in approvers.yaml, and must be known",
        "name yourself with --starter or STATIONMASTER_USER",
    )


@pytest.mark.parametrize("file", ["approvers.yaml", "tenants.yaml"])
def test_nor_is_what_is_wrong_in_a_file_of_people(world: World, file: str) -> None:
    world.start()
    world.approve()
    text = (path := world.root / file).read_text()
    path.write_text(
        text.replace('"name": "Ben"', '"name": ["Ben"]').replace("name: Acme,", "name: [ben@shop.example],")
    )
    with pytest.raises(DocumentError, match=r"must be text; .*(Ben|ben@shop)"):
        world.start()
    fact = world.last("failed").fact
    assert (fact["code"], fact["hint"]) == ("document", None)
    assert fact["message"].startswith(f"{path} is wrong in 1 place, the first in line ")


def test_the_name_of_what_ran_before_is_no_name_for_a_release(world: World) -> None:
    before = world.ledger.entries("install")
    with pytest.raises(OtherReleaseError, match="install is the name of what ran before"):
        world.start("install")
    assert [entry for entry in world.ledger.entries("install") if entry.step != "confirmed"] == before
