"""Deploys to the sandbox: starts an artifact in the idle colour of an instance, shifts tenants, retires what is idle.

Every method converges: it may be repeated, or carried on after a crash. Processes belong to the supervisor, routes to
its map; this keeps no state and decides nothing about who moves when.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, Field

from stationmaster.blocks import guest
from stationmaster.blocks.apart import apart
from stationmaster.blocks.instances import (
    COLOURS,
    ArtifactChangedError,
    ColourInUseError,
    Instance,
    InstanceDidNotStartError,
    NoIdleColourError,
    NothingRunsError,
    Running,
    UnknownInstanceError,
    WrongDigestError,
    backend,
    place,
    secrets_in,
    socket_path,
)
from stationmaster.blocks.journeys import Endpoint
from stationmaster.blocks.printed import read_printed
from stationmaster.blocks.slot import Slot, Wanted
from stationmaster.blocks.supervisor import Fence, Supervisor, Unit
from stationmaster.domain.errors import nearest
from stationmaster.domain.modes import Mode
from stationmaster.domain.printed import Printed

__all__ = ["Fence", "SandboxTarget"]


class SandboxTarget(BaseModel):
    """The sandbox's instances behind HAProxy, two colours each."""

    supervisor: str = Field(description="The supervisor's socket.")
    stats: str = Field(description="HAProxy's stats socket.")
    run_dir: str = Field(description="The sandbox's run directory.")
    instances: dict[str, Instance] = Field(description="The instances the proxy was configured for.")

    def start(
        self,
        instance: str,
        artifact: str | Path,
        digest: str,
        command: tuple[str, ...],
        env: Mapping[str, str] | None = None,
        *,
        fence: Fence,
        health: str = "/healthz",
        version: str = "/version",
        timeout: float = 60,
    ) -> str:
        """The colour of `instance` that runs `artifact`, healthy and known to the proxy as such; no tenant moves.

        In `command`, {artifact} and {socket} are replaced. A colour that already serves `digest` is simply returned.

        Raises:
            ArtifactChangedError: the file has another digest; nothing was started.
            InstanceDidNotStartError: it ended or was not healthy in time; it was ended again.
            WrongDigestError: it runs, but says that it is something else; it was ended again.
            NoIdleColourError: tenants are routed to both colours.
        """
        self._known(instance)
        given = self._environment(instance, env or {})
        wanted = Wanted(digest, health, version, timeout, secrets_in(given))
        for colour in COLOURS:
            if self._slot(instance, colour).serves(wanted):
                return colour
        colour = self._idle(instance, digest)
        verify(Path(artifact), digest)
        self._begin(self._unit(backend(instance, colour), artifact, digest, command, given), fence)
        try:
            self._slot(instance, colour).wait(wanted)
        except (InstanceDidNotStartError, WrongDigestError):
            self._client.end(backend(instance, colour), fence=fence)
            raise
        return colour

    @contextmanager
    def apart(
        self,
        artifact: str | Path,
        digest: str,
        command: tuple[str, ...],
        env: Mapping[str, str],
        *,
        health: str = "/healthz",
        version: str = "/version",
        timeout: float = 60,
    ) -> Iterator[Endpoint]:
        """How to ask `artifact`, which runs beside all instances for as long as the block lasts.

        Raises:
            ArtifactChangedError: the file has another digest; nothing was started.
            InstanceDidNotStartError, WrongDigestError: as `start`.
        """
        verify(Path(artifact), digest)
        wanted = Wanted(digest, health, version, timeout, secrets_in(env))
        filled = tuple(_filled(word, {"{artifact}": str(artifact)}) for word in command)
        with apart(filled, env, Path(self.run_dir), wanted) as socket:
            yield Endpoint(base_url="http://apart", socket=socket)

    def shift(self, tenants: Sequence[str], instance: str, colour: str, fence: Fence) -> None:
        """Send all requests of `tenants` to that colour, from the next one on, all tenants at once.

        Raises:
            NothingRunsError: nobody would answer them there; nothing was changed.
        """
        self._known(instance)
        name = backend(instance, colour)
        unit = self._client.units().get(name)
        if unit is None or unit.state not in {"running", "waiting"}:
            raise NothingRunsError(f"nothing runs in {name}", hint="its artifact has to be started first")
        if tenants:
            self._client.route(dict.fromkeys(tenants, name), fence)

    def retire(self, instance: str, colour: str, fence: Fence) -> None:
        """End what runs in a colour that no tenant is routed to, after its last requests.

        Raises:
            ColourInUseError: tenants are routed there; nothing was changed.
            NotDrainedError: requests are still in flight after a while; they go on.
        """
        self._known(instance)
        there = sorted(tenant for tenant, found in self.routes().items() if found == (instance, colour))
        if there:
            raise ColourInUseError(
                f"{backend(instance, colour)} serves {', '.join(there)}", hint="shift these tenants first"
            )
        if backend(instance, colour) in self._client.units():
            self._slot(instance, colour).empty(fence)

    def routes(self) -> dict[str, tuple[str, str]]:
        """Where each tenant is sent: instance and colour."""
        return {tenant: place(name) for tenant, name in self._client.routes().items()}

    def set_mode(self, tenants: Sequence[str], mode: Mode | None, fence: Fence | None = None) -> None:
        """From the next request on, answer writes of `tenants` by 403 read_only, or all they ask by 503 maintenance;
        None serves them in full. All tenants at once, and kept over a restart. Without a fence a person did it.

        Raises:
            NoModesError: the proxy would not answer for it; nothing was changed.
        """
        if tenants:
            self._client.set_modes(dict.fromkeys(tenants, mode), fence)

    def modes(self) -> dict[str, str]:
        """The mode of each tenant that is not served in full."""
        return self._client.modes()

    def running(self, version: str = "/version", of: Collection[str] | None = None) -> tuple[Running, ...]:
        """What runs, in all instances or in those named, by asking each process now."""
        units = self._client.units()
        return tuple(
            self._asked(instance, colour, pid, version)
            for instance in (self.instances if of is None else sorted(of))
            for colour in COLOURS
            if (unit := units.get(backend(instance, colour))) and (pid := unit.pid)
        )

    def endpoint(self, instance: str, colour: str) -> Endpoint:
        """How to ask one colour directly, past the proxy: HTTP on its unix socket."""
        self._known(instance)
        return Endpoint(base_url=f"http://{instance}", socket=self._slot(instance, colour).socket)

    def printed(self, instance: str, colour: str) -> Printed:
        """What the process in one colour wrote since it was last started; nothing when none is there."""
        self._known(instance)
        name = backend(instance, colour)
        unit = self._client.units().get(name)
        return read_printed(self._log(name), unit.began) if unit else Printed(b"")

    @property
    def _client(self) -> Supervisor:
        return Supervisor(socket=self.supervisor)

    def _slot(self, instance: str, colour: str) -> Slot:
        name = backend(instance, colour)
        return Slot(name, str(socket_path(Path(self.run_dir), name)), self.stats, self._client)

    def _known(self, instance: str) -> None:
        if instance not in self.instances:
            raise UnknownInstanceError(
                f"the deploy target has no instance {instance!r}", hint=nearest(instance, self.instances)
            )

    def _asked(self, instance: str, colour: str, pid: int, version: str) -> Running:
        said = self._slot(instance, colour).says(version)
        return Running(instance, colour, said.get("digest"), said.get("version"), pid)

    def _idle(self, instance: str, digest: str) -> str:
        """A colour without tenants: the one told to run `digest` before, else an empty one, else the oldest."""
        taken = set(self.routes().values())
        free = {backend(instance, colour): colour for colour in COLOURS if (instance, colour) not in taken}
        if not free:
            raise NoIdleColourError(
                f"both colours of {instance} serve tenants", hint="finish or roll back the release that runs there"
            )
        units = self._client.units()
        told = [name for name in free if name in units and units[name].label == digest]
        empty = [name for name in free if name not in units]
        oldest = [name for name in units if name in free]  # units come in the order of their start
        return free[(told + empty + oldest)[0]]

    def _begin(self, unit: Unit, fence: Fence) -> None:
        there = self._client.units().get(unit.name)
        if there is not None and there.label != unit.label:
            self._slot(*place(unit.name)).empty(fence)
        self._client.ensure(unit, fence)

    def _environment(self, instance: str, env: Mapping[str, str]) -> dict[str, str]:
        database = self.instances[instance].database
        return {**env, **({"DATABASE_URL": database.get_secret_value()} if database else {})}

    def _unit(
        self, name: str, artifact: str | Path, digest: str, command: tuple[str, ...], env: Mapping[str, str]
    ) -> Unit:
        run_dir = Path(self.run_dir)
        home = run_dir / "home" / name
        home.mkdir(parents=True, exist_ok=True)
        values = {"{artifact}": str(artifact), "{socket}": str(socket_path(run_dir, name))}
        return Unit(
            name=name,
            label=digest,
            argv=tuple(_filled(word, values) for word in command),
            env=guest.environment(home, env),
            cwd=str(home),
            log=str(self._log(name)),
        )

    def _log(self, name: str) -> Path:
        return Path(self.run_dir) / "logs" / f"{name}.log"


def verify(artifact: Path, digest: str) -> None:
    """Compare the file's bytes with the digest.

    Raises:
        ArtifactChangedError: they differ, or there is no file.
    """
    try:
        with artifact.open("rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise ArtifactChangedError(f"the artifact cannot be read: {error}", hint="is it still in the store?") from error
    if found != digest:
        raise ArtifactChangedError(
            f"{artifact} has digest {found}, not {digest}: it is not what was tested", hint="it is never deployed"
        )


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word
