"""The watchdog over a real ledger and a Prefect in memory: what it does, says, survives, and does only once."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from stationmaster.blocks.holder import this_process
from stationmaster.blocks.settings import LedgerDatabase
from stationmaster.blocks.toolbox import remember
from stationmaster.cli.main import app
from stationmaster.deployments.open_releases import Place, places
from stationmaster.deployments.watchdog import Done, Watchdog, run
from stationmaster.domain.deaths import ENOUGH
from stationmaster.domain.entries import OBSERVED, Draft
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.flow_runs import Asked, FlowRun
from stationmaster.domain.request import ContractRequest, ReleaseRequest, RollbackRequest
from stationmaster.domain.stages import fold
from stationmaster.ledger.store import Ledger
from tests.fakes import FakeClock
from tests.ledgers import in_memory

REQUEST = {"id": "r1", "product": "shop", "ref": "v2", "kind": "manual", "starter": "ana"}
ORDER = {
    "scope": "tenant", "tenants": ["acme"], "now": True, "cause": "breach", "reason": "bad", "decided_ms": 1,
}  # fmt: skip
PLAN = {"waves": [{"ring": "pilot", "tenants": ["acme"]}]}
PILOT: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("started", "", {name: REQUEST[name] for name in ("product", "kind", "ref")}),
    ("cut", "", {}), ("built", "", {}), ("tested", "", {}), ("staged", "", {}), ("planned", "", PLAN),
    ("approved", "", {}), ("briefed", "", {}), ("deployed", "acme", {}),
)  # fmt: skip
DEAD = f"flow run 7, pid 999999 since 1 on {this_process('').rpartition(' on ')[2]}"


@dataclass
class FakeRuns:
    """Prefect's flow runs: what is scheduled again is claimed by nobody."""

    now: Callable[[], datetime]
    found: list[Asked] = field(default_factory=list)
    begun: list[ReleaseRequest | RollbackRequest | ContractRequest] = field(default_factory=list)
    set_to: list[tuple[str, str]] = field(default_factory=list)  # name and message
    away: bool = False
    train: FlowRun | None = None

    def of(self, releases: Iterable[str]) -> list[Asked]:
        if self.away:
            raise ConnectionError("refused")
        assert not set(releases) & {"install", "freeze"}
        return self.found

    def trains(self) -> dict[str, FlowRun]:
        return {"shop": self.train} if self.train else {}

    def again(self, run: FlowRun, name: str, message: str) -> bool:
        if run == self.train:
            self.train = replace(run, kind="SCHEDULED", starts=run.starts + 1, due=self.now())
            self.set_to.append((name, message))
            return True
        if run not in [one.run for one in self.found]:
            return False
        self.set_to.append((name, message))
        self.put("SCHEDULED", name=name, due=self.now())
        return True

    def begin(self, request: ReleaseRequest | RollbackRequest | ContractRequest) -> None:
        self.begun.append(request)

    def put(self, kind: str, *, name: str = "", due: datetime | None = None) -> None:
        made = FlowRun("7", kind, name or kind, self.now(), due, starts=1, state=f"{len(self.set_to)}{kind}")
        self.found = [Asked("release", REQUEST, self.now(), made)]


@dataclass
class Den:
    """A watchdog and everything it sees."""

    ledger: Ledger
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.runs = FakeRuns(self.clock.now)
        self.place = Place(frozenset({"shop"}), lambda: self.ledger)
        self.dog = Watchdog(self.runs, lambda: {"one": self.place}, self.clock.now)

    def write(self, step: str, fact: dict[str, Any] | None = None, subject: str = "", release: str = "r1") -> None:
        personal = {"started": {"starter": "ana"}, "rollback": {"who": "olga"}}.get(step)
        draft = Draft(release=release, step=step, subject=subject, fact=fact or {}, personal=personal)
        (self.ledger.observe if step in OBSERVED else self.ledger.append)(draft, self.clock.now())

    def reach(self, last: str) -> None:
        for step, subject, fact in PILOT:
            self.write(step, fact, subject)
            if step == last:
                return

    def look(self, after: float = 0) -> list[Done]:
        self.clock.sleep(after)
        return list(self.dog.look())

    def did(self, after: float = 0) -> list[tuple[str, str]]:
        return [(done.release, done.did) for done in self.look(after)]


