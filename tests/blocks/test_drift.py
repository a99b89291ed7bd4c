"""Looks at a whole world: nothing is found after releases and rollbacks, and everything that somebody changed is."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from unittest.mock import Mock, patch

import pytest

from stationmaster.blocks.database import DatabaseUnversionedError
from stationmaster.blocks.drift import check, look
from stationmaster.domain.entries import Draft
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.request import TrainRequest
from stationmaster.flows import drift as flows
from stationmaster.ledger.store import Ledger
from stationmaster.ledger.tables import payloads
from tests.world import Killed, World
from tests.world import world as made


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


@pytest.fixture
def released(world: World) -> World:
    world.release()
    return world


def found(world: World) -> list[tuple[str, str]]:
    return [(one.about, one.kind) for one in look(world.tools).findings]


def test_what_was_there_before_all_releases_is_no_drift(world: World) -> None:
    assert look(world.tools).tenants == 3
    assert found(world) == []


def test_nothing_is_found_after_a_release_and_after_its_rollback(released: World) -> None:
    assert found(released) == []
    released.rollback()
    assert found(released) == []
    released.lift("r2")
    released.commit("v3")
    released.release("r3", "v3")
    assert found(released) == []


def test_nothing_is_found_while_some_have_it_and_some_do_not(world: World) -> None:
    world.commit("v2", bad={"cloud": 5})
    world.target.runs["cloud", "a"]["bad"] = {"cloud": 5}
    world.release()
    assert world.status().stage == "held"
    assert found(world) == []


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(3, 120, 13))
def test_a_leg_that_died_anywhere_is_no_drift_but_where_it_moved_somebody_unsaid(world: World, moment: int) -> None:
    world.start()
    world.approve()
    world.power.after = moment
    with suppress(Killed):
        world.start()
    world.power.on()
    kinds = {kind for _, kind in found(world)}
    assert kinds <= {"schema"}, kinds  # expanded a moment ago, and not yet said
    world.clock.sleep(60)
    world.start()
    assert found(world) == []


@pytest.mark.slow
def test_who_is_left_in_a_mode_is_found_unless_a_release_at_work_means_it(released: World) -> None:
    released.target.set_mode(["acme", "birch"], "read_only")
    assert found(released) == [("acme", "mode"), ("birch", "mode")]
    released.commit("v3")
    fact = {"mode": "read_only", "instance": "cloud", "why": "long", "product": "shop", "notice": None}
    with released.leg("r3", "v3") as leg:
        leg.record("mode_on", {}, fact, subject="acme")
        assert found(released) == [("birch", "mode")]
    assert found(released) == [("acme", "mode"), ("birch", "mode")]


@pytest.mark.slow
def test_another_file_in_production_is_found_wherever_it_serves(released: World) -> None:
    evil = "sha256:" + "e" * 64
    released.target.runs[released.target.where["acme"]]["digest"] = evil
    assert ("acme", "other_digest") in found(released)
    assert any(kind == "unapproved" for _, kind in found(released))


@pytest.mark.slow
def test_what_was_built_and_never_approved_is_not_approved(released: World) -> None:
    released.commit("v3")
    released.start("r3", "v3")
    place = ("cloud", "a")
    released.target.runs[place] = {**released.target.runs["stage", "a"], "asked_at": "/about", "version": "3"}
    released.target.runs[place]["digest"] = released.last("built", "r3").fact["digest"]
    assert found(released) == [("cloud a", "unapproved")]


def runs_what_r3_built(world: World) -> None:
    """Somebody brought to production what r3 built, past the release."""
    place = ("cloud", "a")
    world.target.runs[place] = {**world.target.runs["stage", "a"], "asked_at": "/about", "version": "3"}
    world.target.runs[place]["digest"] = world.last("built", "r3").fact["digest"]


def forge(world: World, release: str = "r3", **fact: Any) -> None:
    told = {"roles": ["release-approver"], "mandate": world.last("mandated", release).fact["digest"], **fact}
    world.ledger.append(Draft(release=release, step="approved", inputs=told, fact=told), world.clock.now())


@pytest.mark.slow
def test_an_entry_that_says_approved_vouches_for_nothing(released: World) -> None:
    released.commit("v3")
    released.start("r3", "v3")
    runs_what_r3_built(released)
    forge(released)
    forge(released, mandate=None)
    assert found(released) == [("cloud a", "unapproved")]
    released.approve("r3", "ana")  # who started it: this does not count
    forge(released, again=1)
    assert found(released) == [("cloud a", "unapproved")]
    released.approve("r3")
    assert found(released) == [("cloud a", "unapproved")], "it was signed after the entry said so"
    forge(released, again=2)
    assert found(released) == []


@pytest.mark.slow
def test_an_approval_that_was_undone_before_anything_was_done_by_it_vouches_for_nothing(released: World) -> None:
    released.commit("v3")
    released.start("r3", "v3")
    released.approve("r3")
    runs_what_r3_built(released)
    forge(released)
    assert found(released) == []
    released.ledger.append(released.draft("r3", "planned", "", {"waves": []}), released.clock.now())
    assert found(released) == [("cloud a", "unapproved")]


def test_what_was_done_before_a_new_plan_undid_the_approval_is_no_drift(released: World) -> None:
    released.ledger.append(released.draft("r2", "planned", "", {"waves": []}), released.clock.now())
    assert found(released) == []


def test_whoever_left_since_had_approved_it(released: World) -> None:
    file = released.root / "approvers.yaml"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({"people": [row for row in told["people"] if row["id"] != "ben"]}))
    assert found(released) == []


@pytest.mark.slow
@pytest.mark.parametrize("step", ["mandated", "ratified"])
def test_where_personal_data_was_erased_the_entry_is_taken_at_its_word(released: World, step: str) -> None:
    erased = [entry.index for entry in released.ledger.entries() if entry.step == step and entry.payload]
    with released.ledger.engine.begin() as connection:
        connection.execute(payloads.delete().where(payloads.c.index.in_(erased)))
    assert erased
    assert found(released) == []


def test_routes_databases_and_flags_that_somebody_changed_are_found(released: World) -> None:
    released.target.where["acme"] = released.target.where["cedar"]
    released.target.where["zed"] = released.target.where["cedar"]
    released.database._at["cloud"] = "r7"
    (released.root / "flags.json").write_text("{}")
    assert found(released) == [
        ("acme", "misrouted"), ("database cloud", "schema"), ("flags", "flags"), ("zed", "unrecorded"),
    ]  # fmt: skip
    (released.root / "flags.json").unlink()
    assert ("flags", "flags") in found(released)


@pytest.mark.slow
def test_what_does_not_answer_is_found(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise OutsideError("db.internal is away")

    monkeypatch.setattr(type(released.database), "revision", away)
    assert ("database cloud", "unreachable") in found(released)
    monkeypatch.setattr(type(released.target), "routes", away)
    assert ("deploy target", "unreachable") in found(released)
    assert "db.internal" not in str(look(released.tools))
    assert not look(released.tools).certain


def test_a_database_without_revisions_is_at_none_to_which_anybody_brought_it(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bare(_self: object, _instance: str) -> Any:
        raise DatabaseUnversionedError("tables")

    monkeypatch.setattr(type(released.database), "revision", bare)
    assert ("database cloud", "schema") in found(released)


def test_whoever_moves_while_we_look_is_not_judged(world: World) -> None:
    asked: list[str] = []
    world.start()
    world.approve()

    def trap(when: str, call: str, _arguments: tuple[Any, ...]) -> bool:
        if (when, call) == ("before", "flags.read") and not asked:
            asked.append(call)
            world.start()
        return False

    world.power.trap = trap
    assert found(world) == []
    assert world.production()["acme"] == "2"


def test_processes_are_asked_although_no_version_is_known(world: World) -> None:
    evil = "sha256:" + "e" * 64
    world.target.runs["cloud", "a"] = {**world.target.runs["cloud", "a"], "asked_at": "/version", "digest": evil}
    with Ledger.open("sqlite://") as empty:
        looked = look(replace(world.tools, ledger=empty)).findings
    assert ("cloud a", "unapproved", evil) in {(one.about, one.kind, one.found) for one in looked}
    assert ("cedar a", "unreachable") in {(one.about, one.kind) for one in looked}, "it answers elsewhere"


def test_each_look_is_on_record_and_each_finding_is_told_once(released: World) -> None:
    before = len(released.chat.messages)
    for _ in range(2):
        check(released.tools, "shop")
    assert len(released.chat.messages) == before
    released.target.where["acme"] = ("cedar", "b")
    for _ in range(3):
        check(released.tools, "shop")
    assert len(released.chat.messages) == before + 1
    assert "acme: misrouted" in released.chat.texts()[-1]
    looks = released.ledger.history("drifted", "shop")
    assert [len(entry.fact["found"]) for entry in looks] == [0, 0, 1, 1, 1]
    assert looks[-1].fact["tenants"] == 3
    assert looks[-1].release == "drift"


@pytest.mark.slow
def test_who_died_before_telling_tells_the_next_time_and_what_comes_again_is_new(released: World) -> None:
    place = released.target.where["acme"]
    before = len(released.chat.messages)
    released.target.where["acme"] = ("cedar", "b")
    released.power.trap = lambda when, call, _: (when, call) == ("before", "chat.post")
    with pytest.raises(Killed):
        check(released.tools, "shop")
    released.power.on()
    assert len(released.chat.messages) == before
    check(released.tools, "shop")
    assert len(released.chat.messages) == before + 1
    released.target.where["acme"] = place
    check(released.tools, "shop")
    released.target.where["acme"] = ("cedar", "b")
    check(released.tools, "shop")
    assert len(released.chat.messages) == before + 2


@pytest.mark.parametrize(
    ("change", "name", "kind"),
    [("", "NoDrift", "COMPLETED"), ("route", "Drift", "FAILED"), ("away", "Blind", "FAILED")],
)
def test_the_flow_ends_as_it_found_production(
    released: World, monkeypatch: pytest.MonkeyPatch, change: str, name: str, kind: str
) -> None:
    if change == "route":
        released.target.where["acme"] = ("cedar", "b")
    if change == "away":
        released.target.runs[released.target.where["cedar"]]["asked_at"] = "/elsewhere"
    monkeypatch.setattr(flows, "load", lambda _: released.tools)
    ended = flows.drift.fn(TrainRequest(product="shop"))
    assert (ended.name, ended.type.value) == (name, kind)


@pytest.mark.parametrize("away", [False, True])
def test_the_flow_leaves_no_ledger_open(world: World, monkeypatch: pytest.MonkeyPatch, *, away: bool) -> None:
    monkeypatch.setattr(flows, "load", lambda _: world.tools)
    monkeypatch.setattr(flows, "check", Mock(side_effect=OutsideError("away")) if away else check)
    with patch.object(Ledger, "close", autospec=True) as close, suppress(OutsideError):
        flows.drift.fn(TrainRequest(product="shop"))
    close.assert_called_once_with(world.ledger)
