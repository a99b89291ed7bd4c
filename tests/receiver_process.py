"""The real receiver as a process of its own, and senders who keep what was acknowledged to them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.hook_deliveries import SECRET, STANDARD

_PROGRAM = "import sys; from stationmaster.cli.receiver import receiver; receiver(config=sys.argv[1], port=0)"
_FILE = """\
inbox: {inbox}
hooks:
  hub: {{host: github, product: shop, secret_env: HOOK_SECRET, base: [main, master]}}
  lab: {{host: gitlab, product: shop, secret_env: HOOK_SECRET, base: [main, master]}}
  lab-signed: {{host: gitlab, product: shop, secret: "{standard}", base: [main, master]}}
"""
SENDERS = 32  # connections, as a host's workers have them

Message = tuple[str, bytes, dict[str, str]]  # hook, body, headers


@dataclass
class Running:
    """A receiver that listens."""

    process: "subprocess.Popen[str]"
    url: str

    def rss(self) -> int:
        """Bytes of memory it holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


@contextmanager
def running(folder: Path, inbox: str, **environment: str) -> Iterator[Running]:
    """Started, and ended at the end of the block unless that was done before."""
    config = folder / "receiver.yaml"
    config.write_text(_FILE.format(inbox=inbox, standard=STANDARD))
    env = {**os.environ, "HOOK_SECRET": SECRET, "STATIONMASTER_HOME": str(folder / "home"), **environment}
    command = [sys.executable, "-W", "error", "-c", _PROGRAM, str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            assert said.startswith("listening on http://127.0.0.1:"), said + process.stderr.read()
            url = said.split()[-1]
            httpx.get(f"{url}/healthz", timeout=20).raise_for_status()
            yield Running(process, url)
        finally:
            process.kill()


async def send(
    url: str, messages: Sequence[Message], heard: Callable[[], None] = lambda: None
) -> list[dict[str, Any] | None]:
    """Each message once, in that order, over SENDERS connections. The answer of each that was answered 202; `heard` is
    called for each of those.
    """
    answers: list[dict[str, Any] | None] = [None] * len(messages)
    waiting = iter(enumerate(messages))

    async def work(client: httpx.AsyncClient) -> None:
        for number, (hook, body, headers) in waiting:
            with suppress(httpx.TransportError):  # it was killed
                answer = await client.post(f"/hooks/{hook}", content=body, headers=headers)
                if answer.status_code == httpx.codes.ACCEPTED:
                    answers[number] = answer.json()
                    heard()

    async with httpx.AsyncClient(base_url=url, timeout=30, limits=httpx.Limits(max_connections=SENDERS)) as client:
        await asyncio.gather(*(work(client) for _ in range(SENDERS)))
    return answers
