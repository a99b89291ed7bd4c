"""What `demo` does: brings the sandbox up, releases as a person would, and says what happened."""

import time
from typing import Any

from stationmaster.blocks.toolbox import open_ledger
from stationmaster.cli.approve import approve
from stationmaster.cli.output import answer, bold, dim, quiet, say
from stationmaster.cli.starting import submit
from stationmaster.deployments.sandbox import demo as story
from stationmaster.deployments.sandbox.people import STARTER
from stationmaster.deployments.sandbox.traffic_log import TrafficLog
from stationmaster.deployments.sandbox.world import PRODUCT, World
from stationmaster.domain.errors import Exit


def perform(scenario: str, port: int | None, *, as_json: bool) -> int:
    """One scenario or all of them; the exit code says whether each kept its promise."""
    began = time.monotonic()
    world, log = story.prepare(_step, port)
    since = time.time()
    results = [_release(world, one, log) for one in story.SCENARIOS[scenario]]
    kept = all(found["outcome"] == one.promise for found, one in zip(results, story.SCENARIOS[scenario], strict=True))
    found = world.descriptor
    answer(
        {
            "releases": results, "prefect_ui": found.prefect_ui, "prefect_auth": found.prefect_auth,
            "messages": found.messages, "public_keys": found.public_keys,
        },
        as_json=as_json,
        text=story.summary(world, results, log, since),
    )  # fmt: skip
    _step(f"done in {time.monotonic() - began:.0f} s")
    return Exit.YES if kept else Exit.NO


def _release(world: World, scenario: story.Scenario, log: TrafficLog) -> dict[str, Any]:
    """Start, sign with a demo key when it waits for that, go on."""
    _step(f"{bold('scenario ' + scenario.name)}: {scenario.story}")
    since = time.time()
    release = _leg(None, scenario.ref)
    _step(f"the release waits for an approval; {story.APPROVER} signs it with a demo key of this sandbox")
    with quiet():
        approve(release, key=story.key_of(world, story.APPROVER), product=PRODUCT)
    _leg(release, scenario.ref)
    return story.result(world, scenario, release, log, since)


def _leg(release: str | None, ref: str) -> str:
    request, run = submit(release, product=PRODUCT, ref=ref, starter=STARTER)
    _step(f"{bold(request.id)} started by {STARTER}: {dim(run.url)}")
    with open_ledger(PRODUCT) as ledger:
        run.follow(ledger, lambda sentence: say(f"    {sentence}"))
    return request.id


def _step(text: str) -> None:
    say(f"{dim(time.strftime('%H:%M:%S'))} {text}")
