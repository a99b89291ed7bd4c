"""Expand: read before it runs, for every state a database is in; run once per database."""

import json

import pytest

from stationmaster.blocks.asked import MigrationRefusedError
from stationmaster.blocks.migration_running import MigrationFailedError
from stationmaster.blocks.openness import FrozenError
from stationmaster.tasks.cut import cut
from stationmaster.tasks.expand import expand
from stationmaster.tasks.migrations import lint
from tests.shop import PRODUCT, SECRET
from tests.world import Killed, World


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("ALTER TABLE orders DROP COLUMN total", "drop"),
        ("ALTER TABLE orders RENAME COLUMN total TO sum", "rename"),
        ("DROP TABLE orders", "drop"),
        ("this is no SQL", "unrenderable"),
    ],
)
def test_what_old_code_would_not_survive_is_refused_before_anything_runs(world: World, sql: str, rule: str) -> None:
    world.commit("v3", sql=sql)
    with world.leg("r3", "v3") as leg, pytest.raises(MigrationRefusedError, match=rule) as refused:
        lint.fn(leg, cut.fn(leg))
    assert "instead: " in refused.value.message
    assert "None" not in refused.value.message
    assert world.database.ran == []


def test_a_database_that_lags_is_read_too(world: World) -> None:
    """All others have the revision already."""
    world.database.put("r2")
    world.database._at["cedar"] = "r1"
    world.commit("v3", head="r2", sql="DROP TABLE orders")
    with world.leg("r3", "v3") as leg, pytest.raises(MigrationRefusedError):
        lint.fn(leg, cut.fn(leg))


def test_a_state_that_several_databases_are_in_is_read_once(world: World) -> None:
    with world.leg() as leg:
        this = cut.fn(leg)
        world.power.calls.clear()
        lint.fn(leg, this)
    assert (world.power.calls["database.render"], world.power.calls["database.revision"]) == (1, 3)


def test_an_empty_database_has_nothing_to_break(world: World) -> None:
    world.database._at.clear()
    world.commit("v3", sql="DROP TABLE orders")
    with world.leg("r3", "v3") as leg:
        lint.fn(leg, cut.fn(leg))


def test_each_database_is_expanded_once(world: World) -> None:
    with world.leg() as leg:
        this = cut.fn(leg)
        for _ in range(2):
            expand.fn(leg, this, "stage")
    assert world.database.ran == [("stage", "r2")]
    entry = world.last("expanded")
    assert (entry.subject, entry.fact["before"], entry.fact["after"]) == ("stage", ["r1"], ["r2"])


def test_what_was_run_and_what_it_printed_is_kept_without_secrets(world: World) -> None:
    world.commit("v3", sql=f"SELECT 1 /* {SECRET} */")
    with world.leg("r3", "v3") as leg:
        expand.fn(leg, cut.fn(leg), "stage")
    fact, evidence = world.last("expanded", "r3").fact, world.tools.evidence
    assert evidence.bytes_of(fact["sql"]) == b"SELECT 1 /* *** */"
    ran = json.loads(evidence.bytes_of(fact["ran"]))
    assert (ran["from"], ran["to"], ran["statements"][0]["sql"]) == (["r1"], ["r2"], "SELECT 1 /* *** */")
    assert evidence.bytes_of(fact["log"]) == b"running revision r2 on ***\n"
    assert world.last("expanding", "r3").fact == {"before": ["r1"], "sql": fact["sql"]}


def test_what_became_dangerous_after_it_was_linted_is_not_run(world: World) -> None:
    """As when a backup is restored between the linter and the slot of the tenant."""
    world.commit("v3", sql="DROP TABLE orders")
    with world.leg("r3", "v3") as leg, pytest.raises(MigrationRefusedError):
        expand.fn(leg, cut.fn(leg), "stage")
    assert world.database.ran == []
    assert ("expanding", "stage") not in world.facts("r3")


def test_where_a_database_was_is_known_also_when_the_process_died_before_it_said_so(world: World) -> None:
    with world.leg() as leg:
        this = cut.fn(leg)
        world.power.trap = lambda when, call, _: (when, call) == ("after", "database.expand")
        with pytest.raises(Killed):
            expand.fn(leg, this, "stage")
        world.power.on()
        expand.fn(leg, this, "stage")
    assert world.database.ran == [("stage", "r2")]
    fact = world.last("expanded").fact
    assert (fact["before"], fact["after"]) == (["r1"], ["r2"])
    assert fact["sql"] == world.last("expanding").fact["sql"]


def test_a_frozen_environment_keeps_its_schema_and_an_expanded_one_is_only_put_on_record(world: World) -> None:
    world.freeze("env:stage")
    with world.leg() as leg:
        this = cut.fn(leg)
        with pytest.raises(FrozenError):
            expand.fn(leg, this, "stage")
        assert world.database.ran == []
        world.thaw("env:stage")
        world.freeze("env:production")
        expand.fn(leg, this, "stage")
        world.freeze("env:stage")
        expand.fn(leg, this, "stage")
    with world.leg("r3", "v2") as other:
        expand.fn(other, this, "stage")
    assert world.database.ran == [("stage", "r2")]


def test_a_database_that_was_restored_since_is_expanded_again(world: World) -> None:
    with world.leg() as leg:
        expand.fn(leg, cut.fn(leg), "stage")
    world.database._at["stage"] = "r1"
    with world.leg("r3", "v2") as other:
        expand.fn(other, cut.fn(other), "stage")
    assert world.database.ran.count(("stage", "r2")) == 2
    fact = world.last("expanded", "r3").fact
    assert (fact["before"], fact["after"]) == (["r1"], ["r2"])


def test_a_revision_that_raises_is_not_recorded(world: World) -> None:
    world.commit("v3", sql="-- RAISE")
    with world.leg("r3", "v3") as leg, pytest.raises(MigrationFailedError, match="boom"):
        expand.fn(leg, cut.fn(leg), "stage")
    assert ("expanded", "stage") not in world.facts("r3")


def test_a_product_without_a_database_has_nothing_to_do(world: World) -> None:
    world.commit("v3", product=PRODUCT.replace("database: {migrations: migrations}\n", ""), sql="DROP TABLE orders")
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        lint.fn(leg, this)
        expand.fn(leg, this, "stage")
    assert world.facts("r3") == [("cut", "r3")]
