"""HTTP/1.1 over kept-alive connections, as little of it as a load generator needs. Nothing is ever sent twice."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

# Our side gives a connection up before the proxy does (60 s), so that no request is written to one that is closing.
_IDLE = 20.0
_LARGEST = 1 << 20

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class BrokenAnswerError(Exception):
    """What came back is no HTTP answer, or not all of one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Connections:
    """Connections to one address, `HOST:PORT` or the path of a unix socket; used again while they last."""

    address: str
    opened: int = 0
    _idle: deque[tuple[float, Pair]] = field(default_factory=deque)

    async def ask(self, request: bytes) -> Answer:
        """Send one request and read its answer.

        Raises:
            OSError, BrokenAnswerError: there is no answer, or not all of it; the connection is given up.
        """
        pair = self._kept() or await self._open()
        try:
            pair[1].write(request)
            answer = await _read(pair[0])
        except BaseException:
            pair[1].transport.abort()
            raise
        if answer.headers.get("connection", "").lower() == "close":
            pair[1].close()
        else:
            self._idle.append((time.monotonic(), pair))
        return answer

    def close(self) -> None:
        """Give up what is idle."""
        while self._idle:
            self._idle.pop()[1][1].close()

    def _kept(self) -> Pair | None:
        """The connection used last, so that the others grow old and are given up."""
        while self._idle and self._idle[0][0] < time.monotonic() - _IDLE:
            self._idle.popleft()[1][1].close()
        while self._idle:
            pair = self._idle.pop()[1]
            if not pair[0].at_eof() and not pair[1].is_closing():
                return pair
        return None

    async def _open(self) -> Pair:
        self.opened += 1
        if "/" in self.address:
            return await asyncio.open_unix_connection(self.address, limit=_LARGEST)
        host, _, port = self.address.rpartition(":")
        return await asyncio.open_connection(host, int(port), limit=_LARGEST)


async def _read(reader: asyncio.StreamReader) -> Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        status, headers = _parsed(head)
        return Answer(status, headers, await _body(reader, status, headers))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
        raise BrokenAnswerError(type(error).__name__) from None


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    pairs = (line.partition(":") for line in lines)
    return int(first.split(" ", 2)[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, status: int, headers: dict[str, str]) -> bytes:
    if status in {204, 304}:
        return b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader)
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    headers["connection"] = "close"  # the body ends with the connection
    return await reader.read()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(parts)
