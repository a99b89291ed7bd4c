"""What stands in for the world in tests of tasks and flows: hand-written, in memory, and held to the same suites.

The ledger, the artifact store, the flag store, the signer and the tenant directory are the real ones, over SQLite in
memory and a temporary folder. `tests/world.py` puts them together.
"""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from pydantic import BaseModel, PrivateAttr, SecretStr

from stationmaster.blocks.backfilling import Ended, Options, Progress
from stationmaster.blocks.chat import ChatRefusedError, ChatUnavailableError
from stationmaster.blocks.database import DatabaseRestartedError, Migrated, Revisions
from stationmaster.blocks.migration_rehearsal import Try
from stationmaster.blocks.migration_running import MigrationFailedError
from stationmaster.blocks.source import UnknownRefError
from stationmaster.domain.artifact import Change, Commit
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.boarding import Merged
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import InputError, OutsideError, RefusedError, StationmasterError, nearest
from stationmaster.domain.migration_rehearsal import Estimate, Finding, findings_of_versions, statement
from tests.fake_backfills import FakeBackfills

_LONG_AGO = datetime.fromtimestamp(1_700_000_000, UTC)


@dataclass
class FakeClock:
    """Time that passes only when somebody sleeps."""

    at: datetime = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class FakeSource:
    """A history without branches: each commit is its files, in the order in which they were made."""

    commits: dict[str, dict[str, str]] = field(default_factory=dict)  # id to path to text
    refs: dict[str, str] = field(default_factory=dict)
    reverted: dict[str, str] = field(default_factory=dict)  # a commit to the one that it takes back
    times: dict[str, datetime] = field(default_factory=dict)  # when a commit was merged; long ago when not given
    url: str = "/code/shop"

    def add(self, ref: str, files: Mapping[str, str]) -> str:
        commit = hashlib.sha1(f"{len(self.commits)} {ref}".encode(), usedforsecurity=False).hexdigest()
        self.commits[commit] = dict(files)
        self.refs[ref] = commit
        return commit

    def resolve(self, ref: str) -> Commit:
        commit = self.refs.get(ref, ref)
        if commit not in self.commits:
            raise UnknownRefError(f"{self.url} has no branch, tag or commit {ref!r}", hint=nearest(ref, self.refs))
        name = next((name for name, at in self.refs.items() if at == commit and name != "main"), "v0.0.0")
        return Commit(
            **self._change(commit).model_dump(), version=name.removeprefix("v"), at=int(_LONG_AGO.timestamp())
        )

    def changes(self, since: tuple[str, ...], until: str) -> tuple[Change, ...]:
        return tuple(self._change(commit) for commit in self._after(since, until))

    def merged(self, since: tuple[str, ...], until: str) -> tuple[Merged, ...]:
        found: list[Merged] = []
        for commit in self._after(since, until):
            at = max([self.times.get(commit, _LONG_AGO), *(one.at for one in found[-1:])])
            found.append(Merged(commit, at, frozenset({self.reverted[commit]} if commit in self.reverted else ())))
        return tuple(found)

    def missing(self, branch: str, commit: str) -> tuple[str, ...]:
        return tuple(self._after((self.refs[branch],), commit)) if branch in self.refs else (commit,)

    def reverts(self, since: tuple[str, ...], until: str) -> frozenset[str]:
        return frozenset(self.reverted[commit] for commit in self._after(since, until) if commit in self.reverted)

    def added(self, since: tuple[str, ...], until: str, folder: str) -> tuple[str, ...]:
        new = set(self.commits[until]).difference(*(self.commits[commit] for commit in since))
        return tuple(sorted(path for path in new if path.startswith(f"{folder}/")))

    def additions(self, since: tuple[str, ...], until: str) -> dict[str, frozenset[int]]:
        files = self.commits[until]
        found = {path: frozenset(range(1, len(text.splitlines()) + 1)) for path, text in files.items()}
        for path, one in ((path, one) for path in files for one in since):
            found[path] &= _new(self.commits[one].get(path, "").splitlines(), files[path].splitlines())
        return {path: lines for path, lines in found.items() if lines}

    def read(self, commit: str, path: str) -> str:
        if path not in self.commits[commit]:
            raise InputError(f"commit {commit[:12]} has no file {path}", file=path)
        return self.commits[commit][path]

    def differs(self, one: str, other: str, path: str) -> bool:
        return self.commits[one].get(path) != self.commits[other].get(path)

    def fingerprint(self, commit: str, path: str) -> str | None:
        found = {one: text for one, text in self.commits[commit].items() if one == path or one.startswith(f"{path}/")}
        return f"sha256:{hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()}" if found else None

    def export(self, commit: str, into: Path) -> None:
        into.mkdir(parents=True)
        for path, text in self.commits[commit].items():
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            (into / path).write_text(text)

    def _change(self, commit: str) -> Change:
        return Change(commit=commit, subject=f"change {commit[:4]}", authors=("Ana <ana@shop.example>",))

    def _after(self, since: tuple[str, ...], until: str) -> list[str]:
        order = list(self.commits)
        first = max((order.index(commit) for commit in since), default=-1)
        return order[first + 1 : order.index(until) + 1]