@pytest.fixture
def den() -> Iterator[Den]:
    with in_memory() as ledger:
        made = Den(ledger)
        made.write("adopted", {"version": "1"}, "acme", "install")
        yield made


def test_a_run_that_crashed_is_started_again_when_the_second_report_is_through_and_once(den: Den) -> None:
    den.reach("cut")
    den.runs.put("CRASHED")
    assert den.did(29) == []
    den.runs.put("CRASHED")  # the second report
    assert den.did(29) == []
    assert den.did(1) == [("r1", "started again")]
    assert den.did() == den.did(9999) == []  # no worker comes: setting it again does not help
    assert [name for name, _ in den.runs.set_to] == ["AwaitingRetry"]


def test_a_train_that_crashed_before_it_was_cut_is_started_again_and_not_for_ever(den: Den) -> None:
    den.runs.train = FlowRun("9", "CRASHED", "Crashed", den.clock.now(), starts=1)
    assert den.did(29) == []
    assert den.did(1) == [("train run 9", "started again")]
    assert den.runs.set_to == [("AwaitingRetry", "its flow run is CRASHED and nobody works on it")]
    assert den.did(60) == []
    den.runs.train = FlowRun("9", "CRASHED", "Crashed", den.clock.now(), starts=5)
    assert den.did(31) == [("train run 9", "left")]
    assert den.did(31) == []


def test_a_train_that_is_under_way_is_left(den: Den) -> None:
    den.runs.train = FlowRun("9", "RUNNING", "Running", den.clock.now(), starts=1)
    assert den.did(600) == []
    assert den.did(60) == [("train run 9", "started again")]


def test_when_the_worker_died_too_the_process_tells(den: Den) -> None:
    den.reach("cut")
    den.runs.put("RUNNING")
    den.clock.sleep(100)
    den.ledger.take_lease("r1", DEAD, den.clock.now())
    assert den.did(1) == den.did(9) == []
    assert den.did(1) == [("r1", "started again")]


def test_while_somebody_works_on_it_nothing_is_done(den: Den) -> None:
    den.reach("deployed")
    den.runs.put("CRASHED")
    for _ in range(9):
        den.ledger.take_lease("r1", this_process("flow run 7"), den.clock.now())
        assert den.did(20) == []


def test_a_run_of_another_machine_that_is_silent_is_started_again_when_its_lease_ran_out(den: Den) -> None:
    den.reach("cut")
    den.runs.put("RUNNING")
    den.ledger.take_lease("r1", "flow run 7, pid 1 since 1 on elsewhere/1/1", den.clock.now())
    assert den.did(45) == []
    assert den.did(1) == [("r1", "started again")]


def test_what_changed_meanwhile_is_looked_at_again_first(den: Den, monkeypatch: pytest.MonkeyPatch) -> None:
    den.reach("cut")
    den.runs.put("CRASHED")
    (seen,) = den.runs.found
    monkeypatch.setattr(den.runs, "of", lambda _: [replace(seen, run=replace(seen.run, state="old"))])
    assert den.did(30) == []
    assert den.runs.set_to == []


def test_a_signature_wakes_what_waits_for_it(den: Den) -> None:
    den.reach("planned")
    den.write("waiting", {"for": "approval", "until": None, "message": "one more", "hint": None})
    den.runs.put("SCHEDULED", name="WaitingForApproval", due=den.clock.now() + timedelta(days=1))
    assert den.did(5) == []
    den.write("approval", {"role": None}, "key")
    assert den.did(2) == [("r1", "woken")]
    assert den.did(2) == []
    assert den.runs.set_to == [("Woken", "somebody answered")]


