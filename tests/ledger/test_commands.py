"""Random commands, kills and events on two releases of one product, over the real ledger and the fake world.

People type real commands, between legs and into the middle of them; processes die anywhere. A small model, which asks
none of the tables of `domain/`, says what must be true: whose order is in force, who may be moved, and who is left.
"""

import contextlib
import io
import json
import os
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from stationmaster.cli.main import run
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.orders import in_force
from stationmaster.domain.release import why
from tests.world import Killed, Power, Wired, World

RELEASES = {"r2": "v2", "r3": "v3"}
RINGS = {"acme": "pilot", "birch": "broad", "cedar": "broad"}
SCOPES = ("env:production", "env:stage", "ring:pilot", "ring:broad", "tenant:birch", "tenant:cedar")
# Where another person's command may fall into a leg: in acts that go on for long, never in the act that moves tenants.
MEANWHILE = ("artifacts.publish", "target.start", "database.expand", "chat.post", "chat.update", "metrics.read")
OVER = {"released", "rolled_back", "aborted"}

# When a process dies: after so many moments, or before or after the call of that number.
Death = int | tuple[str, str, int]
_FATAL = ("target.shift", "target.start", "database.expand", "ledger.append", "ledger.observe", "target.retire")
_AT = st.tuples(st.sampled_from(["before", "after"]), st.sampled_from(_FATAL), st.integers(1, 3))
_DEATHS: st.SearchStrategy[Death | None] = st.none() | st.integers(0, 700) | _AT


@dataclass
class Believed:
    """What the model believes of one release, from what was recorded, word by word."""

    begun: bool = False
    paused: bool = False
    back: bool = False  # on its way back
    hold: bool = False  # its changes are
    let_go: bool = False  # somebody resumed or lifted something once
    aborted: bool = False
    over: str | None = None
    arrived: dict[str, int] = field(default_factory=dict)  # tenant to the entry that says so
    good: int = -1  # the last entry that says that the pilots are
    passed: int = -1  # the last entry that says that a wave is

    def learn(self, entry: Entry) -> None:
        match entry.step:
            case "started":
                self.begun = True
            case "paused" | "resumed":
                self.paused, self.let_go = entry.step == "paused", self.let_go or entry.step == "resumed"
            case "rollback":
                self.back, self.hold = True, self.hold or entry.fact["cause"] != "abort"
                self.over = None if self.over == "released" else self.over
            case "restored" | "contained":
                self.back = False
                self.over = self.over or (None if entry.step == "contained" else "rolled_back")
            case "lifted":
                self.hold, self.back, self.let_go = False, False, True
            case "aborted":
                self.aborted, self.over = True, self.over or "aborted"
            case "released":
                self.over = self.over or (None if self.back else "released")
            case "deployed":
                self.arrived[entry.subject] = entry.index
            case "promoted":
                self.passed = entry.index
                self.good = entry.index if entry.subject == "pilot" else self.good

    @property
    def open(self) -> bool:
        """Whether a wave is under way, which is watched to its end through a pause."""
        return any(index > self.passed for index in self.arrived.values())

    @property
    def order(self) -> str | None:
        if self.back:
            return "rollback"
        return "abort" if self.aborted else "pause" if self.paused else None


class Forbidden(BaseException):
    """Something happens that must not. No code of ours may make anything else of it."""


class Watched(Power):
    """The power line, where every call is looked at before it is made, and where others may act meanwhile."""

    look: Callable[[str, tuple[Any, ...]], None] = staticmethod(lambda _call, _arguments: None)
    meanwhile: tuple[str, Callable[[], object]] | None = None

    def moment(self, when: str, call: str, arguments: tuple[Any, ...]) -> None:
        if when == "before" and not self.off:
            try:
                self.look(call, arguments)
            except AssertionError as error:
                raise Forbidden(f"{call}: {error}") from error
            if self.meanwhile and self.meanwhile[0] == call:
                (_, act), self.meanwhile, (after, self.after) = self.meanwhile, None, (self.after, None)
                act()
                self.after = after
        super().moment(when, call, arguments)


