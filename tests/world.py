"""A whole product in memory, `shop`, and releases of it leg by leg. Two cloud rings and a dedicated tenant.

Every call of a tool passes the power line, where a test may cut it: the process is dead before or after the call.
"""

import copy
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prefect.client.schemas.objects import State
from pydantic import SecretStr

from stationmaster.blocks.approval import mandate_of, put
from stationmaster.blocks.artifact_store import DirectoryStore
from stationmaster.blocks.backfill_beside import want_backfill
from stationmaster.blocks.confirmation import confirm
from stationmaster.blocks.flag_store import FileFlags
from stationmaster.blocks.leg import Leg, on_duty
from stationmaster.blocks.settings import ProductSecrets
from stationmaster.blocks.signer import FileSigner, sign_with
from stationmaster.blocks.supervisor import Fence
from stationmaster.blocks.tenant_directory import YamlDirectory
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.approval_statement import Said
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import FREEZE, OBSERVED, Draft, Entry
from stationmaster.domain.release import Status, status
from stationmaster.domain.request import BackfillRequest, ContractRequest, ReleaseRequest, RollbackRequest
from stationmaster.flows.backfill import carry as carry_backfill
from stationmaster.flows.contract import carry
from stationmaster.flows.leg import GOING_BACK, conduct, fill_up, go_back, order_of, take_away, went_back
from stationmaster.flows.release import runbook
from stationmaster.flows.rollback import undo
from stationmaster.ledger.store import Ledger
from tests.fake_target import FakeMetrics, FakeTarget
from tests.fakes import FakeChat, FakeClock, FakeDatabase, FakeSource
from tests.ledgers import in_memory
from tests.shop import FLAGS, PRODUCT, SECRET, TENANTS, people

# What asks and changes nothing: a death beside it leaves the same world as one at the moment before it.
READS = frozenset(
    {
        "about", "added", "backfills", "beside", "calendars_of", "changes", "entries", "every", "fingerprint",
        "history", "latest", "model_dump", "people", "personal", "recorded", "resolve", "running", "vkey",
    }
)  # fmt: skip


class Killed(BaseException):
    """The process is dead: nothing it does from here on reaches the world."""


@dataclass
class Power:
    """Counts the moments at which a process may die, and cuts it off at one of them."""

    trap: Callable[[str, str, tuple[Any, ...]], bool] | None = None  # when, tool.method, arguments
    after: int | None = None  # moments
    moments: int = 0
    off: bool = False
    calls: Counter[str] = field(default_factory=Counter)  # tool.method, how often

    def moment(self, when: str, call: str, arguments: tuple[Any, ...]) -> None:
        self.calls[call] += when == "before"
        self.moments += call.partition(".")[2] not in READS
        if self.trap and self.trap(when, call, arguments):
            self.off, self.trap = True, None
        if self.after is not None and self.moments > self.after:
            self.off, self.after = True, None
        if self.off:
            raise Killed

    def on(self) -> None:
        self.off, self.trap, self.after, self.moments = False, None, None, 0


class Wired:
    """A tool on the power line. To whoever asks, it is the tool."""

    def __init__(self, name: str, tool: Any, power: Power) -> None:
        self.__dict__.update(_name=name, _tool=tool, _power=power)

    @property  # type: ignore[misc] # so that isinstance sees the tool
    def __class__(self) -> type:
        return type(self._tool)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._tool, name)
        return self._wire(value, f"{self._name}.{name}") if callable(value) else value

    def _wire(self, method: Callable[..., Any], call: str) -> Callable[..., Any]:
        def wired(*arguments: Any, **named: Any) -> Any:
            self._power.moment("before", call, arguments)
            result = method(*arguments, **named)
            self._power.moment("after", call, arguments)
            return result

        return wired


