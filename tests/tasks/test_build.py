"""Build: once, from a clean export, as a guest; what was published is adopted, what was not is made again."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.guest import GuestFailedError
from stationmaster.domain.errors import InputError
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from tests.shop import PRODUCT, SECRET
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
        assert world.tools.evidence.bytes_of(fact["log"]) == b""
        assert fact["began"] == fact["ended"] == "2026-11-23T08:00:00Z"  # this clock stands still
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


def everything_kept(world: World) -> list[bytes]:
    return [path.read_bytes() for path in Path(world.tools.evidence.root).glob("sha256/*/*")]


def test_a_secret_that_the_build_prints_is_in_nothing_that_is_kept_however_it_is_spelled(world: World) -> None:
    coded = base64.b64encode(f"ana:{SECRET}".encode()).decode()
    script = (
        f"mkdir dist; cp app.json dist/shop; printf 'a {SECRET} b {SECRET[:7]}'; printf %s '{SECRET[7:]} c {coded}'"
    )
    world.commit("v3", product=built_by(f'[sh, -c, "{script}"]'))
    with world.leg("r3", "v3") as leg:
        build.fn(leg, cut.fn(leg))
    assert world.tools.evidence.bytes_of(world.last("built", "r3").fact["log"]) == b"a *** b *** c YW5hOm***"
    assert not [one for one in everything_kept(world) if SECRET.encode() in one or coded.encode() in one]
    assert SECRET in (world.tools.work / "r3" / "build" / "build.log").read_text()


def test_of_a_build_that_prints_without_end_the_beginning_and_the_end_are_kept(world: World) -> None:
    script = f"mkdir dist; cp app.json dist/shop; echo begins; yes {SECRET} | head -n 1200000; echo ends"
    world.commit("v3", product=built_by(f"[sh, -c, '{script}']"))
    with world.leg("r3", "v3") as leg:
        build.fn(leg, cut.fn(leg))
    kept = world.tools.evidence.bytes_of(world.last("built", "r3").fact["log"])
    assert kept.startswith(b"begins\n***\n***\n")
    assert kept.endswith(b"ends\n")
    assert b"bytes are left out here; of a log 16 MiB are kept]\n" in kept
    assert SECRET[:4].encode() not in kept
    assert SECRET[-4:].encode() not in kept


def test_a_build_that_prints_what_is_no_text_is_kept_as_it_is(world: World) -> None:
    script = r"mkdir dist; cp app.json dist/shop; printf '\000\377\033[31m'"
    world.commit("v3", product=built_by(f"[sh, -c, '{script.replace(chr(39), chr(39) * 2)}']"))
    with world.leg("r3", "v3") as leg:
        build.fn(leg, cut.fn(leg))
    assert world.tools.evidence.bytes_of(world.last("built", "r3").fact["log"]) == b"\x00\xff\x1b[31m"
