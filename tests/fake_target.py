"""A deploy target in memory, and what is seen of it: its counters and the answers of what it runs."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import ConfigDict

from stationmaster.blocks.deploy_target import verify
from stationmaster.blocks.instances import (
    COLOURS,
    ColourInUseError,
    InstanceDidNotStartError,
    NoIdleColourError,
    NothingRunsError,
    Running,
    UnknownInstanceError,
    WrongDigestError,
    backend,
)
from stationmaster.blocks.journeys import Endpoint
from stationmaster.blocks.supervisor import Fence, FencedError
from stationmaster.domain.errors import nearest
from stationmaster.domain.modes import SERVED, Mode
from stationmaster.domain.printed import Printed
from stationmaster.domain.signals import Counts, Reading

Place = tuple[str, str]  # instance and colour


class FakeEndpoint(Endpoint):
    """Answers as the artifact's file says, without a socket."""

    model_config = ConfigDict(frozen=True)

    answer: Callable[[httpx.Request], httpx.Response]

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.base_url, transport=httpx.MockTransport(self.answer))


@dataclass
class FakeTarget:
    """Instances that run files. A file is a JSON object: `version`; `kind` good, broken or liar; `fails`, instance to
    the paths that answer 500 there; `bad`, instance to how many of ten requests of each tenant fail there.
    """

    instances: tuple[str, ...] = ("stage", "cloud")
    runs: dict[Place, dict[str, Any]] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)  # release to the highest epoch seen
    where: dict[str, Place] = field(default_factory=dict)
    in_mode: dict[str, str] = field(default_factory=dict)  # tenant to mode
    did: list[tuple[str, ...]] = field(default_factory=list)  # what was changed, in order

    def start(
        self, instance: str, artifact: str | Path, digest: str, command: tuple[str, ...],
        env: Mapping[str, str] | None = None, *, fence: Fence, health: str = "/healthz", version: str = "/version",
        timeout: float = 60,
    ) -> str:  # fmt: skip
        self._known(instance)
        for colour in COLOURS:
            if self.runs.get((instance, colour), {}).get("digest") == digest:
                return colour
        free = [colour for colour in COLOURS if (instance, colour) not in self.where.values()]
        if not free:
            raise NoIdleColourError(f"both colours of {instance} serve tenants")
        verify(Path(artifact), digest)
        self._fenced(fence)
        said = json.loads(Path(artifact).read_text())
        _must_start(instance, said)
        colour = min(free, key=lambda colour: (instance, colour) in self.runs)
        self.runs[instance, colour] = {**said, "digest": digest, "env": dict(env or {}), "asked_at": version}
        self.did.append(("started", instance, str(said["version"])))
        return colour

    @contextmanager
    def apart(
        self, artifact: str | Path, digest: str, command: tuple[str, ...], env: Mapping[str, str], *,
        health: str = "/healthz", version: str = "/version", timeout: float = 60,
    ) -> Iterator[FakeEndpoint]:  # fmt: skip
        verify(Path(artifact), digest)
        said = json.loads(Path(artifact).read_text())
        _must_start("apart", said)
        self.did.append(("asked apart", env["DATABASE_URL"].rpartition("/")[2], str(said["version"])))
        yield _endpoint("apart", said)

    def shift(self, tenants: Sequence[str], instance: str, colour: str, fence: Fence) -> None:
        self._known(instance)
        self._fenced(fence)
        if (instance, colour) not in self.runs:
            raise NothingRunsError(f"nothing runs in {backend(instance, colour)}")
        for tenant in tenants:
            if self.where.get(tenant) != (instance, colour):
                self.where[tenant] = (instance, colour)
                self.did.append(("shifted", tenant, str(self.runs[instance, colour]["version"])))

    def retire(self, instance: str, colour: str, fence: Fence) -> None:
        self._known(instance)
        self._fenced(fence)
        there = sorted(tenant for tenant, place in self.where.items() if place == (instance, colour))
        if there:
            raise ColourInUseError(f"{backend(instance, colour)} serves {', '.join(there)}")
        if gone := self.runs.pop((instance, colour), None):
            self.did.append(("retired", instance, str(gone["version"])))

    def routes(self) -> dict[str, Place]:
        return dict(self.where)

    def set_mode(self, tenants: Sequence[str], mode: Mode | None, fence: Fence | None = None) -> None:
        if fence is not None:
            self._fenced(fence)
        for tenant in tenants:
            if self.in_mode.get(tenant) != mode:
                self.in_mode = {**self.in_mode, tenant: mode} if mode else _without(self.in_mode, tenant)
                self.did.append(("mode", tenant, mode or SERVED))

    def modes(self) -> dict[str, str]:
        return dict(self.in_mode)

    def running(self, version: str = "/version", of: Collection[str] | None = None) -> tuple[Running, ...]:
        asked = [(place, found) for place, found in sorted(self.runs.items()) if of is None or place[0] in of]
        return tuple(self._running(place, found, version) for place, found in asked)

    def printed(self, instance: str, colour: str) -> Printed:
        self._known(instance)
        found = self.runs.get((instance, colour))
        return Printed(f"serving with {found['env']}\n".encode() if found else b"")

    def endpoint(self, instance: str, colour: str) -> FakeEndpoint:
        self._known(instance)
        return _endpoint(instance, self.runs[instance, colour])

    def _running(self, place: Place, found: dict[str, Any], version: str) -> Running:
        answers = version == found["asked_at"]
        return Running(*place, found["digest"] if answers else None, found["version"] if answers else None, pid=4711)

    def _known(self, instance: str) -> None:
        if instance not in self.instances:
            raise UnknownInstanceError(f"no instance {instance!r}", hint=nearest(instance, self.instances))

    def _fenced(self, fence: Fence) -> None:
        seen = self.told.get(fence.release, 0)
        if fence.epoch < seen:
            raise FencedError(f"epoch {fence.epoch} of {fence.release} is over, {seen} has taken over")
        self.told[fence.release] = fence.epoch


def _without(modes: dict[str, str], tenant: str) -> dict[str, str]:
    return {name: mode for name, mode in modes.items() if name != tenant}


def _must_start(instance: str, said: Mapping[str, Any]) -> None:
    if said.get("kind") == "broken":
        raise InstanceDidNotStartError(f"{instance} ended 3 times, exit code 1\nno such column")
    if said.get("kind") == "liar":
        raise WrongDigestError(f"{instance} says that it runs something else")


def _endpoint(instance: str, found: Mapping[str, Any]) -> FakeEndpoint:
    def answer(request: httpx.Request) -> httpx.Response:
        failing = request.url.path in found.get("fails", {}).get(instance, ())
        return httpx.Response(500 if failing else 200, json={"version": found["version"]})

    return FakeEndpoint(base_url=f"http://{instance}", answer=answer)


@dataclass
class FakeMetrics:
    """Each look finds ten more requests of each tenant where its route leads, as bad as the file there says."""

    target: FakeTarget
    counts: dict[tuple[str, str], Counts] = field(default_factory=dict)
    answers: Reading | None = None  # instead

    def read(self) -> Reading:
        for tenant, place in self.target.where.items():
            key = tenant, backend(*place)
            self.counts[key] = self.counts.get(key, Counts()) + Counts(10, self._bad(place))
        return self.answers or Reading("OK", "1", dict(self.counts))

    def away(self) -> Reading:
        """An answer of metrics that cannot be reached."""
        return Reading("PROVIDER_ERROR", message="no answer")

    def _bad(self, place: Place) -> int:
        bad: dict[str, int] = self.target.runs[place].get("bad", {})
        return bad.get(place[0], 0)
