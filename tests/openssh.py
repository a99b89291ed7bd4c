"""OpenSSH's own agent for tests, with keys that are made for them."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stationmaster.blocks.ssh_agent import AgentAwayError, SshAgent
from stationmaster.blocks.ssh_wire import string


@dataclass(frozen=True)
class OpenSsh:
    """A real agent, and how keys come into it."""

    path: str
    folder: Path

    @property
    def agent(self) -> SshAgent:
        return SshAgent(self.path)

    def run(self, *command: str, given: str = "") -> None:
        environment = {"SSH_AUTH_SOCK": self.path, "PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        subprocess.run(command, input=given, env=environment, check=True, capture_output=True, text=True, timeout=20)

    def add(self, name: str, kind: str = "ed25519") -> Path:
        """A new key in the agent, and its public file."""
        self.run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(self.folder / name))
        self.run("ssh-add", "-q", str(self.folder / name))
        return self.folder / f"{name}.pub"

    def lock(self, password: str) -> None:
        """`ssh-add -x` wants a terminal; this is what it sends."""
        with socket.socket(socket.AF_UNIX) as sent:
            sent.settimeout(10)
            sent.connect(self.path)
            sent.sendall(string(b"\x16" + string(password.encode())))
            assert sent.recv(5) == b"\0\0\0\1\6"


@pytest.fixture
def openssh() -> Iterator[OpenSsh]:
    program = shutil.which("ssh-agent")
    assert program, "these tests need openssh-client: nothing else shows that a real agent is understood"
    with tempfile.TemporaryDirectory(prefix="stm-") as folder:
        path = Path(folder) / "agent"
        with subprocess.Popen([program, "-D", "-a", str(path)], stdout=subprocess.DEVNULL) as process:
            try:
                await_answer(path)
                yield OpenSsh(str(path), Path(folder))
            finally:
                process.terminate()


def await_answer(path: Path) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            SshAgent(str(path)).keys()
        except AgentAwayError:
            assert time.monotonic() < end
            time.sleep(0.01)
        else:
            return