def _new(before: list[str], after: list[str]) -> frozenset[int]:
    """Numbers of the lines that came."""
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return frozenset(number + 1 for kind, _, _, begin, end in blocks if kind != "equal" for number in range(begin, end))


class FakeDatabase(BaseModel):
    """Databases that are a revision each. What an expand does lies in the export: `migrations/head` is where it leads,
    `migrations/expand.sql` what it runs; the word RAISE in it raises. `migrations/contract_head` is a second branch,
    whose revision a database has beside the other once it is contracted.
    """

    databases: dict[str, SecretStr]
    scratch: SecretStr
    _at: dict[str, str] = PrivateAttr(default_factory=dict)
    _ran: list[tuple[str, str]] = PrivateAttr(default_factory=list)  # database and revision
    _restarts: int = PrivateAttr(default=0)
    _contracted: dict[str, str] = PrivateAttr(default_factory=dict)
    _copies: dict[str, str | None] = PrivateAttr(default_factory=dict)
    connected_as: dict[str, tuple[str, ...]] = {}  # instance to what calls itself so there
    wrong_rows: dict[str, int] = {}  # instance to the rows that are not as a backfill says
    away: set[str] = set()  # instances whose database does not answer
    torn: set[str] = set()  # those of them that a killed copy left so
    stops: set[str] = set()  # tenants' own databases whose revision raises
    each: Callable[[str], None] | None = None
    known: set[str] = {"r1"}  # revisions of every commit, beside its head
    _engine: FakeBackfills = PrivateAttr(default_factory=FakeBackfills)

    @property
    def engine(self) -> FakeBackfills:
        return self._engine

    @property
    def ran(self) -> list[tuple[str, str]]:
        return self._ran

    def put(self, revision: str, *more: str) -> None:
        """Every database, and those of tenants that are named, is there."""
        self._at = dict.fromkeys((*self.databases, *more), revision)

    def revision(self, instance: str) -> tuple[str, ...]:
        if instance in self.away:
            raise OutsideError(f"database {instance!r} does not answer")
        heads = {self._at.get(instance), self._contracted.get(instance)}
        return tuple(sorted(head for head in heads if head is not None))

    def render(self, current: tuple[str, ...], revisions: Revisions) -> str:
        head, sql = self._script(revisions)
        if self._is_contract(revisions):
            return "" if head in current else f"-- Running upgrade c0 -> {head}\n\n{sql}"
        return "" if head in current else sql

    def sessions(self, instance: str) -> tuple[str, ...]:
        self.revision(instance)
        return self.connected_as.get(instance, ())

    def unverified(self, instance: str, table: str, verify: str, seconds: int) -> int:
        self.revision(instance)
        return self.wrong_rows.get(instance, 0)

    def knows(self, revision: str, revisions: Revisions) -> bool:
        return revision in {*self.known, self._script(revisions)[0]}

    def backfill(self, name: str, one: Backfill, options: Options) -> Ended:
        self.revision(name)
        return self.engine.run(name, one, options)

    def backfills(self, name: str) -> tuple[Progress, ...]:
        self.revision(name)
        return self.engine.status(name)

    def pause_backfill(self, name: str, backfill: str, tenant: str | None, reason: str) -> None:
        self.engine.pause(name, backfill, tenant, reason)

    def resume_backfill(self, name: str, backfill: str, tenant: str | None) -> None:
        self.engine.resume(name, backfill, tenant)

    def lose_backfill(self, name: str, backfill: str, tenants: Collection[str], reason: str) -> None:
        self.revision(name)
        self.engine.lose(name, backfill, tenants, reason)

    def keep_copy(self, instance: str) -> None:
        self._copies.setdefault(instance, self._contracted.get(instance))

    def put_back(self, instance: str) -> bool:
        if instance not in self._copies:
            return False
        before = self._copies.pop(instance)
        self._contracted.pop(instance, None)
        if before is not None:
            self._contracted[instance] = before
        return True

    def mend_copy(self, instance: str) -> None:
        self.away -= self.torn
        self.torn.clear()

    def drop_copy(self, instance: str) -> None:
        self._copies.pop(instance, None)

    @property
    def copies(self) -> dict[str, str | None]:
        return self._copies

    def target(self, revisions: Revisions) -> tuple[str, ...]:
        return (self._script(revisions)[0],)

    def expand(self, instance: str, revisions: Revisions) -> Migrated:
        before = self.revision(instance)
        head, sql = self._script(revisions)
        if "RAISE" in sql:
            raise MigrationFailedError(f"a revision failed on database {instance!r}: boom", hint="mend the revision")
        if head not in before:
            (self._contracted if self._is_contract(revisions) else self._at)[instance] = head
            self._ran.append((instance, head))
        log = revisions.home / "migrations-upgrade.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"running revision {head} on {self.databases[instance.partition('.')[0]].get_secret_value()}\n")
        texts = [one.strip() for one in sql.split(";") if one.strip()]
        ran = [{"revision": head, "sql": one, "ms": 2000.0, "held_ms": 2000.0, "lock": None, "kind": "short"}
               for one in texts if head not in before]  # fmt: skip
        return Migrated(before, self.revision(instance), str(log), tuple({**one, "attempts": 1} for one in ran))

    def expand_each(self, names: Sequence[str], revisions: Revisions) -> dict[str, Migrated | StationmasterError]:
        """One after the other; `stops` are those at which it fails, and `each` is called before each."""
        ended: dict[str, Migrated | StationmasterError] = {}
        for name in names:
            if self.each:
                self.each(name)
            if name in self.stops:
                ended[name] = MigrationFailedError(f"a revision failed on database {name!r}: boom", hint="mend it")
                break
            ended[name] = self.expand(name, revisions)
        return ended

    def rehearse(
        self, revisions: Revisions, before: tuple[str, ...], name: str, at: datetime, versions: Try = lambda _: ()
    ) -> Estimate:
        """A second for each statement; the word KEEPS in one is what its downgrade leaves."""
        head, sql = self._script(revisions)
        if "RAISE" in sql:
            raise MigrationFailedError("a revision failed on database 'the copy': boom", hint="mend the revision")
        asked = revisions.database.rehearsal
        assert asked is not None
        texts = [one.strip() for one in sql.split(";") if one.strip()]
        ran = [{"revision": head, "sql": one, "ms": 1000.0, "held_ms": 1000.0, "lock": "ACCESS EXCLUSIVE",
                "kind": "long"} for one in texts]  # fmt: skip
        left = [Finding(rule="downgrade_leaves", message=one, fix="undo it") for one in texts if "KEEPS" in one]
        began = self._restarts
        found = () if left else tuple(versions(f"{self.scratch.get_secret_value()}/{name}"))
        if self._restarts != began and (wrong := [why for one in found for why in one.failed]):
            raise DatabaseRestartedError("scratch", wrong[0])
        return Estimate(
            before=before, after=(head,), at=instant(at), rows=dict(asked.rows), undone=(head,), versions=found,
            findings=(*left, *findings_of_versions(found)), statements=tuple(statement(one) for one in ran),
            up_ms=1000.0 * len(ran), down_ms=1.0, again_ms=1.0,
        )  # fmt: skip

    @contextlib.contextmanager
    def steady(self, instance: str | None = None) -> Iterator[None]:
        began = self._restarts
        try:
            yield
        except RefusedError as error:
            if self._restarts != began:
                raise DatabaseRestartedError(instance or "scratch", error.message) from error
            raise

    def restart(self) -> None:
        self._restarts += 1

    @contextlib.contextmanager
    def scratch_database(self, name: str) -> Iterator[str]:
        yield f"{self.scratch.get_secret_value()}/{name}"

    def _script(self, revisions: Revisions) -> tuple[str, str]:
        folder = revisions.export / revisions.database.migrations
        if self._is_contract(revisions):
            return (folder / "contract_head").read_text(), (folder / "contract.sql").read_text()
        return (folder / "head").read_text(), (folder / "expand.sql").read_text()

    def _is_contract(self, revisions: Revisions) -> bool:
        wanted, file = revisions.database.expand, revisions.export / revisions.database.migrations / "contract_head"
        return wanted.startswith("contract") or (file.exists() and wanted == file.read_text())


