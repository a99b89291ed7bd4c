"""Build: once, from a clean export, as a guest; what was published is adopted, what was not is made again."""

import json
from typing import Any

import pytest

from stationmaster.blocks.guest import GuestFailedError
from stationmaster.domain.errors import InputError
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from tests.shop import PRODUCT
from tests.world import Killed, World

COMMAND = "[sh, -c, 'mkdir dist; sed \"s/NONCE/$$-$(date +%N)/\" app.json > dist/shop']"


def built_by(command: str) -> str:
    assert COMMAND in PRODUCT
    return PRODUCT.replace(COMMAND, command)


def test_a_build_is_recorded_with_its_digest_and_log(world: World) -> None:
    with world.leg() as leg:
        artifact = build.fn(leg, cut.fn(leg))
        fact = world.last("built").fact
        assert (fact["digest"], fact["size"]) == (artifact.digest, artifact.size)
        assert fact["log"].startswith("sha256:")
        assert build.fn(leg, cut.fn(leg)) == artifact
    assert json.loads(world.store.path(artifact.digest).read_text())["version"] == "2"
    assert world.artifacts() == 1


@pytest.mark.parametrize(("when", "artifacts"), [("before", 1), ("after", 1)])
def test_killed_around_publishing_there_is_one_artifact(world: World, when: str, artifacts: int) -> None:
    """The build never gives the same bytes twice."""

    def trap(at: str, call: str, _arguments: tuple[Any, ...]) -> bool:
        return (at, call) == (when, "artifacts.publish")

    world.power.trap = trap
    with pytest.raises(Killed), world.leg() as leg:
        build.fn(leg, cut.fn(leg))
    world.power.on()
    world.clock.sleep(31)
    with world.leg() as leg:
        artifact = build.fn(leg, cut.fn(leg))
    assert world.artifacts() == artifacts
    assert world.last("built").fact["digest"] == artifact.digest


def test_a_note_that_was_half_written_is_none(world: World) -> None:
    with world.leg() as leg:
        this = cut.fn(leg)
        (leg.folder("published") / f"{this.commit.commit}.json").write_text('{"digest": "sha')
        build.fn(leg, this)
    assert world.artifacts() == 1


def test_a_guest_sees_the_version_and_none_of_our_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_TOKEN", "hunter2-secret")
    world.commit("v3", product=built_by("[sh, -c, 'mkdir dist; env > dist/shop']"))
    with world.leg("r3", "v3") as leg:
        artifact = build.fn(leg, cut.fn(leg))
    seen = dict(line.split("=", 1) for line in world.store.path(artifact.digest).read_text().splitlines())
    assert (seen["VERSION"], seen["SOURCE_DATE_EPOCH"]) == ("3", "1700000000")
    assert "OUR_TOKEN" not in seen
    assert "API_TOKEN" not in seen


@pytest.mark.parametrize(
    ("command", "error", "word"),
    [
        ("[sh, -c, 'echo no rule to make; exit 2']", GuestFailedError, "no rule to make"),
        ("[sh, -c, 'mkdir dist; touch dist/shp']", InputError, "left no file dist/shop"),
        ("['true']", InputError, "left no file dist/shop"),
        ("[sh, -c, 'mkdir dist; ln -s /etc/passwd dist/shop']", InputError, "left no file"),
        ("[mkae]", InputError, "mkae"),
    ],
)
def test_what_does_not_build(world: World, command: str, error: type[Exception], word: str) -> None:
    world.commit("v3", product=built_by(command))
    with world.leg("r3", "v3") as leg, pytest.raises(error, match=word):
        build.fn(leg, cut.fn(leg))
    assert world.artifacts() == 0
    assert world.facts("r3") == [("cut", "r3")]


def test_the_hint_says_what_the_build_left_instead(world: World) -> None:
    world.commit("v3", product=built_by("[sh, -c, 'mkdir dist; touch dist/shp']"))
    with world.leg("r3", "v3") as leg, pytest.raises(InputError) as refused:
        build.fn(leg, cut.fn(leg))
    assert refused.value.hint is not None
    assert "dist/ has: shp" in refused.value.hint
