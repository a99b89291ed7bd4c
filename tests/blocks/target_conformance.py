"""What every deploy target must do, the real ones and the fake alike. A test class inherits and gives `world`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from stationmaster.blocks.instances import (
    ArtifactChangedError,
    ColourInUseError,
    InstanceDidNotStartError,
    NoIdleColourError,
    NothingRunsError,
    UnknownInstanceError,
    WrongDigestError,
)
from stationmaster.blocks.supervisor import Fence, FencedError

FENCE = Fence(release="r1", epoch=2)
SECRET = "postgresql://app:hunter2-secret@/cloud"


class Artifacts(Protocol):
    def __call__(self, version: str, kind: str = "good") -> tuple[str, str]:
        """Path and digest of a file. Kinds: good; `broken` ends at its start, printing DATABASE_URL; `liar` says that
        it has another digest.
        """
        ...


@dataclass(frozen=True)
class World:
    """A target with an instance `cloud` (whose database is SECRET) and nothing running, and a source of artifacts."""

    target: Any
    artifact: Artifacts
    command: tuple[str, ...]

    def start(self, version: str, kind: str = "good", fence: Fence = FENCE) -> str:
        path, digest = self.artifact(version, kind)
        return str(self.target.start("cloud", path, digest, self.command, fence=fence, timeout=20))

    def versions(self) -> dict[str, str]:
        return {running.colour: running.version for running in self.target.running()}


class TargetConformance:
    @pytest.fixture
    def world(self) -> World:
        raise NotImplementedError

    def test_a_started_artifact_is_asked_and_says_what_it_is_and_no_tenant_moved(self, world: World) -> None:
        colour = world.start("1")
        (running,) = world.target.running()
        assert (running.instance, running.colour, running.version) == ("cloud", colour, "1")
        assert running.digest == world.artifact("1")[1]
        assert running.pid > 0
        assert world.target.routes() == {}

    def test_starting_the_same_again_changes_nothing(self, world: World) -> None:
        colour = world.start("1")
        before = world.target.running()
        assert world.start("1") == colour
        assert world.target.running() == before

    def test_the_next_artifact_takes_the_other_colour_and_the_first_stays_warm(self, world: World) -> None:
        first, second = world.start("1"), world.start("2")
        assert first != second
        assert world.versions() == {first: "1", second: "2"}

    def test_a_third_artifact_takes_the_place_of_the_one_without_tenants(self, world: World) -> None:
        first, second = world.start("1"), world.start("2")
        world.target.shift(["acme"], "cloud", first, FENCE)
        assert world.start("3") == second
        assert world.versions() == {first: "1", second: "3"}

    def test_a_third_artifact_has_no_place_while_both_colours_serve(self, world: World) -> None:
        for tenant, colour in (("acme", world.start("1")), ("beta", world.start("2"))):
            world.target.shift([tenant], "cloud", colour, FENCE)
        with pytest.raises(NoIdleColourError):
            world.start("3")
        assert set(world.versions().values()) == {"1", "2"}

    def test_only_the_named_tenants_are_shifted_and_back_again(self, world: World) -> None:
        first, second = world.start("1"), world.start("2")
        world.target.shift(["acme", "beta"], "cloud", first, FENCE)
        world.target.shift(["acme"], "cloud", second, FENCE)
        assert world.target.routes() == {"acme": ("cloud", second), "beta": ("cloud", first)}
        world.target.shift(["acme"], "cloud", first, FENCE)
        assert world.target.routes() == {"acme": ("cloud", first), "beta": ("cloud", first)}

    def test_nothing_is_shifted_to_where_nothing_runs(self, world: World) -> None:
        other = {"a": "b", "b": "a"}[world.start("1")]
        with pytest.raises(NothingRunsError):
            world.target.shift(["acme"], "cloud", other, FENCE)
        assert world.target.routes() == {}

    def test_what_serves_tenants_is_not_retired_and_what_is_idle_is_once(self, world: World) -> None:
        first, second = world.start("1"), world.start("2")
        world.target.shift(["acme"], "cloud", second, FENCE)
        with pytest.raises(ColourInUseError, match="acme"):
            world.target.retire("cloud", second, FENCE)
        for _ in range(2):
            world.target.retire("cloud", first, FENCE)
            assert world.versions() == {second: "2"}

    def test_a_retired_colour_can_be_used_again(self, world: World) -> None:
        first, second = world.start("1"), world.start("2")
        world.target.shift(["acme"], "cloud", second, FENCE)
        world.target.retire("cloud", first, FENCE)
        assert world.start("3") == first

    def test_a_changed_file_is_not_started(self, world: World) -> None:
        path, digest = world.artifact("1")
        with pytest.raises(ArtifactChangedError):
            world.target.start("cloud", path, digest[:-4] + "0000", world.command, fence=FENCE)
        with pytest.raises(ArtifactChangedError):
            world.target.start("cloud", str(Path(path).parent / "gone"), digest, world.command, fence=FENCE)
        assert world.target.running() == ()

    def test_what_does_not_start_says_why_without_secrets_and_is_not_left_behind(self, world: World) -> None:
        with pytest.raises(InstanceDidNotStartError, match="no such column") as failed:
            world.start("1", "broken")
        assert "hunter2" not in failed.value.message
        assert world.target.running() == ()

    def test_what_says_that_it_is_something_else_is_not_left_behind(self, world: World) -> None:
        with pytest.raises(WrongDigestError):
            world.start("1", "liar")
        assert world.target.running() == ()

    def test_an_artifact_apart_is_asked_and_is_no_instance(self, world: World) -> None:
        path, digest = world.artifact("1")
        with world.target.apart(path, digest, world.command, {"DATABASE_URL": SECRET}, timeout=20) as endpoint:
            with endpoint.client() as client:
                assert client.get("/version").json()["version"] == "1"
            assert world.target.running() == ()
        assert world.target.routes() == {}

    @pytest.mark.parametrize(("kind", "error"), [("broken", InstanceDidNotStartError), ("liar", WrongDigestError)])
    def test_what_is_not_fit_to_run_apart_says_why(self, world: World, kind: str, error: type[Exception]) -> None:
        path, digest = world.artifact("1", kind)
        with (
            pytest.raises(error) as failed,
            world.target.apart(path, digest, world.command, {"DATABASE_URL": SECRET}, timeout=20),
        ):
            pass
        assert "hunter2" not in str(failed.value)

    def test_a_changed_file_does_not_run_apart(self, world: World) -> None:
        path, digest = world.artifact("1")
        changed = digest[:-4] + "0000"
        with (
            pytest.raises(ArtifactChangedError),
            world.target.apart(path, changed, world.command, {"DATABASE_URL": ""}),
        ):
            pass

    def test_an_unknown_instance_is_named_with_the_nearest(self, world: World) -> None:
        with pytest.raises(UnknownInstanceError) as unknown:
            world.target.start("clould", *world.artifact("1"), world.command, fence=FENCE)
        assert unknown.value.hint == "did you mean 'cloud'?"

    def test_whoever_was_taken_over_writes_nothing_any_more(self, world: World) -> None:
        first, second = world.start("1"), world.start("2")
        world.target.shift(["acme"], "cloud", second, FENCE)
        late = Fence(release=FENCE.release, epoch=FENCE.epoch - 1)
        with pytest.raises(FencedError):
            world.target.shift(["acme"], "cloud", first, late)
        with pytest.raises(FencedError):
            world.target.retire("cloud", first, late)
        with pytest.raises(FencedError):
            world.start("3", fence=late)
        assert world.versions() == {first: "1", second: "2"}
        assert world.target.routes() == {"acme": ("cloud", second)}

    def test_tenants_are_put_into_a_mode_and_out_of_it_and_again_changes_nothing(self, world: World) -> None:
        world.target.shift(["acme", "beta", "gamma"], "cloud", world.start("1"), FENCE)
        assert world.target.modes() == {}
        for _ in range(2):
            world.target.set_mode(["acme", "beta"], "read_only", FENCE)
            assert world.target.modes() == {"acme": "read_only", "beta": "read_only"}
        world.target.set_mode(["beta"], "maintenance", FENCE)
        assert world.target.modes() == {"acme": "read_only", "beta": "maintenance"}
        for _ in range(2):
            world.target.set_mode(["acme", "beta", "gamma"], None, FENCE)
            assert world.target.modes() == {}
        assert set(world.target.routes()) == {"acme", "beta", "gamma"}

    def test_a_mode_is_not_set_by_whoever_was_taken_over_but_by_a_person(self, world: World) -> None:
        world.target.shift(["acme"], "cloud", world.start("1"), FENCE)
        with pytest.raises(FencedError):
            world.target.set_mode(["acme"], "read_only", Fence(release=FENCE.release, epoch=FENCE.epoch - 1))
        assert world.target.modes() == {}
        world.target.set_mode(["acme"], "read_only")
        assert world.target.modes() == {"acme": "read_only"}

    def test_what_a_process_printed_is_read_and_nothing_where_none_is(self, world: World) -> None:
        colour = world.start("1")
        assert b"serving" in world.target.printed("cloud", colour).head
        assert world.target.printed("cloud", {"a": "b", "b": "a"}[colour]).head == b""
        with pytest.raises(UnknownInstanceError):
            world.target.printed("clould", colour)
