"""A pooler in transaction mode, as PgBouncer is one: whoever has no transaction open has no session of the server.

It speaks as much of PostgreSQL's protocol as that needs, and hands out the session that came back last.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

_NO = {80877103, 80877104}  # requests for TLS and GSS
_TOLD = {
    "server_version": "18.0",
    "client_encoding": "UTF8",
    "server_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "integer_datetimes": "on",
}
_FAKE_PID = 4_000_000


class Pooler:
    """Listens on a port of this machine."""

    def __init__(self, server: str, database: str) -> None:
        self._server, self._database = server, database
        self._idle: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    @contextmanager
    def before(cls, server: str, database: str) -> Iterator[Self]:
        one = cls(server, database)
        try:
            yield one
        finally:
            one._listener.close()
            for session in one._idle:
                session.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        session: socket.socket | None = None
        try:
            _greet(client)
            while (asked := _request(client)) is not None:
                session = session or self._session()
                session.sendall(asked)
                answer, state = _answer(session)
                client.sendall(answer)
                if state == b"I":
                    self._idle.append(session)
                    session = None
        except (OSError, EOFError):
            pass
        finally:
            client.close()
            if session is not None:
                session.close()

    def _session(self) -> socket.socket:
        if self._idle:
            return self._idle.pop()
        session = socket.socket(socket.AF_UNIX)
        session.connect(f"{self._server}/.s.PGSQL.5432")
        words = b"\0".join([b"user", b"app", b"database", self._database.encode()]) + b"\0\0"
        session.sendall(struct.pack("!ii", len(words) + 8, 196608) + words)
        _answer(session)
        return session


def _greet(client: socket.socket) -> None:
    while True:
        (length,) = struct.unpack("!i", _exactly(client, 4))
        body = _exactly(client, length - 4)
        if struct.unpack("!i", body[:4])[0] not in _NO:
            break
        client.sendall(b"N")
    told = b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in _TOLD.items())
    ready = _message(b"Z", b"I")
    client.sendall(
        _message(b"R", struct.pack("!i", 0)) + told + _message(b"K", struct.pack("!ii", _FAKE_PID, 1)) + ready
    )


def _request(client: socket.socket) -> bytes | None:
    """Messages up to one that asks for an answer; None at the end."""
    asked = b""
    while True:
        try:
            kind, body = _read(client)
        except EOFError:
            return None
        if kind == b"X":
            return None
        asked += _message(kind, body)
        if kind in {b"Q", b"S"}:
            return asked


def _answer(session: socket.socket) -> tuple[bytes, bytes]:
    """Everything until the server waits again, and whether a transaction is open then."""
    said = b""
    while True:
        kind, body = _read(session)
        said += _message(kind, body)
        if kind == b"Z":
            return said, body


def _read(place: socket.socket) -> tuple[bytes, bytes]:
    kind = _exactly(place, 1)
    (length,) = struct.unpack("!i", _exactly(place, 4))
    return kind, _exactly(place, length - 4)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _exactly(place: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = place.recv(count - len(found))
        if not part:
            raise EOFError
        found += part
    return found
