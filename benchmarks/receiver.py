"""What an acknowledgement of the receiver costs beside a bare ASGI application that answers 202 and keeps nothing.

`python -m benchmarks.receiver [SECONDS [URL]]`: 100 deliveries a second for a minute, then a burst of 1,000 over 32
connections, to both in turn, as processes of their own. Each body is a merged pull request of 22 kB, each a new one.
Without a URL the inbox lies in a temporary SQLite file. At the end every acknowledged delivery must be in the inbox.
"""

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from stationmaster.ledger.inbox import Inbox

RATE, SECONDS, BURST, CONNECTIONS = 100, 60, 1_000, 32
LIMIT_MS = 50.0
SECRET = "benchmark"  # noqa: S105 - of a receiver that lives for two minutes
_RECEIVER = "import sys; from stationmaster.cli.receiver import receiver; receiver(config=sys.argv[1], port=0)"
_BARE = """
import socket, uvicorn
answer = b'{"accepted": true}'
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listener.bind(("127.0.0.1", 0))
listener.listen(2048)
print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", file=__import__("sys").stderr, flush=True)
uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False)).run(sockets=[listener])
"""


_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_Times = dict[str, list[float]]  # milliseconds of each delivery


def main(seconds: int = SECONDS, url: str | None = None) -> dict[str, float]:
    """Milliseconds until 202, by the median and the 99th percentile, and the ratios of the medians."""
    with TemporaryDirectory() as folder:
        inbox = url or f"sqlite:///{folder}/inbox.db"
        config = Path(folder) / "receiver.yaml"
        hook = "{host: github, product: shop, secret_env: SECRET}"
        config.write_text(f"inbox: {json.dumps(inbox)}\nhooks:\n  hub: {hook}\n")
        with _process("-c", _RECEIVER, str(config)) as receiver, _process("-c", _BARE) as bare:
            ours, peers = asyncio.run(_both(receiver, bare, seconds))
        with Inbox.open(inbox) as opened:
            kept = len({arrival.change.key for arrival in opened.changes()})
    sent = RATE * seconds + BURST
    if kept != sent:
        raise SystemExit(f"{sent} were acknowledged, {kept} are there")
    sustained, burst = (_figures(name, ours[name], peers[name]) for name in ("sustained", "burst"))
    return {"deliveries": sent, "lost": sent - kept, **sustained, **burst, "limit_median_ms": LIMIT_MS}


async def _both(receiver: str, bare: str, seconds: int) -> "tuple[_Times, _Times]":
    """Of ours and of the peer, one after the other, so that none takes the other's processor."""
    return await _times(receiver, seconds), await _times(bare, seconds)


async def _times(url: str, seconds: int) -> "_Times":
    """A client library would take more time than either server: these are bare connections with bytes made before."""
    host, port = url.rpartition("/")[2].split(":")
    connections: asyncio.Queue[_Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        connections.put_nowait(await asyncio.open_connection(host, int(port)))
    sustained = await _sustained(connections, [_delivery(each) for each in range(RATE * seconds)])
    burst = await _burst(connections, [_delivery(RATE * seconds + each) for each in range(BURST)])
    while not connections.empty():
        connections.get_nowait()[1].close()
    return {"sustained": sustained, "burst": burst}


async def _sustained(connections: "asyncio.Queue[_Connection]", deliveries: list[bytes]) -> list[float]:
    """One each hundredth of a second, whether or not the one before was answered."""
    begin, sending = time.perf_counter(), []
    for each, delivery in enumerate(deliveries):
        await asyncio.sleep(begin + each / RATE - time.perf_counter())
        sending.append(asyncio.create_task(_deliver(connections, delivery)))
    return list(await asyncio.gather(*sending))


async def _burst(connections: "asyncio.Queue[_Connection]", deliveries: list[bytes]) -> list[float]:
    """As fast as the connections take them."""
    waiting = iter(deliveries)

    async def work() -> list[float]:
        return [await _deliver(connections, delivery) for delivery in waiting]

    return [took for each in await asyncio.gather(*(work() for _ in range(CONNECTIONS))) for took in each]


async def _deliver(connections: "asyncio.Queue[_Connection]", delivery: bytes) -> float:
    begin = time.perf_counter()
    reader, writer = connection = await connections.get()
    writer.write(delivery)
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    answer = await reader.readexactly(int(next(lengths).partition(b":")[2]))
    took = (time.perf_counter() - begin) * 1000
    connections.put_nowait(connection)
    if not head.startswith(b"HTTP/1.1 202 ") or json.loads(answer)["accepted"] is not True:
        raise SystemExit(f"not accepted: {head!r} {answer!r}")
    return took


def _delivery(number: int) -> bytes:
    commit = hashlib.sha256(str(number).encode()).hexdigest()
    pull_request = {
        "number": number + 1, "title": f"Change {number}", "user": {"login": "ana"}, "merged": True,
        "merged_at": "2026-11-20T14:31:08Z", "merge_commit_sha": commit, "html_url": "https://github.example/a/b/pull/1",
        "base": {"ref": "main"}, "head": {"ref": "change"}, "labels": [],
        "links": {f"link-{each}": f"https://api.github.example/repos/a/b/{each}" for each in range(350)},
    }  # fmt: skip
    body = json.dumps({"action": "closed", "repository": {"full_name": "a/b"}, "pull_request": pull_request}).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "host": "receiver",
        "content-type": "application/json",
        "content-length": len(body),
        "x-github-event": "pull_request",
        "x-github-delivery": f"d-{number}",
        "x-hub-signature-256": f"sha256={signature}",
    }
    lines = ["POST /hooks/hub HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _figures(name: str, ours: list[float], peers: list[float]) -> dict[str, float]:
    figures = {
        f"{name}_median_ms": median(ours),
        f"{name}_p99_ms": quantiles(ours, n=100)[98],
        f"{name}_bare_median_ms": median(peers),
        f"{name}_bare_p99_ms": quantiles(peers, n=100)[98],
        f"{name}_median_vs_bare": median(ours) / median(peers),
    }
    return {key: round(value, 2) for key, value in figures.items()}


@contextmanager
def _process(*arguments: str) -> Iterator[str]:
    """A server of our own, and its address."""
    command, env = [sys.executable, *arguments], {**os.environ, "SECRET": SECRET}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            said = process.stderr.readline() if process.stderr else ""
            if not said.startswith("listening on "):
                raise SystemExit(f"a server did not start: {said}")
            yield said.split()[-1]
        finally:
            process.terminate()


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if sys.argv[1:] else SECONDS, *sys.argv[2:]), indent=2))
