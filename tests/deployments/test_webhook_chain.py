"""From a pull request that was merged to every tenant, through the processes that `up` starts and nothing else."""

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from stationmaster.blocks.hooks import read_receiver
from tests.blocks.code_host_server import Server, serving
from tests.hook_deliveries import Event, body_of, github, merged
from tests.receiver_process import Message, send
from tests.repository import Repository
from tests.stories.sandbox import Sandbox

pytestmark = pytest.mark.slow
REPOSITORY = "orderdesk/orderdesk"
FIX, NEXT = 31, 32  # pull requests: into the hotfix branch, and into main
_FRAGMENT = """\
---
kind: fixed
audience: internal
---
What was wrong is right.
"""
_BLOCK = """
import sys
from stationmaster.deployments import descriptor
descriptor.load().connect()
from stationmaster.blocks.collection import Host
Host(host="github", repository=sys.argv[1], url=sys.argv[2]).save("orderdesk")
"""


@dataclass
class Chain:
    """A sandbox that runs 1.2.0, its code host, and what was merged there."""

    sandbox: Sandbox
    host: Server
    events: dict[int, Event]
    scheduled_before: list[dict[str, Any]] = field(default_factory=list)  # of catch-up, before there was a code host

    @property
    def fix(self) -> str:
        """The commit that was merged into the hotfix branch."""
        return str(self.events[FIX]["pull_request"]["merge_commit_sha"])

    @property
    def release(self) -> str:
        return f"orderdesk-1-2-0-hotfix-{self.fix[:12]}"

    def send(self, messages: list[tuple[str, bytes, str]]) -> list[dict[str, Any] | None]:
        """Deliveries by event, body and id, many at once, each signed with the hook's secret."""
        secret = read_receiver(str(self.sandbox.run_dir / "receiver.yaml")).value.hooks["orderdesk"].secret
        assert secret is not None
        key = secret.get_secret_value()
        told: list[Message] = [("orderdesk", body, github(body, key, event, name)) for event, body, name in messages]
        return asyncio.run(send(self.sandbox.stack["receiver"], told))

    def runs(self) -> dict[str, str]:
        """Every flow run of `release`: its name and its state."""
        return {run["name"]: run["state"]["name"] for run in self.ask("flow_runs/filter", _RELEASES)}

    def ask(self, path: str, question: dict[str, Any]) -> Any:
        found = self.sandbox.stack
        user, _, password = Path(found["prefect_auth"]).read_text().strip().partition(":")
        url = f"{found['prefect_ui']}/api/{path}"
        return httpx.post(url, json=question, auth=(user, password), timeout=10).raise_for_status().json()

    def inbox(self) -> dict[int, str]:
        """Pull request to what became of it, as a person reads it who names no file."""
        listed = self.sandbox.run("inbox", "list", "--json").json["changes"]
        return {one["number"]: one["became"] for one in listed}


