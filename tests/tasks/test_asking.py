"""People are asked once for each mandate, with a button that says exactly it, and only while something is missing."""

import json
from typing import Any

import pytest

from stationmaster.blocks.leg import on_duty
from stationmaster.domain.channel import BUTTON
from stationmaster.domain.confirming import asked_digest
from stationmaster.domain.request import ReleaseRequest
from stationmaster.tasks.asking import ask_approval, ask_confirmation
from stationmaster.tasks.cut import cut
from tests.channel_world import mandate
from tests.shop import PRODUCT
from tests.world import World


def ask(world: World) -> list[str]:
    """A leg that asks. Every message there is about approvals."""
    with world.leg() as leg:
        ask_approval.fn(leg, cut.fn(leg))
    return [text for text in world.chat.texts() if "waits for" in text]


def buttons(world: World) -> list[dict[str, Any]]:
    return [
        element
        for blocks in world.chat.shown.values()
        for block in blocks
        if block.get("block_id") == BUTTON
        for element in block["elements"]
    ]


def test_it_is_asked_once_for_each_mandate(world: World) -> None:
    world.start()
    assert ask(world) == ["r2 waits for approval"]
    assert ask(world) == ["r2 waits for approval"]
    (pressed,) = buttons(world)
    assert json.loads(pressed["value"]) == {"digest": mandate(world), "release": "r2"}
    tenants = world.directory.read_text()
    world.directory.write_text(tenants.replace("name: Birch, ring: broad", "name: Birch, ring: pilot"))
    world.start()
    assert len(ask(world)) == 2
    assert json.loads(buttons(world)[-1]["value"])["digest"] == mandate(world)


def test_nobody_is_asked_for_what_was_given(world: World) -> None:
    world.start()
    world.approve()
    world.chat.messages.clear()
    assert ask(world) == []


def test_a_chat_that_is_away_stops_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.start()
    world.chat.go_away()
    ask(world)
    assert "r2: " in caplog.text


def test_where_a_signature_is_asked_for_there_is_no_button(world: World) -> None:
    world.commit("v3", product=PRODUCT.replace("release-approver: 1}}", "release-approver: 1}, assurance: signed}"))
    world.start("r3", "v3")
    with world.leg("r3", "v3") as leg:
        ask_approval.fn(leg, cut.fn(leg))
    assert buttons(world) == []
    assert "Sign it: `stationmaster approve r3 --key FILE`" in json.dumps(list(world.chat.shown.values()))


def test_a_start_that_nobody_confirmed_is_asked_for_once(world: World) -> None:
    request = ReleaseRequest(id="r2", product="shop", ref="v2", starter="x")
    for _ in range(2):
        with on_duty(world.tools, request, "test") as leg:
            ask_confirmation.fn(leg)
    assert world.chat.texts() == ["r2 waits for somebody to confirm its start"]
    (pressed,) = buttons(world)
    assert json.loads(pressed["value"]) == {"digest": asked_digest("r2", request.asked()), "release": "r2"}
    with world.leg() as leg:
        world.chat.messages.clear()
        ask_confirmation.fn(leg)
    assert world.chat.messages == {}