class Kept(Wired):
    """A ledger on the power line that commands may close without closing it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Commands(RuleBasedStateMachine):
    """People, processes and the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.power = Watched()
        self.world = World(Path(self.stack.enter_context(TemporaryDirectory(prefix="stm-"))), power=self.power)
        self.stack.callback(self.world.ledger.close)
        self.power.look = self.look
        self.known = {name: Believed() for name in RELEASES}
        self.frozen: dict[str, datetime | None] = {}
        self.open, self.read, self.at_work = True, -1, ""
        self.in_doubt: set[str] = set()  # who was moved by a process that died before it said so
        self._as_a_person()

    @initialize(
        second=st.sampled_from([{}, {"bad": {"cloud": 5}}]),
        third=st.sampled_from([{}, {"fails": {"cedar": ["/order"]}}]),
    )
    def commit(self, second: dict[str, Any], third: dict[str, Any]) -> None:
        self.world.commit("v2", **second)
        self.world.commit("v3", **third)

    # -- what happens

    @rule(release=st.sampled_from([*RELEASES, "r2"]), dies=_DEATHS)
    def start(self, release: str, dies: "Death | None") -> None:
        """One leg, by a process of its own, which may die. Twice as often of the older release."""
        self._leg(release, dies)

    @rule(release=st.sampled_from([*RELEASES]), dies=_DEATHS, given=st.data())
    def start_signed(self, release: str, dies: "Death | None", given: st.DataObject) -> None:
        """The two legs that bring a release into production, and perhaps what somebody types then."""
        self._leg(release, None)
        self.approve(release)
        self._leg(release, dies)
        if tokens := given.draw(st.none() | _commands(release)):
            self._type(tokens)

    @rule(release=st.sampled_from([*RELEASES]), call=st.sampled_from(MEANWHILE), tokens=st.data())
    def start_meanwhile(self, release: str, call: str, tokens: st.DataObject) -> None:
        """A leg, into the middle of which somebody's command falls."""
        given = tokens.draw(_commands(release))
        self.power.meanwhile = (call, lambda: self._type(given))
        self._leg(release, None)
        self.power.meanwhile = None

    @rule(tokens=st.data(), dies=_DEATHS)
    def command(self, tokens: st.DataObject, dies: "Death | None") -> None:
        given = tokens.draw(_commands("r2") | _commands("r3"))
        self._dying(dies, lambda: self._type(given))

    @rule(release=st.sampled_from([*RELEASES]))
    def approve(self, release: str) -> None:
        asked = any(entry.step == "mandated" for entry in self.world.ledger.entries(release))
        if self.known[release].over is None and asked:
            self.world.approve(release)

    @precondition(lambda self: any(one.back for one in self.known.values()))
    @rule(dies=_DEATHS)
    def carry_out(self, dies: "Death | None") -> None:
        """What the watchdog does with a release whose rollback was decided."""
        self._leg(next(name for name, one in self.known.items() if one.back), dies)

    @rule(hours=st.integers(1, 3))
    def wait(self, hours: int) -> None:
        self.world.clock.sleep(hours * 3600)

    @rule(word=st.sampled_from(["open", "closed"]))
    def windows(self, word: str) -> None:
        self.world.windows(word)
        self.open = word == "open"

    # -- what must be true

    @invariant()
    def the_order_in_force_is_the_one_believed(self) -> None:
        self._learn()
        for name, believed in self.known.items():
            entries = self.world.ledger.entries(name)
            assert in_force(entries) == believed.order
            if believed.begun:
                found = self.world.status(name)
                assert why(found).message
                assert found.on_hold == believed.hold
                assert (found.stage if found.stage in OVER else None) == believed.over
                assert (found.stage == "rolling_back") == (believed.back and believed.over is None)

    @invariant()
    def what_is_frozen_is_what_was_frozen(self) -> None:
        code, told = self._run("freeze", "status")
        assert (code, {one["scope"] for one in told["freezes"]}) == (0, self._freezes())

    @invariant()
    def who_runs_what_is_on_record(self) -> None:
        self.in_doubt &= self._unsaid()
        assert self._unsaid() == self.in_doubt

    def teardown(self) -> None:
        """Whatever happened: with every freeze, pause and hold ended each release gets somewhere, and what is given up
        leaves nobody on it.
        """
        try:
            self.windows("open")
            for scope in self._freezes():
                self._type(("freeze", "off", f"--{scope.split(':')[0]}", scope.split(":")[1]))
            for name in (*RELEASES, *RELEASES):  # one may be in the other's way
                self._bring_home(name, self.known[name])
            for name, believed in self.known.items():
                assert not believed.begun or (believed.over in OVER and not believed.back)
                assert not believed.begun or believed.over == "released" or self._left_on(name) == set()
        finally:
            self.stack.close()

    # -- how

    def look(self, call: str, arguments: tuple[Any, ...]) -> None:
        """What is about to be done may be done."""
        self._learn()
        if call == "target.shift":
            self._may_shift(*arguments)
        elif call == "database.expand" and self.at_work:
            self._nothing_stops(self.at_work)
            assert f"env:{'stage' if arguments[0] == 'stage' else 'production'}" not in self._freezes()
        elif call == "artifacts.publish" and self.at_work:
            self._nothing_stops(self.at_work)

    def _may_shift(self, tenants: list[str], instance: str, colour: str, fence: Any) -> None:
        version = self.world.target.runs.get((instance, colour), {}).get("version")
        moved = {name for name in tenants if self.world.target.where.get(name) != (instance, colour)} & set(RINGS)
        if fence.release not in RELEASES or f"v{version}" != RELEASES[fence.release] or not moved:
            return  # back, or stage
        self._nothing_stops(fence.release)
        believed = self.known[fence.release]
        for name in moved - set(believed.arrived):
            assert self.open
            assert not {"env:production", f"ring:{RINGS[name]}", f"tenant:{name}"} & self._freezes()
        newer = int(self.world.production()["acme"]) > int(RELEASES[fence.release].removeprefix("v"))
        if moved - {"acme"} and not newer:  # who runs something newer is no pilot of it
            assert believed.good > believed.arrived.get("acme", -1), "widened before the pilots were found good"

    def _nothing_stops(self, release: str) -> None:
        believed = self.known[release]
        order = None if believed.order == "pause" and believed.open else believed.order
        assert (order, believed.over) == (None, None), "something began that an order forbids"

    def _freezes(self) -> set[str]:
        at = self.world.clock.now()
        return {scope for scope, until in self.frozen.items() if until is None or at < until}

    def _learn(self) -> None:
        for entry in self.world.ledger.entries(after=self.read):
            self.read = entry.index
            if entry.release in self.known:
                self.known[entry.release].learn(entry)
            if entry.step == "rolled_back" and entry.release in self.known:
                self.known[entry.release].arrived.pop(entry.subject, None)

    def _unsaid(self) -> set[str]:
        running = self.world.ledger.running()
        return {name for name, version in self.world.production().items() if running[name].fact["version"] != version}

    def _leg(self, release: str, dies: "Death | None") -> None:
        told: list[str] = []

        def begin() -> None:
            self.at_work = release
            try:
                self.world.start(release, RELEASES[release])
            except StationmasterError as error:
                told.append(f"{error.code}: {error.message}")

        died = self._dying(dies, begin)
        self.at_work = ""
        assert not [each for each in told if each.startswith("internal")]
        self._learn()
        if not died and not told:
            assert self.known[release].over or self.world.status(release).trouble, "it ended and nobody knows why"

    def _dying(self, dies: "Death | None", act: Callable[[], object]) -> bool:
        """Do it; if the process dies in it, its lease runs out. Whether it died."""
        died = False
        if isinstance(dies, int):
            self.power.after = dies
        elif dies:
            self.power.trap = _nth(*dies)
        try:
            act()
        except Forbidden as error:
            raise AssertionError(str(error)) from error
        except Killed:
            self.power.on()
            self.world.clock.sleep(31)
            self.in_doubt |= self._unsaid()
            died = True
        self.power.on()
        return died

    def _type(self, tokens: tuple[str, ...]) -> None:
        """A command, and whether it answers as it must."""
        self._learn()
        about = tokens[2] if tokens[0] == "release" else ""
        before = replace(self.known[about]) if about else None
        at_work, self.at_work = self.at_work, ""
        code, told = self._run(*tokens, "--reason", "because")
        self.at_work = at_work
        if before is None:
            self._froze(tokens, code, told)
        elif not before.begun:
            assert (code, told["error"]["code"]) == (2, "unknown_release")
        else:
            {"pause": self._paused, "resume": self._resumed}.get(tokens[1], self._led_back)(before, tokens, code, told)

    def _froze(self, tokens: tuple[str, ...], code: int, told: dict[str, Any]) -> None:
        assert (code, told["frozen"]) == (0, tokens[1] == "on")
        if tokens[1] == "off":
            self.frozen.pop(told["scope"], None)
        else:
            until = self.world.clock.now() + timedelta(hours=2)
            self.frozen[told["scope"]] = until if "--until" in tokens else None

    def _paused(self, before: Believed, _tokens: tuple[str, ...], code: int, told: dict[str, Any]) -> None:
        if before.back or before.over:
            assert (code, told["error"]["code"]) == (1, "nothing_to_pause")
        else:
            assert (code, told["waiting_for"]) == (0, "person")

    def _resumed(self, before: Believed, _tokens: tuple[str, ...], code: int, told: dict[str, Any]) -> None:
        means = before.hold or (before.paused and before.over is None) or (before.let_go and before.over != "aborted")
        if before.back and code == 0:
            assert told["stage"] == "held"  # its way back was blocked, and is given up
        elif before.back or not means:
            assert (code, told["error"]["code"]) == (1, "nothing_to_resume")
        else:
            assert code == 0

    def _led_back(self, before: Believed, tokens: tuple[str, ...], code: int, told: dict[str, Any]) -> None:
        """Of what was given up or rolled back for all, nobody is left, by asking what serves them."""
        if code == 0 and tokens[1] == "abort":
            assert told["stage"] == before.over or "aborted"
        if (tokens[1], before.over) == ("abort", "released"):
            assert (code, told["error"]["code"]) == (1, "released_already")
        elif code == 0 and ("--all" in tokens or tokens[1] == "abort"):
            assert self._left_on(tokens[2]) == set()
        elif code == 1 and "error" not in told:
            assert self._left_on(tokens[2])  # somebody keeps it
        elif code:
            assert told["error"]["code"] in _WHY_NOT_BACK, told
            assert told["error"]["code"] != "nothing_to_roll_back" or self._left_on(tokens[2]) == set()

    def _left_on(self, release: str) -> set[str]:
        version = RELEASES[release].removeprefix("v")
        return {name for name, served in self.world.production().items() if served == version}

    def _bring_home(self, name: str, believed: Believed) -> None:
        """Whatever stops it is ended; what goes on then goes on, and what does not is given up."""
        for _ in range(2 if believed.begun and believed.over is None else 0):
            self._type(("release", "resume", name))
            for _ in range(3):
                self.approve(name)
                self._leg(name, None)
        if believed.begun and believed.over in {None, "aborted"}:
            self._type(("release", "abort", name))
            self._leg(name, None)

    def _run(self, *tokens: str) -> tuple[int, dict[str, Any]]:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
            code = run([*tokens, "--json"])
        return code, json.loads(out.getvalue())

    def _as_a_person(self) -> None:
        """The commands find this world where they would find blocks and a clock."""
        world = self.world
        ledger: Any = Kept("ledger", world.ledger, self.power)
        tools = replace(world.tools, ledger=ledger)
        found: dict[str, Any] = {
            "blocks.toolbox.open_ledger": lambda _=None: nullcontext(world.ledger),
            "blocks.toolbox.only_product": lambda: "shop",
            "blocks.toolbox.recall": lambda kind, _: getattr(world.tools, kind),
            "blocks.toolbox.remembered": lambda _: tools,
            "cli.rollback._finish": lambda *_: None,  # the flow: `carry_out`
            **{f"cli.{one}.now": world.clock.now for one in ("freezing", "lookup", "pausing", "release")},
        }
        self.stack.enter_context(patch.dict(os.environ, {"STATIONMASTER_USER": "ana"}))
        for name, value in found.items():
            self.stack.enter_context(patch(f"stationmaster.{name}", value))


