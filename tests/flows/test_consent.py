"""Tenants whose contract asks for their own approval. It is Monday 2026-11-23, 08:00 in UTC."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest

from stationmaster.blocks.consenting import NotAskedError, answer, question
from stationmaster.blocks.openness import WindowClosedError, must_be_migratable
from stationmaster.domain.plan import Wave
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from stationmaster.tasks.deploy import deploy, shift
from tests.shop import OPEN, TENANTS
from tests.world import Killed, World, once
from tests.world import world as made

OLD, NEW = {"acme": "1", "birch": "1", "cedar": "1"}, {"acme": "2", "birch": "2", "cedar": "2"}
ENDS = "2026-11-25T08:00:00Z"


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        asks(one, "cedar")
        yield one


def asks(world: World, *tenants: str, default: str = "skip") -> None:
    said = f"approval: {{contacts: [it@customer.example], within: 2d, default: {default}}}"
    lines = [
        line.replace(OPEN, f"{OPEN}, {said}") if any(f"id: {tenant}," in line for tenant in tenants) else line
        for line in TENANTS.splitlines()
    ]
    world.directory.write_text("\n".join(lines))


def say(world: World, tenant: str = "cedar", *, agrees: bool = True, release: str = "r2") -> None:
    asked = question(world.ledger, world.tools.tenants, release, tenant, world.clock.now())
    answer(
        world.ledger, asked, agrees=agrees, contact="it@customer.example", by="by record", proof="sha256:" + "0" * 64,
        reason="their audit", personal={"recorded": "ana"}, at=world.clock.now(),
    )  # fmt: skip


def places(world: World) -> dict[str, str]:
    return {one["tenant"]: one["place"] for one in world.last("planned").fact["placements"]}


def reason(world: World, tenant: str = "cedar") -> str:
    return next(str(one["reason"]) for one in world.last("planned").fact["placements"] if one["tenant"] == tenant)


def others_have_it(world: World) -> None:
    """The release is everywhere but where it was not agreed to."""
    world.start()
    world.approve()
    assert world.start().name == "WaitingForApproval"


def test_the_others_go_on_and_the_tenant_gets_it_when_it_agrees(world: World) -> None:
    others_have_it(world)
    assert world.production() == {**NEW, "cedar": "1"}
    status = world.status()
    assert (status.stage, status.waiting_for, status.until) == ("deploying", "approval", ENDS)
    assert world.last("waiting").fact["hint"] == "stationmaster tenants link cedar r2"
    assert places(world)["cedar"] == "unapproved"
    assert reason(world) == f"has until {ENDS} to give the approval that its contract asks for"
    say(world)
    assert world.status().trouble is not None
    assert world.status().trouble.answered  # type: ignore[union-attr]
    assert world.start().name == "Released"
    assert world.production() == NEW
    assert world.last("planned").fact["why"] == "a tenant's own approval stands otherwise"
    assert world.facts().count(("deployed", "acme")) == 1


def test_who_agreed_before_the_waves_began_is_in_them(world: World) -> None:
    world.start()
    say(world)
    world.approve()
    assert world.start().name == "Released"
    assert world.production() == NEW


@pytest.mark.slow
def test_who_declines_is_left_out_for_good(world: World) -> None:
    others_have_it(world)
    say(world, agrees=False)
    assert world.start().name == "Released"
    assert world.production() == {**NEW, "cedar": "1"}
    assert (places(world)["cedar"], reason(world)) == (
        "unapproved", "does not agree to it, and its contract asks for that",
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("default", "ends"), [("skip", "1"), ("go", "2")])
def test_who_says_nothing_gets_what_its_contract_says(world: World, default: str, ends: str) -> None:
    asks(world, "cedar", default=default)
    others_have_it(world)
    world.clock.sleep(47 * 3600)
    assert world.start().name == "WaitingForApproval"
    assert world.production() == {**NEW, "cedar": "1"}
    world.clock.sleep(3600)
    assert world.start().name == "Released"
    assert world.production() == {**NEW, "cedar": ends}
    assert places(world)["cedar"] == ("wave" if default == "go" else "unapproved")


@pytest.mark.slow
def test_one_that_goes_to_nobody_else_waits_and_does_not_end(world: World) -> None:
    asks(world, "acme", "birch", "cedar")
    assert world.start().name == "WaitingForApproval"
    assert world.last("planned").fact["waves"] == []
    assert world.status().until == ENDS
    say(world, "acme")
    say(world, "birch", agrees=False)
    world.start()
    world.approve()
    assert world.start().name == "WaitingForApproval"
    assert world.production() == {**OLD, "acme": "2"}
    world.clock.at = datetime.fromisoformat(ENDS)
    assert world.start().name == "Released"
    assert world.production() == {**OLD, "acme": "2"}


@pytest.mark.slow
def test_a_word_that_comes_while_the_leg_ends_is_not_lost(world: World) -> None:
    """The last wave is through as the customer agrees: the release is not over."""
    world.start()
    world.approve()
    said: list[str] = []

    def trap(when: str, call: str, arguments: tuple[Any, ...]) -> bool:
        about = (when, call) == ("before", "ledger.append") and (arguments[0].step, arguments[0].subject)
        if about == ("promoted", "broad") and not said:
            said.append("yes")
            say(world)
        return False

    world.power.trap = trap
    assert world.start().name == "WaitingForApproval"
    assert world.last("waiting").fact["message"] == "r2 waits for cedar: what was said changes the plan"
    assert world.status().trouble.answered  # type: ignore[union-attr]
    assert world.start().name == "Released"
    assert world.production() == NEW


@pytest.mark.slow
def test_a_refusal_between_the_plan_and_the_routes_is_obeyed(world: World) -> None:
    world.start()
    say(world)
    world.approve()
    world.power.trap = once("target.start", lambda _: say(world, agrees=False))
    assert world.start().name == "WaitingForWindow"
    assert "cedar does not agree to it" in world.last("waiting").fact["message"]
    assert world.production()["cedar"] == "1"
    assert world.start().name == "Released"
    assert world.production() == {**NEW, "cedar": "1"}


@pytest.mark.slow
def test_no_other_entrance_reaches_the_tenant(world: World) -> None:
    """An act that is called by itself asks, too."""
    others_have_it(world)
    with world.leg() as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        colours = {"cedar": deploy.fn(leg, this, artifact, "cedar")}
        with pytest.raises(WindowClosedError, match=f"cedar has until {ENDS} to give the approval"):
            shift.fn(leg, this, artifact, Wave("broad", {"cedar": ("cedar",)}), colours)
    assert world.production()["cedar"] == "1"


@pytest.mark.slow
def test_what_it_has_alone_is_not_migrated_either(world: World) -> None:
    others_have_it(world)
    with world.leg() as leg:
        product = cut.fn(leg).product
        with pytest.raises(WindowClosedError, match=r"expand of cedar .* the approval that its contract asks for"):
            must_be_migratable(leg, product, "cedar")
        must_be_migratable(leg, product, "cloud")
    assert ("expanded", "cedar") not in world.facts()


@pytest.mark.slow
def test_a_rollback_asks_nobody(world: World) -> None:
    world.start()
    say(world)
    world.approve()
    assert world.start().name == "Released"
    world.ledger.append(
        world.draft("r2", "declined", "cedar", {"by": "by record", "reason": "too late"}), world.clock.now()
    )
    assert world.rollback().name == "RolledBack"
    assert world.production() == OLD


@pytest.mark.slow
def test_an_answer_is_for_one_artifact_alone(world: World) -> None:
    world.start()
    fact = {"by": "by record", "digest": "sha256:" + "0" * 64, "proof": "", "reason": ""}
    world.ledger.append(world.draft("r2", "consented", "cedar", fact), world.clock.now())
    world.approve()
    assert world.start().name == "WaitingForApproval"
    assert world.production()["cedar"] == "1"


@pytest.mark.slow
def test_who_has_it_may_not_be_asked_any_more(world: World) -> None:
    world.start()
    say(world)
    world.approve()
    world.start()
    with pytest.raises(NotAskedError, match="r2 is released"):
        say(world, agrees=False)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [26, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 14, 38, 50))])
def test_killed_anywhere_while_the_answer_arrives_it_ends_the_same(world: World, moment: int) -> None:
    others_have_it(world)
    say(world)
    world.power.after = moment
    with suppress(Killed):
        world.start()
    world.power.on()
    world.clock.sleep(60)
    for _ in range(4):
        if world.start().name == "Released":
            break
        world.clock.sleep(60)
    assert world.production() == NEW
    assert world.facts().count(("deployed", "cedar")) == 1


@pytest.mark.slow
def test_who_never_runs_it_is_not_asked(world: World) -> None:
    """Pinned, left out by a person, or on something newer: nobody waits for an answer."""
    world.start()
    world.ledger.append(world.draft("r2", "skipped", "cedar", {"reason": "their audit"}), world.clock.now())
    world.approve()
    assert world.start().name == "Released"
    assert places(world)["cedar"] == "skipped"
