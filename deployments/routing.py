"""Points tenants at backends and puts them into modes: the map file first, then the running HAProxy in one transaction.

File first, because HAProxy reads it when it starts: the other way round, its restart would undo a rollback.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from stationmaster.blocks import haproxy
from stationmaster.blocks.supervisor import NoModesError, SupervisorFailedError, UnknownBackendError
from stationmaster.deployments.spare import Spare
from stationmaster.domain.errors import nearest
from stationmaster.domain.modes import MODES

_WITHIN = 15.0  # seconds for a HAProxy that is down to come back
_ONE_COMMAND = 2.0


class Map:
    """One map of HAProxy: its file, and the running process."""

    def __init__(self, run_dir: Path, name: str, expected: Callable[[], bool]) -> None:
        """`expected` says whether a HAProxy is meant to run; if not, the file alone is the truth it will start from."""
        self._map, self._stats, self._file = run_dir / name, run_dir / haproxy.STATS, Spare(run_dir / name)
        self._expected = expected
        self._lock = asyncio.Lock()

    def lines(self) -> dict[str, str]:
        """The map as written."""
        return haproxy.map_lines(self._map.read_text()) if self._map.exists() else {}

    async def merge(self, lines: Mapping[str, str | None]) -> None:
        """Write these keys, and leave out those without a value; then wait until HAProxy has it.

        Raises:
            NoSpaceError: nothing was written.
            SupervisorFailedError: the file is written, but no HAProxy took it in time.
        """
        async with self._lock:
            merged = {**self.lines(), **lines}
            wanted = {key: value for key, value in merged.items() if value is not None}
            self._file.write(haproxy.map_text(wanted))
            await self._until_live(wanted)

    async def _until_live(self, wanted: Mapping[str, str]) -> None:
        deadline = asyncio.get_running_loop().time() + _WITHIN
        while self._expected():
            try:
                await self._set(wanted)
            except (OSError, haproxy.ProxyRefusedError) as error:  # down or just starting: it is restarted by us
                if asyncio.get_running_loop().time() > deadline:
                    raise SupervisorFailedError(
                        f"{self._map.name} is written, but HAProxy did not take it: {error}"
                    ) from None
                await asyncio.sleep(0.05)
            else:
                return

    async def _set(self, wanted: Mapping[str, str]) -> None:
        version = haproxy.prepared_version(await self._ask(f"prepare map {self._map}"))
        for command in haproxy.replace_map(self._map, version, wanted):
            answer = (await self._ask(command)).strip()
            if answer:
                raise haproxy.ProxyRefusedError(f"{self._map.name} was not replaced: {answer}")

    async def _ask(self, command: str) -> str:
        async with asyncio.timeout(_ONE_COMMAND):
            reader, writer = await asyncio.open_unix_connection(str(self._stats))
            try:
                writer.write(command.encode() + b"\n")
                return (await reader.read()).decode()
            finally:
                writer.close()


class Router:
    """The maps of one run directory: where each tenant is sent, and what it is answered meanwhile."""

    def __init__(self, run_dir: Path, expected: Callable[[], bool]) -> None:
        """`expected` as of a map."""
        self._config = run_dir / haproxy.CONFIG
        self._routes, self._modes = (Map(run_dir, name, expected) for name in (haproxy.ROUTE_MAP, haproxy.MODE_MAP))

    def routes(self) -> dict[str, str]:
        """Tenant to backend, as written."""
        return self._routes.lines()

    async def route(self, routes: Mapping[str, str]) -> None:
        """Merge `routes` into the map and wait until HAProxy has it.

        Raises:
            UnknownBackendError: nothing was written; tenants stay where they are. Otherwise as a map's.
        """
        known = haproxy.backends(self._configured())
        for unknown in sorted(set(routes.values()) - known):
            raise UnknownBackendError(f"the proxy has no backend {unknown!r}", hint=nearest(unknown, known))
        await self._routes.merge(routes)

    def modes(self) -> dict[str, str]:
        """Tenant to mode, as written; who is served in full is not in it."""
        return self._modes.lines()

    async def set_modes(self, modes: Mapping[str, str | None]) -> None:
        """Put tenants into modes, all at once; None is served in full.

        Raises:
            NoModesError: the proxy would not answer for them. Nothing was written.
        """
        if haproxy.MODE_MAP not in self._configured():
            raise NoModesError("the proxy's configuration is older than modes", hint="stationmaster up")
        for unknown in sorted({mode for mode in modes.values() if mode is not None} - set(MODES)):
            raise NoModesError(f"the proxy knows no mode {unknown!r}", hint=nearest(unknown, MODES))
        await self._modes.merge(modes)

    def _configured(self) -> str:
        return self._config.read_text() if self._config.exists() else ""
