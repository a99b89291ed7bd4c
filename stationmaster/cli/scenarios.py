"""What `demo` does: brings the sandbox up, releases as a person would, and says what happened."""

import time

from stationmaster.blocks.toolbox import open_ledger
from stationmaster.cli.approve import approve
from stationmaster.cli.output import answer, bold, dim, quiet, say
from stationmaster.cli.starting import submit
from stationmaster.deployments.sandbox import demo as story
from stationmaster.deployments.sandbox.orderdesk import PRODUCT
from stationmaster.deployments.sandbox.people import STARTER
from stationmaster.deployments.sandbox.report import report
from stationmaster.deployments.sandbox.traffic_log import TrafficLog
from stationmaster.deployments.sandbox.world import World
from stationmaster.domain.errors import Exit


def perform(scenario: str, port: int | None, *, as_json: bool) -> int:
    """One scenario or all of them; the exit code says whether each kept its promise."""
    began = time.monotonic()
    world, log = story.prepare(_step, port)
    since = time.time()
    results = [_release(world, one, log) for one in story.SCENARIOS[scenario]]
    found = world.descriptor
    answer(
        {
            "releases": [one.record() for one in results], "prefect_ui": found.prefect_ui,
            "prefect_auth": found.prefect_auth, "messages": found.messages, "public_keys": found.public_keys,
            "receiver": found.receiver,
        },
        as_json=as_json,
        text=report(found, results, log, since, time.time() - since),
    )  # fmt: skip
    _step(f"done in {time.monotonic() - began:.0f} s")
    return Exit.YES if all(one.kept for one in results) else Exit.NO


def _release(world: World, scenario: story.Scenario, log: TrafficLog) -> story.Result:
    """Start, sign with a demo key when it waits for that, go on."""
    _step(f"{bold('scenario ' + scenario.name)}: {scenario.story}")
    since = time.time()
    release, waits_for = _leg(None, scenario.ref)
    if waits_for == "approval":
        _step(f"the release waits for an approval; {story.APPROVER} signs it with a demo key of this sandbox")
        with quiet():
            approve(release, key=story.key_of(world, story.APPROVER), product=PRODUCT)
        _leg(release, scenario.ref)
    return story.result(world, scenario, release, log, since)


def _leg(release: str | None, ref: str) -> tuple[str, str | None]:
    """One start, followed to its end or its next wait; the release's id, and what it waits for."""
    request, run = submit(release, product=PRODUCT, ref=ref, starter=STARTER)
    _step(f"{bold(request.id)} started by {STARTER}: {dim(run.url)}")
    with open_ledger(PRODUCT) as ledger:
        run.follow(ledger, lambda sentence: say(f"    {sentence}"))
        return request.id, run.status(ledger).waiting_for


def _step(text: str) -> None:
    say(f"{dim(time.strftime('%H:%M:%S'))} {text}")
