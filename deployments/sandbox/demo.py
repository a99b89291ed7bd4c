"""The demo's story: a product with traffic, a release through every gate, and what it cost its users, in figures.

It releases the way a person does: through the Prefect server, with an approval signed by somebody else's key.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stationmaster.blocks.supervisor import Supervisor
from stationmaster.deployments import descriptor, stack
from stationmaster.deployments.sandbox.services import start_traffic
from stationmaster.deployments.sandbox.traffic_log import TrafficLog
from stationmaster.deployments.sandbox.world import PRODUCT, World, build_world
from stationmaster.deployments.stack import Say
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import InputError


@dataclass(frozen=True)
class Scenario:
    """One release of the demo, and how it must end."""

    name: str
    ref: str
    promise: str
    story: str


GOOD = Scenario(
    "good", "v1.2.0", "released",
    "Orderdesk 1.2.0 adds a column (expand) and writes it beside the old one. Nothing should happen to anybody.",
)  # fmt: skip
SCENARIOS: dict[str, tuple[Scenario, ...]] = {"good": (GOOD,), "all": (GOOD,)}
APPROVER = "rosa"


def prepare(say: Say, ui_port: int | None) -> tuple[World, TrafficLog]:
    """A sandbox with the version before installed and traffic flowing. One of an earlier demo is replaced."""
    _clear(say)
    world = build_world(stack.bring_up(say, ui_port), say)
    supervisor = Supervisor(socket=world.descriptor.supervisor)
    password = world.toolbox.secrets.journeys["PROBE_PASSWORD"].get_secret_value()
    log = start_traffic(world.descriptor, supervisor, password)
    say(f"traffic flows: {log.rate():.0f} requests a second from {len(world.toolbox.target.routes()) - 1} tenants")
    return world, log


def _clear(say: Say) -> None:
    try:
        found = descriptor.load()
    except InputError:
        return
    if found.product == PRODUCT:
        say(f"ending the sandbox of an earlier demo in {found.run}")
        stack.take_down(say, delete=True)


def result(world: World, scenario: Scenario, release: str, log: TrafficLog, since: float) -> dict[str, Any]:
    """What one release did, from the ledger, the processes and the traffic."""
    entries = world.toolbox.ledger.entries(release)
    facts = {entry.step: entry.fact for entry in entries}
    stage = "released" if "released" in facts else "failed"
    return {
        "id": release,
        "scenario": scenario.name,
        "outcome": stage,
        "digest": facts.get("built", {}).get("digest"),
        "waves": _waves(entries),
        "breach_to_safe_seconds": None,
        "bad_requests": None,
        "failed_requests_from_deploy": len(log.failures(since)),
    }


def _waves(entries: list[Entry]) -> list[dict[str, Any]]:
    planned: list[dict[str, Any]] = next((e.fact["waves"] for e in reversed(entries) if e.step == "planned"), [])
    verdicts = {entry.subject: entry.fact["verdict"] for entry in entries if entry.step == "verdict"}
    return [
        {"ring": wave["ring"], "tenants": wave["tenants"], "verdict": verdicts.get(wave["ring"])} for wave in planned
    ]


def summary(world: World, results: list[dict[str, Any]], log: TrafficLog, since: float) -> str:
    """What happened, in words and figures."""
    found = world.descriptor
    running = world.toolbox.target.running()
    lines = [""]
    for one in results:
        waves = ", ".join(f"{wave['ring']} {wave['verdict']}" for wave in one["waves"])
        lines += [
            f"{one['id']}: {one['outcome']}",
            f"  artifact        {one['digest']}, built once",
            f"  waves           {waves}",
            f"  asked           {len(running)} processes answer: {_answers(running)}",
            f"  traffic         {_traffic(log, since)}; {one['failed_requests_from_deploy']} failed",
        ]
    return "\n".join(
        [
            *lines,
            "",
            f"Prefect UI        {found.prefect_ui}   (user:password in {found.prefect_auth})",
            f"Slack messages    {found.messages}",
            f"people, keys      {found.public_keys}   (demo keys, made for this sandbox)",
            f"ledger            stationmaster release status {results[-1]['id']}",
            "end it            stationmaster down",
        ]
    )


def _traffic(log: TrafficLog, since: float) -> str:
    return f"{log.sent(since):,} requests in {time.time() - since:.0f} s, {log.latency(since)}"


def _answers(running: tuple[Any, ...]) -> str:
    versions = sorted({f"{one.version} {str(one.digest)[:19]}…" for one in running})
    return "; ".join(versions)


def key_of(world: World, person: str) -> Path:
    """A person's demo key."""
    return world.people.keys[person]
