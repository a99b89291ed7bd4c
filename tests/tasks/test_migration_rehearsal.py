"""A release rehearses its schema change before stage gets it; what that says is signed, told, and compared."""

import json

import pytest

from stationmaster.blocks.approving import parts_of
from stationmaster.blocks.compatible import matrix_of
from stationmaster.blocks.instances import InstanceDidNotStartError
from stationmaster.blocks.migration_estimates import estimates, limits, outlook, slack
from stationmaster.blocks.migration_running import MigrationFailedError
from stationmaster.blocks.migration_trials import versions_on
from stationmaster.domain.artifact import Artifact
from stationmaster.domain.entries import Draft
from stationmaster.domain.migration_class import digest_of
from stationmaster.domain.story import sentence
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from stationmaster.tasks.expand import expand
from stationmaster.tasks.migrations import RehearsalFailedError, rehearse
from tests.shop import PRODUCT, SECRET
from tests.world import World, once

ADD = "ALTER TABLE orders ADD total int"
REHEARSED = PRODUCT.replace(
    "database: {migrations: migrations}",
    "database: {migrations: migrations, rehearsal: {journeys: false, rows: {orders: 2000000}}}",
)


ARTIFACT = Artifact(digest=f"sha256:{64 * 'a'}", size=1)  # of which nobody asks anything here
WITH_JOURNEYS = REHEARSED.replace("journeys: false, ", "")


@pytest.fixture
def asked(world: World) -> World:
    world.commit("v3", product=REHEARSED, sql=ADD)
    return world


def test_without_a_word_about_it_nothing_is_rehearsed(world: World) -> None:
    world.commit("v3", sql=ADD)
    with world.leg("r3", "v3") as leg:
        rehearse.fn(leg, cut.fn(leg), ARTIFACT)
    assert [step for step, _ in world.facts("r3")] == ["cut"]


def test_it_is_rehearsed_once_from_where_production_is(asked: World) -> None:
    with asked.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        rehearse.fn(leg, this, ARTIFACT)
        rehearse.fn(leg, this, ARTIFACT)
    entry = asked.last("rehearsed", "r3")
    (one,) = entry.fact["estimates"]
    assert (one["from"], one["rows"], one["up_ms"]) == (["r1"], {"orders": 2000000}, 1000.0)
    assert sentence(entry).startswith("schema change rehearsed: r1 → ")
    assert [found.step for found in asked.tools.ledger.entries("r3")].count("rehearsed") == 1
    report = json.loads(asked.tools.evidence.bytes_of(entry.fact["report"]))
    assert report[0]["statements"][0]["sql"] == ADD


def test_the_copy_has_the_product_s_name_so_that_two_products_do_not_share_it(asked: World) -> None:
    names: list[str] = []
    asked.power.trap = once("database.rehearse", lambda given: names.append(given[2]))
    with asked.leg("r3", "v3") as leg:
        rehearse.fn(leg, cut.fn(leg), ARTIFACT)
    assert names == ["stm_rehearsal_shop"]


def test_each_state_that_production_is_in_is_rehearsed(asked: World) -> None:
    asked.database._at["cedar"] = "r0"
    with asked.leg("r3", "v3") as leg:
        rehearse.fn(leg, cut.fn(leg), ARTIFACT)
    assert [one["from"] for one in asked.last("rehearsed", "r3").fact["estimates"]] == [["r0"], ["r1"]]


def test_an_empty_production_has_nothing_to_wait_for(asked: World) -> None:
    asked.database._at.clear()
    with asked.leg("r3", "v3") as leg:
        rehearse.fn(leg, cut.fn(leg), ARTIFACT)
    assert ("rehearsed", "r3") not in asked.facts("r3")


def test_a_finding_stops_the_release_before_stage_and_is_not_recorded_as_rehearsed(world: World) -> None:
    world.commit("v3", product=REHEARSED, sql="ALTER TABLE orders ADD KEEPS int")
    with world.leg("r3", "v3") as leg, pytest.raises(RehearsalFailedError, match="downgrade_leaves") as refused:
        rehearse.fn(leg, cut.fn(leg), ARTIFACT)
    assert "instead: undo it" in refused.value.message
    assert "sha256:" in (refused.value.hint or "")
    assert ("rehearsed", "r3") not in world.facts("r3")
    assert world.database.ran == []


def test_a_revision_that_raises_on_the_copy_stops_it_too(world: World) -> None:
    world.commit("v3", product=REHEARSED, sql="-- RAISE")
    with world.leg("r3", "v3") as leg, pytest.raises(MigrationFailedError, match="boom"):
        rehearse.fn(leg, cut.fn(leg), ARTIFACT)


def test_no_secret_of_ours_stays_in_the_ledger(world: World) -> None:
    world.commit("v3", product=REHEARSED, sql=f"SELECT 1 /* {SECRET} */")
    with world.leg("r3", "v3") as leg:
        rehearse.fn(leg, cut.fn(leg), ARTIFACT)
    assert SECRET not in json.dumps(world.last("rehearsed", "r3").fact)
    assert SECRET.encode() not in world.tools.evidence.bytes_of(world.last("rehearsed", "r3").fact["report"])


