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
from psycopg import sql

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
    {
        "seconds",
        "began",
        "ended",
        "size",
        "estimates",
        "rehearsed",
        "schema",
        "log",
        "ts",
        "colour",
        "counts",
        "reason",
        "decided_at",
        "decided_ms",
        "placements",
        "message",
        "asked_at",
        "ends",  # of a mandate: the end of its plan, and some time
        "planned",  # the index of the plan's entry
    }
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
        self.when(lambda entries: _told(entries) and entries[-1].step == "closed", "last word and list of evidence")


def _told(entries: list[Entry]) -> bool:
    """Whether the brief says how it ended."""
    last = {entry.step: entry.index for entry in entries if entry.subject == entry.release}
    return last.get("told", -1) > max(last.get("released", -1), last.get("restored", -1))


@contextmanager
def held(release: Release, step: str) -> Iterator[None]:
    """Nobody appends anything once the release has one more entry of a step, to the end of the block: whoever is killed
    meanwhile dies between that entry and the next, however fast it is.
    """
    known = max((entry.index for entry in release.entries()), default=-1)
    url = release.ledger.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_GATE,))
        connection.execute(sql.SQL(_HOLDS).format(sql.Literal(release.id), sql.Literal(step), known, _GATE))
        try:
            yield
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_GATE,))
            connection.execute("DROP TRIGGER gate ON entries")


_GATE = 4711
_HOLDS = """
CREATE OR REPLACE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM entries WHERE release = {} AND step = {} AND index > {}) THEN
        PERFORM pg_advisory_xact_lock({});
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION gate();
"""


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
    return [one for one in sandbox.notices() if "metadata" in one]


def _migrations(release: Release) -> dict[str, int]:
    copy = release.sandbox.home / ".stationmaster" / "blocks" / "database" / "orderdesk.json"
    found = {}
    for instance, url in json.loads(copy.read_text())["databases"].items():
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            counted = "SELECT count(*) FROM applied WHERE revision = %s"
            row = connection.execute(counted, (release.bump.revision,)).fetchone()
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
    kept = [entry for entry in entries if entry.step not in OBSERVED | {"approval", "attested", "closed"}]
    told = [(entry.step, _renamed(entry.subject, names), _renamed(_plain(entry.fact), names)) for entry in kept]
    # What a killed leg left unsigned the next one signs first, so the order differs, and not what is signed.
    signed = {(entry.subject, entry.fact["predicate"]) for entry in entries if entry.step == "attested"}
    told += sorted(("attested", _renamed(subject, names), predicate) for subject, predicate in signed)
    # Its entries are listed again when one more came after the list: what counts is that the last list has them all.
    last = max(entry.index for entry in entries if entry.step == "closed")
    rest = {entry.index for entry in entries if entry.index < last and entry.step != "closed"}
    (closed,) = [entry for entry in entries if entry.index == last]
    return [*told, ("closed", closed.fact["state"], str(set(closed.fact["leaves"]) == rest))]


def _plain(fact: dict[str, Any]) -> str:
    text = json.dumps({name: value for name, value in fact.items() if name not in _MEASURED}, sort_keys=True)
    return re.sub(r'"seconds": [\d.]+|"(log|start|end|ends)": "[^"]+"', '"…": 0', text)


def _renamed(text: str, names: dict[str, str]) -> str:
    for name, word in names.items():
        text = text.replace(name, word)
    return re.sub(r"sha256:[0-9a-f]{64}", "DIGEST", text)
