"""The demo as a whole: how long it takes a second time, and what each release cost the traffic.

A sandbox of its own is brought up and ended. Figures: whole seconds of the command, requests of the traffic, how many
failed in the good release, and of the broken one how long from the tick that decided to the last answer from it, how
many requests failed meanwhile, and how many before.
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
    demo = json.loads(_stationmaster(home, "demo", "--scenario", "all", "--json"))
    seconds = time.monotonic() - began
    stack = json.loads((Path(home) / "stack.json").read_text())
    log = TrafficLog(Path(stack["run"]) / "traffic.jsonl")
    good, broken = demo["releases"]
    return {
        "demo_seconds": round(seconds, 1),
        "outcomes": [good["outcome"], broken["outcome"]],
        "requests": log.sent(),
        "latency": log.latency(),
        "good_failed_requests_from_deploy": good["failed_requests_from_deploy"],
        "broken_breach_to_safe_seconds": broken["breach_to_safe_seconds"],
        "broken_bad_requests": broken["bad_requests"],
        "broken_failed_requests_from_deploy": broken["failed_requests_from_deploy"],
    }


def _stationmaster(home: str, *words: str) -> str:
    command = [sys.executable, "-m", "stationmaster.cli.main", *words]
    env = {**os.environ, "STATIONMASTER_HOME": home}
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=600).stdout
