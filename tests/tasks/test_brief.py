"""The fragment gate, the one message to support and its edits, and the message about a rollback."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest

from stationmaster.domain.documents import DocumentError
from stationmaster.domain.fragments import FragmentMissingError
from stationmaster.tasks.brief import require_fragment, tell_rollback, update_brief
from stationmaster.tasks.cut import cut
from tests.fakes import FakeChat
from tests.tasks.conftest import Ready
from tests.world import World, once

Prepared = Callable[..., AbstractContextManager[Ready]]


def test_a_release_of_which_nobody_wrote_what_it_changes_is_refused(world: World) -> None:
    commit = world.commit("v3")
    for path in ("changes/v2.md", "changes/v3.md"):
        del world.source.commits[commit][path]
    with world.leg("r3", "v3") as leg, pytest.raises(FragmentMissingError, match="changes/ has no new file") as refused:
        require_fragment.fn(leg, cut.fn(leg))
    assert refused.value.step == "require fragment"


def test_a_fragment_that_is_wrong_names_its_line(world: World) -> None:
    commit = world.commit("v3")
    world.source.commits[commit]["changes/v3.md"] = "---\nkind: aded\n---\nText.\n"
    with world.leg("r3", "v3") as leg, pytest.raises(DocumentError) as refused:
        require_fragment.fn(leg, cut.fn(leg))
    assert (refused.value.file, refused.value.line) == ("changes/v3.md", 2)
    assert refused.value.hint == "did you mean 'added'?"


def test_support_is_told_once_by_whom_it_was_approved(world: World) -> None:
    world.release()
    entry = world.last("briefed")
    assert support(world) == {"r2/brief": "Support brief: shop 2 goes to 3 tenants"}
    assert entry.fact == {"channel": "releases", "ts": world.chat.messages["r2/brief", None][0]}
    (who,) = (world.ledger.personal(world.last("approved")) or {})["who"]
    assert f'*Approved by*\\n{who}"' in shown(world)
    assert "see the ledger" not in shown(world)


def support(world: World) -> dict[str, str]:
    """What support is told: everything in the channel but the question to the approvers."""
    return {key: text for (key, _), (_, text) in world.chat.messages.items() if not key.startswith("r2/approval/")}


def shown(world: World, key: str = "r2/brief") -> str:
    """What stands in the channel under a key now."""
    (ts, _) = world.chat.messages[key, None]
    return json.dumps(world.chat.shown[ts], ensure_ascii=False)


def deploy_pilot(ready: Ready) -> None:
    for tenant in ready.plan.waves[0].tenants:
        ready.leg.record("deployed", {}, {"version": "2"}, subject=tenant)


def go_back(ready: Ready) -> None:
    """A rollback as its flow records it."""
    order = {"scope": "instance", "tenants": ["acme"], "cause": "breach", "reason": "it hurts", "decided_at": None}
    ready.leg.record("rollback", order, order)
    ready.leg.record("rolled_back", {}, {"version": "1"}, subject="acme")
    end = {"tenants": ["acme"], "flags": "kept", "bad_requests": 2, "seconds_to_routes": 0.1, "seconds_to_last": 0.2}
    ready.leg.record("restored", end, end)


def test_the_brief_is_edited_in_its_place_as_the_release_goes_on(world: World, ready: Prepared) -> None:
    with ready() as at:
        assert "○ *Wave 1: pilot* · planned" in shown(world)
        update_brief.fn(at.leg, "pilot")
        assert "▶ *Wave 1: pilot* · now" in shown(world)
        deploy_pilot(at)
        at.leg.record("promoted", {}, {"tenants": ["acme"]}, subject="pilot")
        update_brief.fn(at.leg, "pilot")
    assert "✓ *Wave 1: pilot* · done" in shown(world)
    assert "1 of 2 waves done." in shown(world)
    assert list(support(world)) == ["r2/brief"]
    told = [(entry.subject, entry.fact) for entry in world.ledger.entries("r2") if entry.step == "told"]
    assert told == [("pilot", {"progress": "now"}), ("pilot", {"progress": "done"})]


def test_what_was_told_is_not_told_again(world: World, ready: Prepared) -> None:
    with ready() as at:
        deploy_pilot(at)
        for _ in range(3):
            update_brief.fn(at.leg, "pilot")
        assert len(world.chat.edits) == 1
        update_brief.fn(at.leg, "r2")
        update_brief.fn(at.leg, "r2")
    assert len(world.chat.edits) == 2


def test_without_a_brief_there_is_nothing_to_edit(world: World) -> None:
    world.start()
    with world.leg() as leg:
        update_brief.fn(leg, "pilot")
    assert (support(world), world.chat.edits) == ({}, [])


@pytest.mark.parametrize("mishap", [FakeChat.go_away, partial(FakeChat.refuse, reason="not_in_channel")])
def test_a_chat_that_is_away_stops_nothing_and_the_next_update_says_it_all(
    world: World, ready: Prepared, caplog: pytest.LogCaptureFixture, mishap: Callable[[FakeChat], None]
) -> None:
    with ready() as at:
        deploy_pilot(at)
        mishap(world.chat)
        update_brief.fn(at.leg, "pilot")
        go_back(at)
        tell_rollback.fn(at.leg)
        assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
        assert "told" not in [step for step, _ in world.steps()]
        world.chat.away, world.chat.refusal = False, None
        update_brief.fn(at.leg, "r2")
    assert "↩ *Wave 1: pilot* · rolled back" in shown(world)
    assert "Rolled back: 1 tenant is back on the version before, nobody has it." in shown(world)


def test_a_rollback_is_told_once_in_a_message_of_its_own(world: World, ready: Prepared) -> None:
    with ready() as at:
        deploy_pilot(at)
        tell_rollback.fn(at.leg)
        assert list(support(world)) == ["r2/brief"]
        go_back(at)
        tell_rollback.fn(at.leg)
        tell_rollback.fn(at.leg)
    assert list(support(world)) == ["r2/brief", "r2/rollback/1"]
    assert support(world)["r2/rollback/1"] == "shop 2 was rolled back for 1 tenant"
    assert "Back on 1*\\nacme" in shown(world, "r2/rollback/1")


def test_a_rollback_is_told_when_the_chat_comes_back(world: World, ready: Prepared) -> None:
    with ready() as at:
        deploy_pilot(at)
        go_back(at)
        world.chat.go_away()
        world.power.trap = once("clock.sleep", lambda _: setattr(world.chat, "away", False))
        tell_rollback.fn(at.leg)
    assert ("r2/rollback/1", None) in world.chat.messages


def test_the_person_who_ordered_a_rollback_is_named(world: World, ready: Prepared) -> None:
    with ready() as at:
        deploy_pilot(at)
        fact: dict[str, Any] = {
            "scope": "release",
            "tenants": [],
            "cause": "person",
            "reason": "no",
            "decided_at": None,
        }
        at.leg.record("rollback", {"by": "ben"}, fact, personal={"who": "ben"})
        at.leg.record("rolled_back", {}, {"version": "1"}, subject="acme")
        end = {
            "tenants": ["acme"],
            "flags": "kept",
            "bad_requests": None,
            "seconds_to_routes": 0.1,
            "seconds_to_last": None,
        }
        at.leg.record("restored", {}, end)
        tell_rollback.fn(at.leg)
    assert "ben decided it" in shown(world, "r2/rollback/1")


def test_a_brief_that_overflows_keeps_its_thread(world: World, ready: Prepared) -> None:
    files = world.source.commits[world.source.refs["v2"]]
    files["changes/v2.md"] = "---\nkind: added\n---\n" + "A very long story. " * 1_500
    with ready() as at:
        posted = list(world.chat.messages)
        assert len(support(world)) > 1
        update_brief.fn(at.leg, "pilot")
    assert list(world.chat.messages) == posted
    briefs = [ts for (key, _), (ts, _) in world.chat.messages.items() if key in support(world)]
    assert sorted(world.chat.edits) == sorted(briefs)