_RELEASES = {"flows": {"name": {"any_": ["release"]}}}


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with tempfile.TemporaryDirectory(prefix="stm-home-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        made = Sandbox(Path(folder))
        try:
            done = made.run("demo", "--scenario", "good", "--json", timeout=360)
            assert done.code == 0, done.err
            with serving() as host:
                command = [sys.executable, "-W", "ignore", "-c", _BLOCK, REPOSITORY, host.url]
                subprocess.run(command, env=made.environment(), check=True, timeout=60)
                found = Chain(made, host, _merged_twice(made, host))
                found.scheduled_before = _catch_up(found)["schedules"]
                yield found
        finally:
            made.run("down", "--delete")


def _merged_twice(sandbox: Sandbox, host: Server) -> dict[int, Event]:
    """A fix of what runs on its branch, and another change on main; the code host knows both pull requests."""
    git = Repository(sandbox.run_dir / "orderdesk")
    next_ = git.commit(f"Say what comes next (#{NEXT})", {"README.md": "Orderdesk\n"})
    git.git("checkout", "--quiet", "-b", "hotfix/1.2.0", "v1.2.0")
    fix = git.commit(
        f"Mend what runs (#{FIX})", {"src/orderdesk/mended.py": "MENDED = True\n", f"changes/od-{FIX}.md": _FRAGMENT}
    )
    git.git("checkout", "--quiet", "main")
    return {number: _known(host, number, base, commit) for number, base, commit in (
        (FIX, "hotfix/1.2.0", fix), (NEXT, "main", next_),
    )}  # fmt: skip


def _known(host: Server, number: int, base: str, commit: str) -> Event:
    event = merged(
        number, repository__full_name=REPOSITORY, pull_request__base__ref=base, pull_request__merge_commit_sha=commit
    )
    place = f"/repos/{REPOSITORY}/pulls/{number}"
    host.tell(place, event["pull_request"])
    author = {"name": "Tomasz Nowak", "email": "tomasz.nowak@orderdesk.example"}
    commits = [{"sha": commit, "commit": {"author": author, "message": "Mend"}, "author": {"login": "tomasz"}}]
    host.tell(f"{place}/commits", commits)
    host.tell(f"{place}/files", [{"filename": f"changes/od-{number}.md"}])
    host.tell(f"{place}/reviews", [])
    return event


def _within(seconds: float, what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def told(chain: Chain) -> float:
    """Seconds from the first of many deliveries to the flow run of the release that they start."""
    fix, other = body_of(chain.events[FIX]), body_of(chain.events[NEXT])
    pushed = body_of({**chain.events[FIX], "action": "synchronize"})
    twenty = [("pull_request", fix, f"fix-{number % 5}") for number in range(20)]  # five deliveries, each four times
    messages = [*twenty, ("pull_request", other, "next-1"), ("pull_request", pushed, "push-1"), ("ping", b"{}", "ping")]
    random.Random(31).shuffle(messages)  # noqa: S311 - any order will do
    began = time.monotonic()
    answers = chain.send(messages)
    _within(60, lambda: chain.release in chain.runs())
    took = time.monotonic() - began
    assert None not in answers
    assert sum(bool(answer and answer["accepted"] and not answer["duplicate"]) for answer in answers) == 2
    _within(60, lambda: chain.inbox() == {FIX: f"release {chain.release}", NEXT: "aboard the next train"})
    return took


@pytest.fixture(scope="module")
def released(chain: Chain, told: float) -> dict[str, Any]:
    """The status of the release at its end, which rosa approved: Ben committed the fix."""
    status = _within(120, lambda: _stage(chain, "approval"))
    assert (status["kind"], status["version"].split("-")[0]) == ("hotfix", "1.2.0")
    approved = chain.sandbox.run("approve", chain.release, "--key", chain.sandbox.key("rosa"), "--json")
    assert (approved.code, approved.json["satisfied"]) == (0, True)
    done: dict[str, Any] = _within(240, lambda: _stage(chain, None))
    return done


def test_the_flow_run_is_there_within_seconds(told: float) -> None:
    assert told < 20  # 2 s between two looks at the inbox, and the time to ask the host and git


def test_one_release_brings_the_fix_to_every_tenant(chain: Chain, released: dict[str, Any]) -> None:
    assert len(released["tenants"]) == 14
    assert set(released["tenants"].values()) == {released["version"]}
    assert {chain.sandbox.answers_of(tenant) for tenant in released["tenants"]} == {released["digest"]}
    assert chain.runs() == {"orderdesk-1-2-0": "Released", chain.release: "Released"}


def _stage(chain: Chain, waits: str | None) -> dict[str, Any] | None:
    """The release's status when it waits for that; for nothing: when every tenant has it."""
    status = chain.sandbox.run("release", "status", chain.release, "--json")
    if status.code:
        return None
    found = status.json
    wanted = found["waiting_for"] == "approval" if waits else found["stage"] == "released"
    return found if wanted else None


@pytest.mark.usefixtures("released")
def test_what_comes_again_after_the_release_starts_nothing(chain: Chain) -> None:
    before = chain.runs()
    (answer,) = chain.send([("pull_request", body_of(chain.events[FIX]), "fix-again")])
    assert answer is not None
    assert (answer["accepted"], answer["duplicate"]) == (True, True)
    time.sleep(5)  # the worker looks every 2 s
    assert chain.runs() == before


@pytest.mark.usefixtures("released")
def test_catch_up_is_scheduled_from_the_first_up_that_finds_the_code_host(chain: Chain) -> None:
    assert chain.scheduled_before == []  # the demo's `up` found none
    first = chain.sandbox.run("up", "--json").json
    assert chain.sandbox.run("up", "--json").json == first
    found = _catch_up(chain)
    assert [one["schedule"]["cron"] for one in found["schedules"]] == ["*/15 * * * *"]
    assert found["parameters"] == {"request": {"config": str(chain.sandbox.run_dir / "receiver.yaml")}}


def _catch_up(chain: Chain) -> Any:
    (found,) = chain.ask("deployments/filter", {"flows": {"name": {"any_": ["catch-up"]}}})
    return found


@pytest.mark.usefixtures("released")
def test_the_receiver_comes_back_on_its_port_with_what_a_person_wrote(chain: Chain) -> None:
    address, path = chain.sandbox.stack["receiver"], chain.sandbox.run_dir / "receiver.yaml"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(path.read_text() + "  mine: {host: github, product: orderdesk, secret: mine}\n")
    assert chain.sandbox.run("down").code == 0
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{address}/healthz", timeout=2)
    assert chain.sandbox.run("up", "--json").json["receiver"] == address
    body = json.dumps({}).encode()
    answer = httpx.post(f"{address}/hooks/mine", content=body, headers=github(body, "mine", "ping", "p"), timeout=5)
    assert answer.json() == {"accepted": False, "reason": "a ping: the hook works"}
    units = {one["name"]: one["ok"] for one in chain.sandbox.run("doctor", "--json").json["findings"]}
    assert (units["receiver"], units["inbox"]) == (True, True)


@pytest.mark.usefixtures("released")
def test_a_wrong_edit_is_said_with_its_line_and_what_ran_goes_on(chain: Chain) -> None:
    path = chain.sandbox.run_dir / "receiver.yaml"
    before = path.read_text()
    wrong = before.replace("host: github", "host: gitbub", 1)
    line = next(n for n, text in enumerate(wrong.splitlines(), 1) if "gitbub" in text)
    path.write_text(wrong)
    told = chain.sandbox.run("up", "--json")
    path.write_text(before)
    error = told.json["error"]
    assert (told.code, error["file"], error["line"]) == (2, str(path), line)
    assert httpx.get(f"{chain.sandbox.stack['receiver']}/healthz", timeout=5).json() == {"ok": True}
