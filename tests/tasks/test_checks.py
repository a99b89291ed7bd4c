"""Checks: all of them, each against the artifact and an empty database; the first that fails stops the release."""

import pytest

from stationmaster.blocks.guest import GuestFailedError, GuestTimeoutError
from stationmaster.tasks.build import build
from stationmaster.tasks.checks import run_checks
from stationmaster.tasks.cut import cut
from tests.shop import PRODUCT
from tests.world import World

ONE = 'checks: [{name: smoke, command: [grep, -q, version, "{artifact}"]}]'


def checked(world: World, checks: str) -> None:
    assert ONE in PRODUCT
    world.commit("v3", product=PRODUCT.replace(ONE, f"checks: [{checks}]"))
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        run_checks.fn(leg, this, build.fn(leg, this))


def test_each_check_is_recorded_and_not_run_again(world: World) -> None:
    seen = world.root / "seen"
    checked(world, f"{{name: one, command: [sh, -c, 'echo x >> {seen}']}}, {{name: two, command: ['true']}}")
    checks = world.last("tested", "r3").fact["checks"]
    assert [check["name"] for check in checks] == ["one", "two"]
    assert all(check["log"].startswith("sha256:") for check in checks)
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        run_checks.fn(leg, this, build.fn(leg, this))
    assert seen.read_text() == "x\n"


def test_a_check_sees_the_artifact_and_a_database_of_its_own(world: World) -> None:
    seen = world.root / "seen"
    line = 'echo "$0 $ARTIFACT $PYTHONPATH $DATABASE_URL"'
    checked(world, f"{{name: one, command: [sh, -c, '{line} > {seen}', '{{artifact}}']}}")
    placeholder, artifact, path, database = seen.read_text().split()
    assert placeholder == artifact == path == str(world.store.path(world.last("built", "r3").fact["digest"]))
    assert database.endswith("/scratch/scratch_r3_one")


def test_a_product_without_a_database_gets_none(world: World) -> None:
    seen = world.root / "seen"
    check = f"{{name: one, command: [sh, -c, 'echo \"-$DATABASE_URL-\" > {seen}']}}"
    product = PRODUCT.replace(ONE, f"checks: [{check}]").replace("database: {migrations: migrations}\n", "")
    world.commit("v3", product=product)
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        run_checks.fn(leg, this, build.fn(leg, this))
    assert seen.read_text() == "--\n"


def test_a_check_that_fails_says_how_and_those_after_it_are_not_run(world: World) -> None:
    seen = world.root / "seen"
    broken = "{name: a, command: [sh, -c, 'echo 3 tests failed; exit 1']}"
    with pytest.raises(GuestFailedError, match="3 tests failed") as failed:
        checked(world, f"{broken}, {{name: b, command: [touch, {seen}]}}")
    assert failed.value.hint is not None
    assert "check.log" in failed.value.hint
    assert not seen.exists()
    assert ("tested", "r3") not in world.facts("r3")


def test_a_check_that_never_ends_is_ended(world: World) -> None:
    with pytest.raises(GuestTimeoutError):
        checked(world, "{name: a, command: [sleep, '60'], timeout: 1s}")
