"""A release whose process is killed again and again ends as an undisturbed one would, and nothing happens twice."""

import os
import signal
import time
from collections import Counter

import pytest

from stationmaster.domain.entries import Entry
from stationmaster.ledger.store import Ledger
from tests.stories.sandbox import Sandbox

pytestmark = pytest.mark.slow
RELEASE = "killed"
KILL_AT = ("cut", "built", "tested", "planned", "briefed", "expanded", "deployed", "promoted")


def test_killed_at_many_steps_the_release_goes_on_where_it_stopped(sandbox: Sandbox) -> None:
    before = len(sandbox.messages()), len(sandbox.failures())
    with sandbox.ledger() as ledger:
        for step in KILL_AT:
            if step == "briefed":
                start(sandbox)
                assert sandbox.run("approve", RELEASE, "--key", sandbox.key("rosa")).code == 0
            kill_after(sandbox, ledger, step)
        done = sandbox.run("release", "start", RELEASE, "--json")
        assert (done.code, done.json["stage"]) == (0, "released"), done.err
        entries = ledger.entries(RELEASE)
    happened = Counter(
        (entry.step, entry.subject, entry.fact.get("progress"))
        for entry in entries
        if entry.step not in {"started", "waiting", "verdict"}
    )
    assert [one for one, times in happened.items() if times > 1] == []
    assert sum(entry.step == "started" for entry in entries) >= len(KILL_AT)
    digest = done.json["digest"]
    assert {sandbox.answers_of(tenant) for tenant in done.json["tenants"]} == {digest}
    assert len([one for one in sandbox.messages()[before[0] :] if "thread_ts" not in one]) == 1
    assert len(sandbox.failures()) == before[1]


def start(sandbox: Sandbox) -> None:
    assert sandbox.run("release", "start", RELEASE, "--ref", "v1.4.0", "--starter", "ana").code == 4


def kill_after(sandbox: Sandbox, ledger: Ledger, step: str) -> None:
    """Start a leg and SIGKILL its process at the first new entry of a step."""
    seen = len(ledger.entries())
    assert sandbox.run("release", "start", RELEASE, "--ref", "v1.4.0", "--starter", "ana", "--detach").code == 0
    deadline = time.monotonic() + 90
    while not [entry for entry in new(ledger, seen) if entry.step == step]:
        assert time.monotonic() < deadline, f"no entry {step} after {[entry.step for entry in new(ledger, seen)]}"
        time.sleep(0.01)
    for pid in sandbox.flow_processes():
        os.kill(pid, signal.SIGKILL)


def new(ledger: Ledger, after: int) -> list[Entry]:
    return ledger.entries(RELEASE, after=after - 1)
