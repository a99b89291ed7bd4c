"""A whole sandbox for the stories, driven through the command a person types."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from stationmaster.ledger.store import Ledger

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Answered:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@dataclass
class Sandbox:
    """One home folder, and what runs for it."""

    home: Path
    demo: dict[str, Any] = field(default_factory=dict)

    def run(self, *words: str, timeout: float = 300, **env: str) -> Answered:
        """`stationmaster WORDS`, as a person types it."""
        done = subprocess.run(
            [sys.executable, "-m", "stationmaster.cli.main", *words],
            env=self.environment(**env), cwd=self.home, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stdout + done.stderr
        return Answered(done.returncode, done.stdout, done.stderr)

    def environment(self, **more: str) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        home = {"HOME": str(self.home), "STATIONMASTER_HOME": str(self.home / ".stationmaster")}
        return {"PATH": path, "LANG": "C.UTF-8", "STATIONMASTER_USER": "ana", **home, **more}

    @property
    def stack(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / ".stationmaster" / "stack.json").read_text())
        return found

    @property
    def run_dir(self) -> Path:
        return Path(self.stack["run"])

    def key(self, person: str) -> str:
        return str(self.run_dir / "people" / "keys" / f"{person}.pem")

    def answers_of(self, tenant: str) -> str:
        """The digest of the artifact that answers a tenant through the front door."""
        answer = httpx.get(f"{self.stack['front']}/version", headers={"X-Tenant": tenant}, timeout=5)
        assert answer.status_code == 200
        return str(answer.json()["digest"])

    def messages(self) -> list[dict[str, Any]]:
        """What the Slack-shaped receiver keeps: each message as it is now, in the order in which they were posted."""
        lines = (self.run_dir / "messages.jsonl").read_text().splitlines()
        return list({message["ts"]: message for message in map(json.loads, lines)}.values())

    def notices(self) -> list[dict[str, Any]]:
        """Messages to support, each the first of its thread. The requests to approve are not to support."""
        return [one for one in self.messages() if "thread_ts" not in one and not _asks(one)]

    def failures(self) -> list[dict[str, Any]]:
        """Requests of the traffic that failed so far."""
        lines = (self.run_dir / "traffic.jsonl").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["kind"] == "failure"]

    def ledger(self) -> Ledger:
        """The ledger itself, past the command line."""
        copy = json.loads((self.home / ".stationmaster" / "blocks" / "ledger" / "orderdesk.json").read_text())
        return Ledger.open(copy["url"])

    def flow_processes(self) -> set[int]:
        """The processes in which flow runs are under way."""
        return {pid for pid in self.processes() if b"prefect.engine" in Path(f"/proc/{pid}/cmdline").read_bytes()}

    def processes(self) -> set[int]:
        """Every process that has the run directory in its environment or command."""
        mark = str(self.run_dir).encode()
        return {int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit() and _mentions(place, mark)}


def _asks(message: dict[str, Any]) -> bool:
    key: str = message.get("metadata", {}).get("event_payload", {}).get("key", "")
    return "/approval/" in key


def _mentions(place: Path, mark: bytes) -> bool:
    try:
        return mark in (place / "cmdline").read_bytes() or mark in (place / "environ").read_bytes()
    except OSError:
        return False
