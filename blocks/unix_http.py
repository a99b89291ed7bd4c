"""One GET over a unix socket, straight to a process and past the proxy. Standard library only: it is asked often."""

import http.client
import json
import socket
from typing import Any

_MOST = 1 << 20  # bytes of an answer


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def get(path: str, target: str, timeout: float) -> tuple[int, bytes] | None:
    """Status and body of GET `target`, or None when nobody answers on the socket `path`."""
    connection = _Connection(path, timeout)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read(_MOST)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def get_json(path: str, target: str, timeout: float) -> dict[str, Any] | None:
    """The JSON object of a 200 answer, else None."""
    answer = get(path, target, timeout)
    if answer is None or answer[0] != http.client.OK:
        return None
    try:
        value = json.loads(answer[1])
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