@dataclass
class FakeChat:
    """A chat in memory."""

    channel: str = "releases"
    messages: dict[tuple[str, str | None], list[str]] = field(default_factory=dict)
    shown: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # ts to the blocks it has now
    edits: list[str] = field(default_factory=list)  # the ts of every update
    away: bool = False
    refusal: str | None = None

    def post(self, key: str, text: str, blocks: list[dict[str, Any]], thread: str | None = None) -> str:
        self._answer()
        ts = self.messages.setdefault((key, thread), [f"{len(self.messages) + 1}.0", text])[0]
        self.shown.setdefault(ts, blocks)
        return ts

    def update(self, ts: str, key: str, text: str, blocks: list[dict[str, Any]]) -> None:
        self._answer()
        found = next((message for message in self.messages.values() if message[0] == ts), None)
        if found is None:
            raise ChatRefusedError("message_not_found")
        found[1], self.shown[ts] = text, blocks
        self.edits.append(ts)

    def find(self, key: str, thread: str | None = None) -> str | None:
        self._answer()
        found = self.messages.get((key, thread))
        return found[0] if found else None

    def link(self, ts: str) -> str:
        self._answer()
        if ts not in self.shown:
            raise ChatRefusedError("message_not_found")
        return f"https://chat.shop.example/{self.channel}/{ts}"

    def _answer(self) -> None:
        if self.away:
            raise ChatUnavailableError("away")
        if self.refusal:
            raise ChatRefusedError(self.refusal)

    def texts(self) -> list[str]:
        return [text for _, text in self.messages.values()]

    def lose_answers(self, count: int) -> None:
        """Nothing is lost in memory: the message is there and is answered."""

    def go_away(self) -> None:
        self.away = True

    def refuse(self, reason: str) -> None:
        self.refusal = reason