def _nth(when: str, call: str, number: int) -> Callable[[str, str, tuple[Any, ...]], bool]:
    seen = [0]

    def trap(at: str, called: str, _arguments: tuple[Any, ...]) -> bool:
        seen[0] += (at, called) == (when, call)
        return seen[0] == number

    return trap


_WHY_NOT_BACK = {
    "nothing_to_roll_back", "rollback_of_rollback", "not_on_release", "routes_not_back", "not_proved",
    "no_idle_colour",  # another release is in the middle of the same instance: it goes back first
}  # fmt: skip


@st.composite
def _commands(draw: st.DrawFn, release: str) -> tuple[str, ...]:
    kind, name = draw(st.sampled_from(SCOPES)).split(":")
    back = [("--all", "--now"), ("--tenant", "acme"), ("--tenant", "cedar")]
    return draw(
        st.one_of(
            st.sampled_from(["pause", "resume", "abort"]).map(lambda word: ("release", word, release)),
            st.sampled_from(back).map(lambda whom: ("release", "rollback", release, *whom)),
            st.sampled_from([(), ("--until", "2h")]).map(lambda end: ("freeze", "on", f"--{kind}", name, *end)),
            st.just(("freeze", "off", f"--{kind}", name)),
        )
    )


_SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
TestCommands = Commands.TestCase
TestCommands.settings = settings(
    derandomize=True, max_examples=2, stateful_step_count=12, deadline=None, suppress_health_check=_SLOW
)


@pytest.mark.slow
@pytest.mark.full
def test_many_commands() -> None:
    often = settings(max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=_SLOW)
    run_state_machine_as_test(Commands, settings=often)
