"""The demo as a whole: how long it takes a second time, and what the release cost the traffic.

A sandbox of its own is brought up and ended. Figures: whole seconds of the command, requests in the release and how
many failed, latency in and around it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from stationmaster.deployments.sandbox.traffic_log import TrafficLog


def main() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="stm-bench-", dir="/tmp", ignore_cleanup_errors=True) as home:
        try:
            return _figures(home)
        finally:
            _stationmaster(home, "down", "--delete")


def _figures(home: str) -> dict[str, Any]:
    began = time.monotonic()
    demo = json.loads(_stationmaster(home, "demo", "--scenario", "good", "--json"))
    seconds = time.monotonic() - began
    stack = json.loads((Path(home) / "stack.json").read_text())
    log = TrafficLog(Path(stack["run"]) / "traffic.jsonl")
    (release,) = demo["releases"]
    return {
        "demo_seconds": round(seconds, 1),
        "outcome": release["outcome"],
        "requests": log.sent(),
        "failed_requests_from_deploy": release["failed_requests_from_deploy"],
        "latency": log.latency(),
    }


def _stationmaster(home: str, *words: str) -> str:
    command = [sys.executable, "-m", "stationmaster.cli.main", *words]
    env = {**os.environ, "STATIONMASTER_HOME": home}
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=600).stdout
