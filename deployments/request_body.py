"""A request's body, read with limits: how long it may be, how long it may take, and how much all of them may hold."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

LONGEST = 5 * 1024 * 1024  # bytes of one body
_TOGETHER = 64 * 1024 * 1024  # bytes of all bodies at once: whoever sends them is not known yet
_PATIENCE = 10.0  # seconds until the last byte; hosts themselves give up then


def content_type(request: Request) -> str:
    """What a request says its body is, without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class BodyTooLargeError(Exception):
    """More than LONGEST bytes came, or were announced."""


class BodyTooSlowError(Exception):
    """It was not complete in time."""


class BodyCutError(Exception):
    """The sender went away before its end."""


class NoRoomError(Exception):
    """Too many others are being read."""


@dataclass
class Bodies:
    """The bodies that are held at this moment."""

    held: int = 0
    patience: float = _PATIENCE

    @asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[bytes]:
        """The body, whose room is given back at the end of the block. What is too long is not read to its end.

        Raises BodyTooLargeError, BodyTooSlowError, BodyCutError, NoRoomError.
        """
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > LONGEST:
            raise BodyTooLargeError
        mine = bytearray()
        try:
            await self._fill(mine, request)
            yield bytes(mine)
        finally:
            self.held -= len(mine)

    async def _fill(self, mine: bytearray, request: Request) -> None:
        try:
            async with asyncio.timeout(self.patience):
                async for chunk in request.stream():
                    if len(mine) + len(chunk) > LONGEST:
                        raise BodyTooLargeError
                    if self.held + len(chunk) > _TOGETHER:
                        raise NoRoomError
                    mine += chunk
                    self.held += len(chunk)
        except TimeoutError:
            raise BodyTooSlowError from None
        except ClientDisconnect:
            raise BodyCutError from None
