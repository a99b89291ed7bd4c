"""The kill story: whatever is killed with SIGKILL, whenever, each release ends as an undisturbed one would, and what it
did is seen once at each receiving end. Its figures are in docs/explanation/killed.md.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stationmaster.domain.entries import Entry
from stationmaster.ledger.store import Ledger
from tests import sample
from tests.stories.bumps import bump
from tests.stories.kills import Received, Release, counted, held, kill_flow, kill_unit, story
from tests.stories.sandbox import Sandbox

pytestmark = pytest.mark.slow
Story = list[tuple[str, str, str]]
Judged = Callable[[list[Received]], None]
BEFORE_APPROVAL = ("started", "cut", "built", "tested", "expanded", "staged", "planned")
FIRST_WAVE = ("approved", "briefed", "expanded", "told", "deployed", "verdict", "promoted")
LATER_WAVES = ("promoted", "expanded", "told", "deployed", "verdict", "promoted", "told", "deployed", "released")
KILLS_OF_A_RELEASE = 10


@pytest.fixture(scope="module")
def ledger(sandbox: Sandbox) -> Iterator[Ledger]:
    with sandbox.ledger() as opened:
        yield opened


@pytest.fixture
def release(sandbox: Sandbox, ledger: Ledger) -> Release:
    return Release(sandbox, ledger, bump(sandbox))


@pytest.fixture(scope="module")
def undisturbed(sandbox: Sandbox, ledger: Ledger) -> Story:
    """What the ledger says of a release of this kind that nothing happened to."""
    release = Release(sandbox, ledger, bump(sandbox))
    release.start()
    release.after("waiting", 0)
    release.finish()
    return story(release)


@pytest.fixture
def judged(release: Release, undisturbed: Story, request: pytest.FixtureRequest) -> Judged:
    """What must be true at the end. $KILL_REPORT names a file that takes the figures for docs/explanation/killed.md."""

    def judge(found: list[Received]) -> None:
        if report := os.environ.get("KILL_REPORT"):
            with Path(report).open("a") as file:
                print(request.node.name, len(release.entries()), found[0], file=file)
        ends_as_it_would_have(release, found, undisturbed)

    return judge


def ends_as_it_would_have(release: Release, found: list[Received], undisturbed: Story) -> None:
    (received,) = found
    assert received.once, received
    assert story(release) == undisturbed
    digest = next(entry.fact["digest"] for entry in release.entries() if entry.step == "built")
    tenants = [entry.subject for entry in release.entries() if entry.step == "deployed"]
    assert {release.sandbox.answers_of(tenant) for tenant in tenants} == {digest}


@pytest.mark.parametrize(
    ("steps", "late"),
    [
        pytest.param(BEFORE_APPROVAL, False, id="before-approval"),
        pytest.param(FIRST_WAVE, True, id="first-wave"),
        pytest.param(LATER_WAVES, True, id="later-waves", marks=pytest.mark.full),
    ],
)
def test_the_flow_killed_at_every_step(release: Release, judged: Judged, steps: tuple[str, ...], *, late: bool) -> None:
    """`release start` has it go on at once; the last kill is left to the watchdog."""
    with counted(release) as found:
        if late:
            begin(release)
        for step in steps:
            seen = len(release.entries())
            with held(release, step):
                release.start()
                release.after(step, seen)
                assert kill_flow(release.sandbox) >= 1
        release.finish()
    judged(found)
    assert found[0].failed == 0


@pytest.mark.full
@pytest.mark.parametrize("number", range(5))
def test_the_flow_killed_at_random_moments(release: Release, judged: Judged, number: int) -> None:
    """Fifty in all: ten in each of five releases."""
    dice = random.Random(sample.SEED + number)  # noqa: S311 - moments of a test; the seed is printed
    killed = 0
    with counted(release) as found:
        while killed < KILLS_OF_A_RELEASE and not (release.entries() and release.over):
            if signed_when_it_waits(release):
                continue
            seen = len(release.entries())
            release.start()
            release.after("started", seen)
            time.sleep(dice.uniform(0, 9))
            killed += bool(kill_flow(release.sandbox))
        if not release.over:
            release.start()  # where it died often without a new fact, the watchdog leaves it to a person
        release.finish()
    judged(found)
    assert found[0].failed == 0
    assert killed == KILLS_OF_A_RELEASE


# The parts around it, once each at three stages; nobody starts anything again.
STAGES = ("built", "deployed", "promoted")


@pytest.mark.full
@pytest.mark.parametrize("part", ["worker", "prefect-server", "proxy", "postgres"])
def test_a_part_killed_at_three_stages(release: Release, judged: Judged, part: str) -> None:
    with counted(release) as found:
        release.start()
        for step in STAGES:
            seen = len(release.entries())
            wait_signing(release, step, seen)
            kill_unit(release.sandbox, part)
            if step != STAGES[-1]:
                time.sleep(1)
        release.finish()
    judged(found)
    assert not [entry for entry in release.entries() if entry.fact.get("verdict") == "rollback"]
    if part in {"worker", "prefect-server"}:
        assert found[0].failed == 0


def begin(release: Release) -> None:
    """To the approval, which is given."""
    release.start()
    release.after("waiting", 0)
    release.approve()


def signed_when_it_waits(release: Release) -> bool:
    entries = release.entries()
    if entries and entries[-1].step == "waiting":
        release.approve()
        return True
    return False


def wait_signing(release: Release, step: str, seen: int) -> None:
    """Wait for a step; an approval that is waited for on the way is given."""

    def there(entries: list[Entry]) -> bool:
        signed_when_it_waits(release)
        return any(entry.step == step for entry in entries[seen:])

    release.when(there, step)