def test_the_end_of_a_freeze_wakes_what_waits_for_a_window(den: Den) -> None:
    den.write("frozen", {"reason": "x", "until": None}, "env:production", "freeze")
    den.reach("briefed")
    den.write("waiting", {"for": "window", "until": None, "message": "frozen", "hint": None})
    den.runs.put("SCHEDULED", name="WaitingForWindow", due=den.clock.now() + timedelta(hours=1))
    assert den.did(5) == []
    den.write("thawed", {"reason": "over"}, "env:production", "freeze")
    assert den.did(2) == [("r1", "woken")]


def test_what_waits_in_no_flow_run_is_woken_in_a_new_one(den: Den) -> None:
    den.reach("planned")
    den.write("waiting", {"for": "approval", "until": None, "message": "one more", "hint": None})
    den.write("approval", {"role": None}, "key")
    assert den.did(5) == [("r1", "woken")]
    assert den.runs.begun == [ReleaseRequest.model_validate(REQUEST)]


def test_a_rollback_nobody_carries_out_is_begun_as_it_was_ordered(den: Den) -> None:
    den.reach("deployed")
    den.write("rollback", ORDER)
    den.runs.put("CRASHED")
    assert den.did(5) == []
    assert den.did(6) == [("r1", "rollback begun")]
    assert den.runs.begun == [
        RollbackRequest(
            release="r1", product="shop", scope="tenant", tenants=("acme",), now=True, reason="bad", starter="olga"
        )
    ]


def test_a_wave_nobody_watches_is_held_under_a_lease_and_begun_again(den: Den) -> None:
    den.reach("deployed")
    den.runs.put("RUNNING")
    lease = den.ledger.take_lease("r1", "flow run 7, pid 1 since 1 on elsewhere/1/1", den.clock.now())
    assert den.did(46) == [("r1", "started again")]
    assert den.did(15) == [("r1", "held")]
    held = den.ledger.entries("r1")[-1]
    assert (held.step, held.subject, held.fact["cause"]) == ("held", "pilot", "unwatched")
    assert den.ledger.holder("r1", den.clock.now()) is None
    assert den.ledger.take_lease("r1", "next", den.clock.now()).epoch == lease.epoch + 2  # the silent one is shut out
    assert den.did(120) == []  # its run is scheduled; no worker comes
    den.runs.put("CRASHED")
    assert den.did(30) == [("r1", "started again")]
    den.write("started", PILOT[0][2])
    assert fold(den.ledger.entries("r1")) == "deploying"


def test_a_hold_needs_no_prefect_and_everything_else_waits_for_it(den: Den) -> None:
    den.reach("deployed")
    den.runs.put("CRASHED")
    den.runs.away = True
    assert den.did(30) == [("Prefect", "does not answer")]
    assert den.did(31) == [("r1", "held")]
    assert den.did(31) == []
    den.runs.away = False
    assert den.did(1) == [("Prefect", "answers again"), ("r1", "started again")]


def test_a_ledger_that_is_away_is_told_once_and_asked_again(den: Den) -> None:
    def refuse() -> Ledger:
        raise OutsideError("no ledger")

    there, den.place = den.place, Place(frozenset({"shop"}), refuse)
    assert [str(done) for done in den.look()] == ["2026-11-23T08:00:00Z ledger of shop: does not answer: no ledger"]
    assert den.look() == []
    den.place = there
    den.reach("cut")
    den.runs.put("CRASHED")
    assert den.did(30) == [("ledger of shop", "answers again"), ("r1", "started again")]


