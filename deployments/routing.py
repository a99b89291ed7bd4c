"""Points tenants at backends: the map file first, then the running HAProxy in one transaction.

File first, because HAProxy reads it when it starts: the other way round, its restart would undo a rollback.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from stationmaster.blocks import haproxy
from stationmaster.blocks.supervisor import SupervisorFailedError, UnknownBackendError
from stationmaster.deployments.spare import Spare
from stationmaster.domain.errors import nearest

_WITHIN = 15.0  # seconds for a HAProxy that is down to come back
_ONE_COMMAND = 2.0


class Router:
    """The route map of one run directory."""

    def __init__(self, run_dir: Path, expected: Callable[[], bool]) -> None:
        """`expected` says whether a HAProxy is meant to run; if not, the file alone is the truth it will start from."""
        self._map, self._config = run_dir / haproxy.ROUTE_MAP, run_dir / haproxy.CONFIG
        self._stats, self._file = run_dir / haproxy.STATS, Spare(self._map)
        self._expected = expected
        self._lock = asyncio.Lock()

    def routes(self) -> dict[str, str]:
        """The map as written."""
        return haproxy.map_lines(self._map.read_text()) if self._map.exists() else {}

    async def route(self, routes: Mapping[str, str]) -> None:
        """Merge `routes` into the map and wait until HAProxy has it.

        Raises:
            UnknownBackendError, NoSpaceError: nothing was written; tenants stay where they are.
            SupervisorFailedError: the file is written, but no HAProxy took it in time.
        """
        self._know(set(routes.values()))
        async with self._lock:
            wanted = self.routes() | dict(routes)
            self._file.write(haproxy.map_text(wanted))
            await self._until_live(wanted)

    def _know(self, wanted: set[str]) -> None:
        known = haproxy.backends(self._config.read_text()) if self._config.exists() else frozenset()
        for unknown in sorted(wanted - known):
            raise UnknownBackendError(f"the proxy has no backend {unknown!r}", hint=nearest(unknown, known))

    async def _until_live(self, wanted: Mapping[str, str]) -> None:
        deadline = asyncio.get_running_loop().time() + _WITHIN
        while self._expected():
            try:
                await self._set(wanted)
            except (OSError, haproxy.ProxyRefusedError) as error:  # down or just starting: it is restarted by us
                if asyncio.get_running_loop().time() > deadline:
                    raise SupervisorFailedError(f"routes are written, but HAProxy did not take them: {error}") from None
                await asyncio.sleep(0.05)
            else:
                return

    async def _set(self, wanted: Mapping[str, str]) -> None:
        version = haproxy.prepared_version(await self._ask(f"prepare map {self._map}"))
        for command in haproxy.replace_map(self._map, version, wanted):
            answer = (await self._ask(command)).strip()
            if answer:
                raise haproxy.ProxyRefusedError(f"the route map was not replaced: {answer}")

    async def _ask(self, command: str) -> str:
        async with asyncio.timeout(_ONE_COMMAND):
            reader, writer = await asyncio.open_unix_connection(str(self._stats))
            try:
                writer.write(command.encode() + b"\n")
                return (await reader.read()).decode()
            finally:
                writer.close()
