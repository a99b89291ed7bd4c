"""The data types of SSH's wire (RFC 4251, section 5) that an agent uses, read strictly."""

import socket
import struct
import time
from dataclasses import dataclass


@dataclass
class Reader:
    """Reads values one after another. Raises ValueError when there is less than is announced, or more at the end."""

    content: bytes
    at: int = 0

    def number(self) -> int:
        """A uint32."""
        return int.from_bytes(self._take(4))

    def string(self) -> bytes:
        """A string, which has its length in front."""
        return self._take(self.number())

    def must_be_over(self) -> None:
        if self.at != len(self.content):
            raise ValueError(f"{len(self.content) - self.at} bytes too many")

    def _take(self, length: int) -> bytes:
        if self.at + length > len(self.content):
            raise ValueError("it ends too early")
        self.at += length
        return self.content[self.at - length : self.at]


def string(content: bytes) -> bytes:
    """A string as it is sent."""
    return struct.pack(">I", len(content)) + content


def exactly(peer: socket.socket, length: int, deadline: float) -> bytes:
    """That many bytes before the deadline on the monotonic clock, however slowly they come.

    Raises:
        TimeoutError: they did not.
        ConnectionError: the peer hung up.
    """
    found = bytearray()
    while len(found) < length:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        peer.settimeout(left)
        part = peer.recv(length - len(found))
        if not part:
            raise ConnectionError("it hung up")
        found += part
    return bytes(found)