def test_the_estimate_is_part_of_what_is_signed(asked: World) -> None:
    with asked.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        assert "rehearsal" not in parts_of(leg, this, ARTIFACT)
        rehearse.fn(leg, this, ARTIFACT)
        first = parts_of(leg, this, ARTIFACT)["rehearsal"]
        assert first == parts_of(leg, this, ARTIFACT)["rehearsal"]
    assert first is not None
    assert first.startswith("sha256:")


def test_the_runner_is_told_how_long_each_statement_took(asked: World) -> None:
    with asked.leg("r3", "v3") as leg:
        rehearse.fn(leg, cut.fn(leg), ARTIFACT)
    assert limits(asked.tools.ledger, "r3") == {digest_of(ADD): 1000.0}


def changed(world: World, release: str, *, ratio: float | None, subject: str = "cloud") -> None:
    fact = {"before": ["r1"], "after": ["r2"], "rehearsed": {"ratio": ratio, "took_ms": 1.0, "rehearsed_ms": 1.0,
            "unrehearsed": 0}}  # fmt: skip
    world.tools.ledger.append(
        Draft(release=release, step="expanded", subject=subject, inputs={}, fact=fact), world.tools.now()
    )


def test_the_slack_is_that_of_the_newest_other_release_and_of_its_slowest_database(asked: World) -> None:
    ledger = asked.tools.ledger
    with asked.leg("r3", "v3") as leg:
        rehearse.fn(leg, cut.fn(leg), ARTIFACT)
    assert slack(ledger, "r3") is None
    changed(asked, "r1", ratio=9.0)
    changed(asked, "r2", ratio=1.5)
    changed(asked, "r2", ratio=3.0, subject="cedar")
    changed(asked, "r2", ratio=7.0, subject="stage")
    changed(asked, "r3", ratio=99.0)
    found = slack(ledger, "r3")
    assert found is not None
    assert (found.release, found.ratio) == ("r2", 3.0)
    assert "expect 3.0 s in production: r2 took 3 times what was rehearsed" in "\n".join(outlook(ledger, "r3"))


def test_stage_is_not_compared_and_production_is(asked: World) -> None:
    with asked.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        rehearse.fn(leg, this, ARTIFACT)
        expand.fn(leg, this, "stage")
    assert "rehearsed" not in asked.last("expanded", "r3").fact
    assert estimates(asked.tools.ledger, "r3")[0].longest is not None


def test_what_runs_and_what_comes_is_asked_on_the_copy_and_proved_there(world: World) -> None:
    world.commit("v3", product=WITH_JOURNEYS, sql=ADD)
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        rehearse.fn(leg, this, build.fn(leg, this))
    fact = world.last("rehearsed", "r3").fact
    (one,) = fact["estimates"]
    assert [(each["version"], each["needed"], each["failed"]) for each in one["versions"]] == [
        ("3", True, []), ("1", True, []),
    ]  # fmt: skip
    assert fact["pairs"] == [[each["digest"], "r2"] for each in one["versions"]]
    assert matrix_of(world.tools.ledger).proved(one["versions"][1]["digest"], ["r2"])
    assert {(what, where) for what, where, _ in world.target.did} == {("asked apart", "stm_rehearsal_shop")}


def test_each_state_is_asked_about_what_runs_there(world: World) -> None:
    world.commit("v3", product=WITH_JOURNEYS, sql=ADD)
    world.database._at["cedar"] = "r0"
    digest = world.tools.ledger.running()["acme"].fact["digest"]
    fact = {"version": "0", "digest": digest, "commit": world.source.refs["v1"], "instance": "cedar", "colour": "a"}
    other = {**fact, "digest": f"sha256:{64 * '0'}"}
    world.tools.ledger.append(world.draft("r0", "deployed", "cedar", other), world.tools.now())
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        asked = versions_on(leg, this, ARTIFACT, ["cedar"])
        assert [(one.version, one.needed) for one in asked] == [("3", True), ("0", True), ("1", False)]
        assert [one.version for one in versions_on(leg, this, ARTIFACT, ["cloud"])] == ["3", "1"]


def test_what_runs_and_does_not_work_on_the_copy_stops_the_release(world: World) -> None:
    world.commit("v3", product=WITH_JOURNEYS, sql=ADD, fails={"apart": ["/order"]})
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        with pytest.raises(RehearsalFailedError, match=r"journey_failed: on the new schema 3 .* order, .*500"):
            rehearse.fn(leg, this, build.fn(leg, this))
    assert ("rehearsed", "r3") not in world.facts("r3")


def test_what_one_could_only_go_back_to_is_told_and_stops_nothing(world: World) -> None:
    world.release("r2", "v2")
    world.database.put("r1")
    gone = world.tools.ledger.running(without="r2")["acme"].fact["digest"]
    world.store.path(gone).write_text("{}")  # it cannot be started any more
    world.commit("v3", product=WITH_JOURNEYS, sql=ADD, head="r3")
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        rehearse.fn(leg, this, build.fn(leg, this))
    fact = world.last("rehearsed", "r3").fact
    old = fact["estimates"][0]["versions"][-1]
    assert (old["version"], old["needed"]) == ("1", False)
    assert "has digest" in old["failed"][0]
    assert gone not in [digest for digest, _ in fact["pairs"]]


def test_a_version_that_runs_and_does_not_start_says_nothing_about_the_schema(world: World) -> None:
    world.commit("v3", product=WITH_JOURNEYS, sql=ADD, kind="broken")
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        with pytest.raises(InstanceDidNotStartError):
            rehearse.fn(leg, this, build.fn(leg, this))