def test_one_release_that_cannot_be_helped_does_not_keep_it_from_the_others(den: Den) -> None:
    den.reach("deployed")
    den.write("rollback", {**ORDER, "scope": "galaxy"})
    for step, subject, fact in PILOT[:2]:
        den.write(step, fact, subject, "r2")
    crashed = FlowRun("8", "CRASHED", "", den.clock.now())
    den.runs.found = [Asked("release", {**REQUEST, "id": "r2"}, den.clock.now(), crashed)]
    assert den.did(60) == [("r1", "could not be helped"), ("r2", "started again")]
    assert ("r1", "could not be helped") not in den.did(60)


def test_what_dies_again_and_again_is_left_and_told_once(den: Den) -> None:
    den.reach("cut")
    for _ in range(5):
        den.write("started", PILOT[0][2])
    den.runs.put("CRASHED")
    (told,) = den.look(30)
    assert (told.did, "5 times in a row" in told.why) == ("left", True)
    assert den.look(30) == []
    assert den.runs.set_to == []


def test_what_never_reaches_the_ledger_is_begun_five_times(den: Den) -> None:
    den.reach("cut")
    did = []
    for _ in range(9):
        den.runs.put("CRASHED")
        did += den.did(30)
    assert did == 5 * [("r1", "started again")] + [("r1", "left")]
    den.write("built", {})
    den.runs.put("CRASHED")
    assert den.did(30) == [("r1", "started again")]


def test_a_run_that_died_before_its_release_began_is_started_again(den: Den) -> None:
    den.runs.put("CRASHED")
    assert den.did(30) == [("r1", "started again")]


def test_runs_of_other_products_and_of_releases_that_are_over_are_left(den: Den) -> None:
    den.runs.put("CRASHED")
    den.runs.found = [replace(den.runs.found[0], request={**REQUEST, "product": "crm"})]
    assert den.did(60) == []
    den.reach("deployed")
    den.write("released", {"tenants": 1})
    den.runs.put("CRASHED")
    assert den.did(60) == []


def test_a_release_that_is_over_and_then_rolled_back_is_seen_again(den: Den) -> None:
    den.reach("deployed")
    den.write("released", {"tenants": 1})
    den.runs.put("COMPLETED")
    assert den.did(60) == []
    den.write("rollback", ORDER)
    assert den.did(11) == [("r1", "rollback begun")]


def test_a_new_watchdog_learns_what_the_old_one_knew(den: Den) -> None:
    den.reach("planned")
    den.write("waiting", {"for": "approval", "until": None, "message": "one more", "hint": None})
    den.runs.put("SCHEDULED", name="WaitingForApproval", due=den.clock.now() + timedelta(days=1))
    den.did()
    den.write("approval", {"role": None}, "key")
    den.dog = Watchdog(den.runs, lambda: {"one": den.place}, den.clock.now)
    assert den.did() == [("r1", "woken")]


def test_an_error_of_ours_is_told_and_the_next_round_comes(den: Den, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[float] = []

    def sleep(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 2:
            raise KeyboardInterrupt

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(Watchdog, "look", broken)
    told: list[Done] = []
    with pytest.raises(KeyboardInterrupt):
        run(den.dog, told.append)
    assert [done.why for done in told] == 2 * ["ZeroDivisionError: oh"]
    assert rounds == [2.0, 2.0]


def test_products_that_share_a_ledger_have_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path))
    monkeypatch.delenv("STATIONMASTER_LEDGER", raising=False)
    assert places() == {}
    for product, name in (("shop", "one"), ("crm", "one"), ("blog", "two")):
        remember("ledger", product, LedgerDatabase(url=SecretStr(f"sqlite:///{tmp_path}/{name}.db")))
    (tmp_path / "blocks" / "ledger" / "damaged.json").write_text("{")
    assert {place.products for place in places().values()} == {frozenset({"shop", "crm"}), frozenset({"blog"})}
    monkeypatch.setenv("STATIONMASTER_LEDGER", f"sqlite:///{tmp_path}/one.db")
    (one,) = places().values()
    assert (one.products, one.name) == (None, "ledger")
    with one.open() as ledger:
        assert ledger.entries() == []