@dataclass
class World:
    """The fakes, the toolbox made of them, and what people do."""

    root: Path
    power: Power = field(default_factory=Power)
    clock: FakeClock = field(default_factory=FakeClock)
    source: FakeSource = field(default_factory=FakeSource)
    target: FakeTarget = field(default_factory=lambda: FakeTarget(("stage", "cloud", "cedar")))
    chat: FakeChat = field(default_factory=FakeChat)
    ledger: Ledger = field(default_factory=in_memory)
    keys: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    legs: int = 0
    fence: Fence = field(default_factory=lambda: Fence(release="install", epoch=1))

    def __post_init__(self) -> None:
        self.metrics = FakeMetrics(self.target)
        names = ("stage", "cloud", "cedar")
        dsns = {name: SecretStr(f"postgresql://app:{SECRET}-{name}@db/{name}") for name in names}
        self.database = FakeDatabase(databases=dsns, scratch=SecretStr(f"postgresql://app:{SECRET}-scratch@db/scratch"))
        self.database.engine.second = lambda: self.clock.sleep(1)
        self.store = DirectoryStore(root=str(self.root / "artifacts"))
        self.directory = self.root / "tenants.yaml"
        self.directory.write_text(TENANTS)
        self.tools = self._toolbox()
        self._install()

    def _toolbox(self) -> Toolbox:
        secrets = ProductSecrets(environment={"API_TOKEN": SecretStr(SECRET)}, journeys={"PW": SecretStr(SECRET)})
        tools: dict[str, Any] = {
            "ledger": self.ledger, "source": self.source, "artifacts": self.store, "target": self.target,
            "database": self.database, "metrics": self.metrics, "chat": self.chat, "signer": self._signer(),
            "tenants": YamlDirectory(path=str(self.directory)), "flags": FileFlags(path=str(self.root / "flags.json")),
        }  # fmt: skip
        wired: dict[str, Any] = {name: Wired(name, tool, self.power) for name, tool in tools.items()}
        clock: Any = Wired("clock", self.clock, self.power)
        return Toolbox(**wired, secrets=secrets, now=self.clock.now, sleep=clock.sleep, work=self.root / "work")

    def _signer(self) -> FileSigner:
        self.keys.update(people(self.root / "approvers.yaml"))
        own = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return FileSigner(key=SecretStr(own.decode()), approvers=str(self.root / "approvers.yaml"))

    def _install(self) -> None:
        """Version 1 runs everywhere, as a sandbox is before its first release."""
        commit = self.commit("v1", head="r1")
        old = self.root / "old"
        old.write_text(json.dumps({"version": "1"}))
        digest = self.store.publish(old).digest
        fact = self._installed = {"version": "1", "digest": digest, "commit": commit}
        for instance in self.target.instances:
            place = str(self.store.path(fact["digest"]))
            self.target.start(instance, place, digest, (), fence=self.fence, version="/about")
        for tenant, instance in {"acme": "cloud", "birch": "cloud", "cedar": "cedar"}.items():
            self.adopt(tenant, instance)
        self.target.shift(["stage-probe"], "stage", "a", self.fence)
        self.database.put("r1")
        self.target.did.clear()

    def adopt(self, tenant: str, instance: str) -> None:
        """A tenant that version 1 serves."""
        self.target.shift([tenant], instance, "a", self.fence)
        draft = Draft(release="install", step="adopted", subject=tenant, fact=self._installed)
        self.ledger.append(draft, self.clock.now())

    def commit(
        self, version: str, *, head: str = "r2", sql: str = "", product: str = PRODUCT,
        more: dict[str, str] | None = None, **app: Any,
    ) -> str:  # fmt: skip
        """A commit tagged `version`, which is also where `main` leads. `app` goes into the built file."""
        told = {"version": version.removeprefix("v"), "nonce": "NONCE", **app}
        before = self.source.commits[self.source.refs["main"]] if "main" in self.source.refs else {}
        changes = {path: text for path, text in before.items() if path.startswith("changes/")}
        commit = self.source.add(
            version,
            {
                "stationmaster.yaml": product,
                "app.json": json.dumps(told),
                "flags.json": FLAGS,
                "migrations/head": head,
                "migrations/expand.sql": sql,
                **changes,
                **(more or {}),
                f"changes/{version}.md": f"---\nkind: added\n---\nWhat {version} brings.\n",
            },
        )
        self.source.refs["main"] = commit
        return commit

    def start(self, release: str = "r2", ref: str = "v2", starter: str = "ana") -> State[None]:
        """One run of the flow `release`, by a process of its own: a leg, and the way back if it comes to that."""
        self.legs += 1
        request = ReleaseRequest(id=release, product="shop", ref=ref, starter=starter)
        confirm(self.ledger, self.tools.signer, request, "command line", self.clock.now())
        ended = conduct(self.tools, request, f"test {self.legs}", runbook)
        if ended.name == GOING_BACK:
            return went_back(go_back(self.tools, order_of(self.tools, request), f"test {self.legs}", undo))
        return ended

    def rollback(self, release: str = "r2", *tenants: str, now: bool = False, by: str = "ana") -> State[None]:
        """The flow `rollback`, by a process of its own; of the whole release when no tenant is named."""
        self.legs += 1
        return go_back(self.tools, self.asked(release, *tenants, now=now, by=by), f"test {self.legs}", undo)

    def contract(self, release: str = "r2", by: str = "ana") -> State[None]:
        """The flow `contract`, by a process of its own."""
        self.legs += 1
        request = ContractRequest(of=release, product="shop", starter=by)
        return take_away(self.tools, request, f"test {self.legs}", carry)

    def backfill(self, release: str = "r2", by: str = "ana") -> State[None]:
        """The flow `backfill`, by a process of its own."""
        self.legs += 1
        request = BackfillRequest(of=release, product="shop", starter=by)
        want_backfill(self.tools, request)
        return fill_up(self.tools, request, f"test {self.legs}", carry_backfill)

    def approve_contract(self, release: str = "r2", who: str = "ben") -> None:
        self._sign(
            Said(
                release=release, action="contract", mandate=mandate_of(self.ledger, release, "contract_mandated").digest
            ),
            who,
        )

    def asked(self, release: str, *tenants: str, now: bool = False, by: str = "ana") -> RollbackRequest:
        return RollbackRequest(
            release=release, product="shop", scope="instance" if tenants else "release", tenants=tenants, now=now,
            reason="it is bad", starter=by,
        )  # fmt: skip

    def approve(self, release: str = "r2", who: str = "ben") -> None:
        self._sign(Said(release=release, mandate=mandate_of(self.ledger, release).digest), who)

    def go_ahead(self, release: str = "r2", who: str = "ben") -> None:
        """An emergency approval."""
        mandate = mandate_of(self.ledger, release).digest
        said = Said(release=release, mandate=mandate, action="emergency", reason="it is down", ticket="INC-1")
        self._sign(said, who)

    def _sign(self, said: Said, who: str) -> None:
        digest = mandate_of(self.ledger, said.release).parts["artifact"] or ""
        envelope = sign_with(self.keys[who], said.statement(digest))
        put(self.ledger, said, digest, envelope, self.tools.signer.people(), by=who, at=self.clock.now())

    def release(self, release: str = "r2", ref: str = "v2") -> State[None]:
        """Both legs of a good release."""
        self.start(release, ref)
        self.approve(release)
        return self.start(release, ref)

    def status(self, release: str = "r2") -> Status:
        return status(release, self.ledger.entries(release), self.ledger.running())

    def status_or_none(self, release: str = "r2") -> str | None:
        """The stage; None before the release began."""
        return self.status(release).stage if self.ledger.entries(release) else None

    def waits(self, release: str = "r2") -> bool:
        """Whether a signature is awaited and nobody signed yet."""
        steps = [step for step, _ in self.steps(release)]
        return "waiting" in steps and "approval" not in steps

    def steps(self, release: str = "r2") -> list[tuple[str, str]]:
        return [(entry.step, entry.subject) for entry in self.ledger.entries(release)]

    def last(self, step: str, release: str = "r2") -> Entry:
        return next(entry for entry in reversed(self.ledger.entries(release)) if entry.step == step)

    def facts(self, release: str = "r2") -> list[tuple[str, str]]:
        """What the release recorded, observations and its confirmation aside, in order."""
        return [each for each in self.steps(release) if each[0] not in {*OBSERVED, "confirmed"}]

    def tenants(self) -> dict[str, str]:
        """What each tenant is served."""
        return {tenant: self.target.runs[place]["version"] for tenant, place in sorted(self.target.where.items())}

    def artifacts(self) -> int:
        """How many files were published, the installed one aside."""
        return len([path for path in Path(self.store.root).glob("sha256/*/*") if path.is_file()]) - 1

    def production(self) -> dict[str, str]:
        return {tenant: version for tenant, version in self.tenants().items() if tenant != "stage-probe"}

    def abort(self, release: str = "r2") -> None:
        draft = Draft(release=release, step="aborted", fact={"reason": "enough"}, personal={"who": "ana"})
        self.ledger.append(draft, self.clock.now())

    def freeze(self, scope: str, hours: int | None = None) -> None:
        until = None if hours is None else instant(self.clock.now() + timedelta(hours=hours))
        fact = {"reason": "ERP is down", "until": until}
        self.ledger.append(
            Draft(release=FREEZE, step="frozen", subject=scope, inputs=fact, fact=fact), self.clock.now()
        )

    def thaw(self, scope: str) -> None:
        fact = {"reason": "ERP is back"}
        self.ledger.append(Draft(release=FREEZE, step="thawed", subject=scope, fact=fact), self.clock.now())

    def lift(self, release: str) -> None:
        """Somebody lets the changes of a rolled back release be carried again."""
        self.ledger.append(self.draft(release, "lifted", release, {"reason": "mended"}), self.clock.now())

    def draft(self, release: str, step: str, subject: str, fact: dict[str, Any]) -> Draft:
        return Draft(release=release, step=step, subject=subject, fact=fact, personal={"who": "ana"})

    def windows(self, word: str) -> None:
        self.directory.write_text(TENANTS.replace("default: open", f"default: {word}"))

    @contextmanager
    def leg(self, release: str = "r2", ref: str = "v2") -> Iterator[Leg]:
        """A leg in the hands of a test that calls acts by themselves."""
        request = ReleaseRequest(id=release, product="shop", ref=ref, starter="ana")
        confirm(self.ledger, self.tools.signer, request, "command line", self.clock.now())
        with on_duty(self.tools, request, "test") as leg:
            leg.observe("started", request.asked(), starter="ana")
            yield leg


