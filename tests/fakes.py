"""What stands in for the world in tests of tasks and flows: hand-written, in memory, and held to the same suites.

The ledger, the artifact store, the flag store, the signer and the tenant directory are the real ones, over SQLite in
memory and a temporary folder. `tests/world.py` puts them together.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, PrivateAttr, SecretStr

from stationmaster.blocks.chat import ChatRefusedError, ChatUnavailableError
from stationmaster.blocks.database import DatabaseRestartedError, Migrated, MigrationFailedError, Revisions
from stationmaster.blocks.source import UnknownRefError
from stationmaster.domain.artifact import Change, Commit
from stationmaster.domain.boarding import Merged
from stationmaster.domain.errors import InputError, RefusedError, nearest

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

    def read(self, commit: str, path: str) -> str:
        if path not in self.commits[commit]:
            raise InputError(f"commit {commit[:12]} has no file {path}", file=path)
        return self.commits[commit][path]

    def differs(self, one: str, other: str, path: str) -> bool:
        return self.commits[one].get(path) != self.commits[other].get(path)

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


class FakeDatabase(BaseModel):
    """Databases that are a revision each. What an expand does lies in the export: `migrations/head` is where it leads,
    `migrations/expand.sql` what it runs; the word RAISE in it raises.
    """

    databases: dict[str, SecretStr]
    scratch: SecretStr
    _at: dict[str, str] = PrivateAttr(default_factory=dict)
    _ran: list[tuple[str, str]] = PrivateAttr(default_factory=list)  # database and revision
    _restarts: int = PrivateAttr(default=0)

    @property
    def ran(self) -> list[tuple[str, str]]:
        return self._ran

    def put(self, revision: str) -> None:
        self._at = dict.fromkeys(self.databases, revision)

    def revision(self, instance: str) -> tuple[str, ...]:
        return (self._at[instance],) if instance in self._at else ()

    def render(self, current: tuple[str, ...], revisions: Revisions) -> str:
        head, sql = self._script(revisions)
        return "" if current == (head,) else sql

    def target(self, revisions: Revisions) -> tuple[str, ...]:
        return (self._script(revisions)[0],)

    def expand(self, instance: str, revisions: Revisions) -> Migrated:
        before = self.revision(instance)
        head, sql = self._script(revisions)
        if "RAISE" in sql:
            raise MigrationFailedError(f"a revision failed on database {instance!r}: boom", hint="mend the revision")
        if before != (head,):
            self._at[instance] = head
            self._ran.append((instance, head))
        return Migrated(before, (head,))

    @contextlib.contextmanager
    def steady(self, instance: str | None = None) -> Iterator[None]:
        began = self._restarts
        try:
            yield
        except RefusedError as error:
            if self._restarts != began:
                raise DatabaseRestartedError(instance or "scratch", error) from error
            raise

    def restart(self) -> None:
        self._restarts += 1

    @contextlib.contextmanager
    def scratch_database(self, name: str) -> Iterator[str]:
        yield f"{self.scratch.get_secret_value()}/{name}"

    def _script(self, revisions: Revisions) -> tuple[str, str]:
        folder = revisions.export / revisions.database.migrations
        return (folder / "head").read_text(), (folder / "expand.sql").read_text()


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