def test_the_service_file_comes_with_the_package_and_starts_the_command() -> None:
    text = files("stationmaster.deployments").joinpath("services/stationmaster-watchdog.service").read_text()
    (command,) = [line.partition("=")[2] for line in text.splitlines() if line.startswith("ExecStart=")]
    program, word = command.split()
    assert Path(program).name == "stationmaster"
    assert word in app


# The contract of a release that is over


@pytest.fixture
def over(den: Den) -> Den:
    """A release that is through, and somebody wants its contract, which waits for an approval."""
    den.reach("deployed")
    den.write("released", {"tenants": 1})
    den.write("told", {"progress": "released"})
    den.write("closed", {"state": "released", "leaves": [], "size": 1})
    den.write("contract", {"product": "shop"})
    den.write("waiting", {"for": "approval", "until": None, "message": "one more", "hint": None})
    return den


def test_a_contract_that_waits_is_woken_by_its_approval_in_its_own_flow_run(over: Den) -> None:
    parked = FlowRun("8", "SCHEDULED", "WaitingForApproval", over.clock.now(), over.clock.now() + timedelta(hours=20))
    over.runs.found = [Asked("contract", {"of": "r1", "product": "shop"}, over.clock.now(), parked)]
    assert over.did(60) == []
    over.write("approval", {"action": "contract"}, "key")
    assert over.did(2) == [("r1", "contract woken")]
    assert over.runs.set_to == [("Woken", "somebody answered")]


def test_a_contract_whose_run_died_is_begun_again_and_one_that_is_over_is_left(over: Den) -> None:
    dead = FlowRun("8", "CRASHED", "Crashed", over.clock.now(), starts=1, state="x")
    over.runs.found = [Asked("contract", {"of": "r1", "product": "shop"}, over.clock.now(), dead)]
    assert over.did(29) == []
    assert over.did(2) == [("r1", "contract started again")]
    over.write("contract_over", {"databases": []})
    over.runs.found = [Asked("contract", {"of": "r1", "product": "shop"}, over.clock.now(), dead)]
    assert over.did(3600) == []


def test_a_contract_that_cannot_be_helped_keeps_the_watchdog_from_no_other(
    over: Den, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step, subject, fact in (*PILOT, ("released", "", {"tenants": 1}), ("contract", "", {"product": "shop"})):
        over.write(step, fact, subject, "r8")
    over.write("approval", {"action": "contract"}, "key")
    begin = over.runs.begin

    def refused(request: ReleaseRequest | RollbackRequest | ContractRequest) -> None:
        if isinstance(request, ContractRequest) and request.of == "r1":
            raise ValueError("no such deployment")
        begin(request)

    monkeypatch.setattr(over.runs, "begin", refused)
    assert over.did(60) == [("contract of r1", "could not be helped"), ("r8", "contract started again")]
    assert ("contract of r1", "could not be helped") not in over.did(2), "it is said once"


def test_a_contract_that_dies_again_and_again_is_left_and_that_is_said_once(over: Den) -> None:
    said: list[str] = []
    for _ in range(3 * ENOUGH):
        dead = FlowRun("8", "CRASHED", "Crashed", over.clock.now(), starts=1, state="x")
        over.runs.found = [Asked("contract", {"of": "r1", "product": "shop"}, over.clock.now(), dead)]
        said += [did for _, did in over.did(31)]
        said += [did for _, did in over.did(31)]
    assert said.count("contract left") == 1
    assert said[-1] == "contract left"


def test_what_others_do_wakes_a_contract_too_and_not_for_each_tenant(over: Den) -> None:
    over.write("rolled_back", {"version": "1"}, "acme", "r9")
    assert over.did(60) == []
    assert over.did(240) == [("r1", "contract woken")]
    assert over.runs.begun == [ContractRequest(of="r1", product="shop", starter="watchdog")]