class Begun:
    """A world as it is now, to which many tests go back: what led there happened once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._ledger = self._raw().serialize()
        self._fakes = copy.deepcopy([vars(one) for one in self._all()], self._known())
        self._database = copy.deepcopy(world.database.__pydantic_private__)
        self._files = TemporaryDirectory(prefix="stm-")
        shutil.copytree(world.root, self._files.name, dirs_exist_ok=True)

    def again(self) -> World:
        """The world, as it was."""
        self._raw().deserialize(self._ledger)
        for fake, was in zip(self._all(), copy.deepcopy(self._fakes, self._known()), strict=True):
            vars(fake).clear()
            vars(fake).update(was)
        object.__setattr__(self.world.database, "__pydantic_private__", copy.deepcopy(self._database))
        shutil.rmtree(self.world.root)
        shutil.copytree(self._files.name, self.world.root)
        return self.world

    def close(self) -> None:
        self._files.cleanup()

    def _all(self) -> list[Any]:
        world = self.world
        return [world.power, world.clock, world.source, world.target, world.chat, world.metrics, world.database]

    def _known(self) -> dict[int, Any]:
        """The fakes hold one another, and stay who they are."""
        return {id(one): one for one in self._all()}

    def _raw(self) -> sqlite3.Connection:
        with self.world.ledger.engine.connect() as connection:
            found = connection.connection.driver_connection
            assert isinstance(found, sqlite3.Connection)
            return found


@contextmanager
def begun(prepare: Callable[[World], object]) -> Iterator[Begun]:
    """A world that was prepared."""
    with world() as made:
        prepare(made)
        kept = Begun(made)
        try:
            yield kept
        finally:
            kept.close()


def once(call: str, act: Callable[[tuple[Any, ...]], object]) -> "Callable[[str, str, tuple[Any, ...]], bool]":
    """Do something before the first such call."""
    left = [act]

    def trap(when: str, called: str, arguments: tuple[Any, ...]) -> bool:
        if (when, called) == ("before", call) and left:
            left.pop()(arguments)
        return False

    return trap


def throw(error: Exception) -> Callable[[tuple[Any, ...]], None]:
    def act(_arguments: tuple[Any, ...]) -> None:
        raise error

    return act


@contextmanager
def world() -> Iterator[World]:
    """A world with version 1 installed and version 2 committed."""
    with TemporaryDirectory(prefix="stm-") as root:
        made = World(Path(root))
        made.commit("v2")
        try:
            yield made
        finally:
            made.ledger.close()
