"""A release breaks its promise while the Prefect server is down: the routes go back all the same, and the flow follows
when the server returns.
"""

import time
from collections.abc import Callable

import pytest

from stationmaster.blocks.supervisor import Supervisor
from stationmaster.domain.entries import Entry
from stationmaster.ledger.store import Ledger
from tests.stories.sandbox import Sandbox

pytestmark = pytest.mark.slow
RELEASE = "server-down"
SERVER = "prefect-server"
_PATIENCE = 180.0


def test_routes_go_back_without_the_server_and_the_flow_follows(sandbox: Sandbox) -> None:
    supervisor = Supervisor(socket=sandbox.stack["supervisor"])
    pilots = {"alpina", "fjordfisk", "kowalski"}
    with sandbox.ledger() as ledger:
        before = {tenant: sandbox.answers_of(tenant) for tenant in pilots}
        assert sandbox.run("release", "start", RELEASE, "--ref", "v1.3.0", "--starter", "ana").code == 4
        assert sandbox.run("approve", RELEASE, "--key", sandbox.key("rosa")).code == 0
        assert sandbox.run("release", "start", RELEASE, "--detach").code == 0
        when(ledger, lambda entries: any(entry.step == "briefed" for entry in entries))
        supervisor.end(SERVER)
        when(ledger, lambda entries: pilots <= {entry.subject for entry in entries if entry.step == "rolled_back"})
        assert SERVER not in supervisor.units()
        assert {tenant: sandbox.answers_of(tenant) for tenant in pilots} == before
        assert sandbox.run("up").code == 0
        when(ledger, lambda entries: entries[-1].step == "closed" and told_of_the_end(entries))
        steps = [entry.step for entry in ledger.entries(RELEASE)]
    assert (steps.count("rollback"), steps.count("restored")) == (1, 1)
    assert sandbox.run("release", "resume", RELEASE, "--reason", "1.4.0 mends it").code == 0


def told_of_the_end(entries: list[Entry]) -> bool:
    last = {entry.step: entry.index for entry in entries if entry.subject == RELEASE}
    return last.get("told", -1) > last.get("restored", len(entries))


def when(ledger: Ledger, there: Callable[[list[Entry]], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not there(ledger.entries(RELEASE)):
        assert time.monotonic() < deadline, [entry.step for entry in ledger.entries(RELEASE)][-12:]
        time.sleep(0.1)
