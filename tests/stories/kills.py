"""Kills processes of a sandbox at chosen moments of a release, and counts at the receiving ends what came of it."""

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from stationmaster.blocks.supervisor import Supervisor
from stationmaster.domain.entries import OBSERVED, Entry
from stationmaster.domain.stages import CLOSED, fold
from stationmaster.ledger.faults import LedgerUnreachableError
from stationmaster.ledger.store import Ledger
from tests.stories.bumps import Bump
from tests.stories.sandbox import Sandbox

_RECOVERY = 30.0  # seconds
_PATIENCE = 240.0  # seconds for whatever has to come

# What differs from run to run: when, how long, how much, where, and what was counted.
_MEASURED = frozenset(
    {"seconds", "size", "log", "ts", "colour", "counts", "reason", "decided_at", "decided_ms", "placements", "message"}
)


@dataclass(frozen=True)
class Release:
    """One release of the product under test, and how it is driven."""

    sandbox: Sandbox
    ledger: Ledger
    bump: Bump

    @property
    def id(self) -> str:
        return self.bump.release

    def entries(self) -> list[Entry]:
        """Also of a ledger whose server was killed a moment ago."""
        deadline = time.monotonic() + _RECOVERY
        while True:
            try:
                return self.ledger.entries(self.id)
            except LedgerUnreachableError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def start(self) -> None:
        """Has it go on now, without waiting."""
        words = ("release", "start", self.id, "--ref", self.bump.tag, "--starter", "ana", "--detach")
        done = self.sandbox.run(*words)
        assert done.code in {0, 1}, done.err
        assert done.code == 0 or "lease_held" in done.err or self.over, done.err

    def approve(self) -> None:
        assert self.sandbox.run("approve", self.id, "--key", self.sandbox.key("rosa")).code == 0

    @property
    def over(self) -> bool:
        return fold(self.entries()) in CLOSED

    def when(self, there: Callable[[list[Entry]], bool], words: str) -> None:
        """Wait for what the ledger must show."""
        deadline = time.monotonic() + _PATIENCE
        while not there(self.entries()):
            assert time.monotonic() < deadline, f"no {words}: {[entry.step for entry in self.entries()][-12:]}"
            time.sleep(0.01)

    def after(self, step: str, seen: int) -> None:
        """Wait for an entry of a step after the first `seen`."""
        self.when(lambda entries: any(entry.step == step for entry in entries[seen:]), step)

    def finish(self) -> None:
        """Nobody starts it any more; the watchdog sees to it. It is signed when it waits for that."""
        deadline = time.monotonic() + _PATIENCE
        while not self.over:
            entries = self.entries()
            if entries[-1].step == "waiting" and entries[-1].fact["for"] == "approval":
                self.approve()
            assert fold(entries) not in {"failed", "held"} or entries[-1].fact.get("cause") == "unwatched", entries[-1]
            assert time.monotonic() < deadline, [entry.step for entry in entries][-12:]
            time.sleep(0.2)
        self.when(
            lambda entries: (entries[-1].step, entries[-1].subject) == ("told", self.id), "last word in the brief"
        )


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def kill_flow(sandbox: Sandbox) -> int:
    """How many processes of flow runs were there to be killed."""
    found = sandbox.flow_processes()
    for pid in found:
        kill(pid)
    return len(found)


def kill_unit(sandbox: Sandbox, name: str) -> None:
    """The process of a unit of the supervisor, which starts it again."""
    pid = Supervisor(socket=sandbox.stack["supervisor"]).units()[name].pid
    assert pid is not None
    kill(pid)


@dataclass(frozen=True)
class Received:
    """What the receiving ends say that a release did: every number but `failed` is 1, or names who saw another."""

    builds: int
    deploys: dict[str, int]  # instance to how often a process of the new version was started
    migrations: dict[str, int]  # database to how often the revision ran
    messages: int
    failed: int  # requests of the traffic

    @property
    def once(self) -> bool:
        counts = [self.builds, self.messages, *self.deploys.values(), *self.migrations.values()]
        return set(counts) == {1} and len(self.deploys) == len(self.migrations) > 1


@contextmanager
def counted(release: Release) -> Iterator[list[Received]]:
    """Counts from here to the end of the block."""
    sandbox, found = release.sandbox, list[Received]()
    log = (sandbox.run_dir / "supervisor.log").stat().st_size
    artifacts, messages, failures = _artifacts(sandbox), len(_briefs(sandbox)), len(sandbox.failures())
    yield found
    started = (sandbox.run_dir / "supervisor.log").read_bytes()[log:].decode()
    found.append(
        Received(
            builds=len(_artifacts(sandbox) - artifacts),
            deploys=dict(Counter(re.findall(r" (\S+)_[ab] \(\d+\) started", started))),
            migrations=_migrations(release),
            messages=len(_briefs(sandbox)) - messages,
            failed=len(sandbox.failures()) - failures,
        )
    )


def _artifacts(sandbox: Sandbox) -> set[str]:
    return {path.name for path in (sandbox.run_dir / "artifacts").glob("sha256/*/*") if path.is_file()}


def _briefs(sandbox: Sandbox) -> list[dict[str, Any]]:
    """What releases posted; alerts of crashed runs have no key."""
    return [one for one in sandbox.messages() if "thread_ts" not in one and "metadata" in one]


def _migrations(release: Release) -> dict[str, int]:
    copy = release.sandbox.home / ".stationmaster" / "blocks" / "database" / "orderdesk.json"
    found = {}
    for instance, url in json.loads(copy.read_text())["databases"].items():
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            sql = "SELECT count(*) FROM applied WHERE revision = %s"
            row = connection.execute(sql, (release.bump.revision,)).fetchone()
            found[instance] = row[0] if row else 0
    return found


def story(release: Release) -> list[tuple[str, str, str]]:
    """What the ledger says of a release, without what differs from one to the next of its kind: names, what was
    measured, and that it was interrupted.
    """
    entries = release.entries()
    facts = {entry.step: entry.fact for entry in entries}
    before = {revision for entry in entries if entry.step == "expanded" for revision in entry.fact["before"]}
    names = {
        **dict.fromkeys(before - {release.bump.revision}, "BEFORE"),
        facts["built"]["digest"]: "DIGEST", release.bump.commit: "COMMIT", release.bump.version: "VERSION",
        release.id: "RELEASE", release.bump.revision: "REVISION",
        **dict.fromkeys(facts["cut"]["previous"], "PREVIOUS"),
    }  # fmt: skip
    kept = [entry for entry in entries if entry.step not in OBSERVED | {"approval"}]
    return [(entry.step, _renamed(entry.subject, names), _renamed(_plain(entry.fact), names)) for entry in kept]


def _plain(fact: dict[str, Any]) -> str:
    text = json.dumps({name: value for name, value in fact.items() if name not in _MEASURED}, sort_keys=True)
    return re.sub(r'"seconds": [\d.]+|"(log|start|end)": "[^"]+"', '"…": 0', text)


def _renamed(text: str, names: dict[str, str]) -> str:
    for name, word in names.items():
        text = text.replace(name, word)
    return re.sub(r"sha256:[0-9a-f]{64}", "DIGEST", text)
