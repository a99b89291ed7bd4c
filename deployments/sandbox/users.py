"""Orderdesk's users, as a unit of its sandbox: requests of every tenant until the sandbox ends."""

import json
from pathlib import Path

from stationmaster.blocks.supervisor import Supervisor
from stationmaster.deployments.descriptor import Descriptor
from stationmaster.deployments.sandbox.services import service, wait_for
from stationmaster.deployments.sandbox.traffic_log import TrafficLog
from stationmaster.deployments.sandbox.traffic_plan import traffic_plan

TRAFFIC = "traffic"
_FLOWING = 50  # answers a second from which traffic counts as flowing


def start_traffic(stack: Descriptor, supervisor: Supervisor, password: str) -> TrafficLog:
    """Requests of every tenant at its rate; returns when they are answered."""
    run = Path(stack.run)
    plan = run / "traffic.json"
    plan.write_text(json.dumps(traffic_plan(password)))
    plan.chmod(0o600)
    log = TrafficLog(run / "traffic.jsonl")
    front = str(stack.front).removeprefix("http://")
    arguments = ("--front", front, "--plan", str(plan), "--out", str(log.path))
    supervisor.ensure(service(run, TRAFFIC, "traffic", arguments, {}))
    wait_for(lambda: log.rate() > _FLOWING, TRAFFIC, stack)
    return log
