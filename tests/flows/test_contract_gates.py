"""What keeps a contract from a database, asked of the acts themselves: each refuses alone, whatever the flow did."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from stationmaster.blocks.approving import ApprovalMissingError, OutsideMandateError
from stationmaster.blocks.backfilling import TenantProgress
from stationmaster.blocks.compatible import SchemaNotProvedError, contract_before, schemas_of
from stationmaster.blocks.contract_acts import begin_contract
from stationmaster.blocks.contract_proof import ContractMovedError, ContractNotProvedError
from stationmaster.blocks.contract_revisions import Contracting
from stationmaster.blocks.contracting import ContractWaitsError
from stationmaster.blocks.leg import Leg
from stationmaster.domain.backfills import Backfills
from stationmaster.domain.documents import read as read_document
from stationmaster.domain.entries import Draft, digest
from stationmaster.tasks.contract import contract_database, contract_stage, prove, read
from tests.contracts import FILES, SAYS, conditions
from tests.world import Begun, World, once, throw

BACKFILL = """\
backfills:
  - {name: totals, revision: r2, table: orders, key: id, set: total_minor = total, verify: total_minor IS NOT NULL}
"""


@pytest.fixture
def world(released_contract: Begun) -> World:
    return released_contract.again()


@pytest.fixture
def ready(signed_contract: Begun) -> World:
    return signed_contract.again()


@contextmanager
def at_work(world: World, *, proved: bool = True) -> Iterator[tuple[Leg, Contracting]]:
    """A leg before it touches production."""
    with world.leg() as leg:
        what = read.fn(leg)
        if proved:
            contract_stage.fn(leg, what)
            prove.fn(leg, what)
            world.database.ran.clear()
        yield leg, what


def other(what: Contracting, sql: str = "DROP TABLE orders") -> Contracting:
    """The same with another SQL."""
    todo = tuple(replace(one, sql=sql, digest=digest(sql.encode())) for one in what.todo)
    return replace(what, todo=todo)


def test_other_sql_than_was_signed_runs_nowhere(ready: World) -> None:
    with at_work(ready) as (leg, what), pytest.raises(OutsideMandateError):
        contract_database.fn(leg, other(what), "cloud")
    assert ready.database.ran == []


def test_nor_does_it_run_in_stage(ready: World) -> None:
    ready.database.ran.clear()
    with at_work(ready, proved=False) as (leg, what), pytest.raises(OutsideMandateError):
        contract_stage.fn(leg, other(what))
    assert (ready.database.ran, ready.database.copies) == ([], {})


def test_what_the_ledger_says_was_signed_is_held_against_the_digest_that_was(ready: World) -> None:
    with at_work(ready) as (leg, what):
        fact = ready.last("contract_mandated").fact
        forged = {**fact, "databases": {one.instance: one.digest for one in other(what).todo}}
        ready.ledger.append(Draft(release="r2", step="contract_mandated", inputs=forged, fact=forged), leg.tools.now())
        with pytest.raises(OutsideMandateError):
            contract_database.fn(leg, other(what), "cloud")
    assert ready.database.ran == []


def test_sql_that_changed_since_is_signed_anew(ready: World) -> None:
    ready.source.commits[ready.source.refs["v2"]]["migrations/contract.sql"] = "ALTER TABLE orders DROP COLUMN note;"
    assert ready.contract().name == "WaitingForApproval"
    assert [one for one in ready.database.ran if one[1] == "c2"] == []


def test_without_a_signature_nothing_is_touched(world: World) -> None:
    world.contract()
    with at_work(world, proved=False) as (leg, what):
        with pytest.raises(ApprovalMissingError):
            contract_stage.fn(leg, what)
        with pytest.raises(ApprovalMissingError):
            contract_database.fn(leg, what, "cloud")
    assert [one for one in world.database.ran if one[1] == "c2"] == []


def test_a_condition_that_is_not_met_is_asked_by_the_act_itself(ready: World) -> None:
    with at_work(ready) as (leg, what):
        ready.freeze("env:production")
        with pytest.raises(ContractWaitsError):
            contract_database.fn(leg, what, "cloud")
    assert ready.database.ran == []
    assert ("contracting", "cloud") not in ready.facts()


def test_production_is_not_touched_before_stage_has_proved_it(ready: World) -> None:
    with at_work(ready, proved=False) as (leg, what):
        with pytest.raises(ContractNotProvedError, match="stage never proved"):
            contract_database.fn(leg, what, "cloud")
        contract_stage.fn(leg, what)
        with pytest.raises(ContractNotProvedError, match="on c2,r2, which database cloud would have"):
            contract_database.fn(leg, what, "cloud")
        prove.fn(leg, what)
        contract_database.fn(leg, what, "cloud")
    assert ready.last("contracting").fact["target"] == list(ready.database.revision("stage")) == ["c2", "r2"]


def test_a_database_that_moved_since_it_was_read_is_read_anew(ready: World) -> None:
    with at_work(ready) as (leg, what):
        ready.database._at["cloud"] = "r3"
        with pytest.raises(ContractMovedError, match="was at r2 when its contract was read, and is at r3 now"):
            contract_database.fn(leg, what, "cloud")
    assert ready.database.ran == []


def test_a_gate_that_is_shut_after_the_intention_ends_it_on_record(ready: World) -> None:
    def shut(when: str, call: str, given: tuple[Any, ...]) -> bool:
        if (when, call) == ("after", "ledger.append") and (given[0].step, given[0].subject) == ("contracting", "cloud"):
            ready.power.trap = None
            ready.freeze("env:production")
        return False

    ready.power.trap = shut
    assert ready.contract().name == "WaitingForWindow"
    stopped = ready.last("contract_stopped")
    assert (stopped.subject, stopped.fact["code"], stopped.fact["before"]) == ("cloud", "contract_waits", ["r2"])
    assert "ERP is down" in stopped.fact["message"]
    assert schemas_of(ready.tools, "cloud") == ("r2",), "nothing is on its way to it"
    ready.thaw("env:production")
    assert ready.contract().name == "Contracted"


def test_what_is_left_after_a_kill_in_the_middle_is_an_intention_of_its_own(ready: World) -> None:
    """The SQL on record is the one that was signed for what ran."""
    with at_work(ready) as (leg, what):
        todo, rest, none = (
            next(one for one in each.todo if one.instance == "cloud") for each in (what, other(what), other(what, ""))
        )
        whole = begin_contract(leg, what, todo, ("c2",), {})
        assert begin_contract(leg, what, todo, ("c2",), {}) == begin_contract(leg, what, none, ("c2",), {}) == whole
        left = begin_contract(leg, what, rest, ("c2",), {})
        assert (left.index > whole.index, left.fact["sql"]) == (True, rest.digest)
        assert begin_contract(leg, what, none, ("c2",), {}) == left


@pytest.mark.slow
def test_who_waits_for_the_contract_is_not_awaited_by_it(ready: World) -> None:
    """Else neither would ever go on."""
    ready.commit("v3", product=SAYS, more=FILES)
    ready.start("r3", "v3")
    ready.contract()
    assert set(conditions(ready)) == {("cedar", "quiet"), ("cloud", "quiet")}
    ready.power.trap = once("tenants.read", throw(SchemaNotProvedError("cedar", ["r2"], ["sha256:1"], "r2")))
    with pytest.raises(SchemaNotProvedError):
        ready.start("r3", "v3")
    assert ready.last("failed", "r3").fact["lacks"] == {"instance": "cedar", "contract": "r2"}
    ready.contract()
    assert set(conditions(ready)) == {("cloud", "quiet")}
    assert ("contracted", "cedar") in ready.facts() or ready.waits(), "of cedar nothing is lacking"


def test_a_database_that_was_made_later_is_where_its_own_heads_say(ready: World) -> None:
    ready.contract()
    ready.database.databases["dill"] = SecretStr("postgresql://app@db/dill")
    ready.database._at["dill"] = "r2"
    assert contract_before(ready.tools, "dill") == "r2"
    ready.database._contracted["dill"] = "c2"
    assert contract_before(ready.tools, "dill") is None
    assert contract_before(ready.tools, "cloud") is None
    assert contract_before(ready.tools, "nowhere") is None


def test_what_is_the_same_for_all_databases_is_asked_once(ready: World) -> None:
    ready.source.commits[ready.source.refs["v2"]]["backfills.yaml"] = BACKFILL
    ready.power.calls.clear()
    assert ready.contract().name == "Contracted"
    calls = ready.power.calls
    assert calls["database.unverified"] == 2, "the rows of each database of production are counted once"
    assert calls["database.render"] == 1, "all are where the others are"


def test_rows_that_are_wrong_keep_a_database_waiting(ready: World) -> None:
    ready.source.commits[ready.source.refs["v2"]]["backfills.yaml"] = BACKFILL
    ready.database.wrong_rows["cedar"] = 3
    assert ready.contract().name == "WaitingForPerson"
    assert conditions(ready) == {("cedar", "backfills"): "totals: 3 rows are not as verify says"}


def test_a_tenant_that_the_database_does_not_call_verified_keeps_it_waiting(ready: World) -> None:
    ready.source.commits[ready.source.refs["v2"]]["backfills.yaml"] = BACKFILL
    job = {"acme": TenantProgress("acme", "failed", 3), "birch": TenantProgress("birch", "verified", 3)}
    ready.database.engine.jobs["cloud", "totals"] = job
    assert ready.contract().name == "WaitingForPerson"
    assert conditions(ready) == {("cloud", "backfills"): "totals: acme is failed"}
    ready.database.engine.jobs["cloud", "totals"] |= {"acme": TenantProgress("acme", "verified", 3)}
    assert ready.contract().name == "Contracted"


def test_a_tenant_that_lost_it_by_the_ledger_keeps_it_waiting_whatever_the_database_says(ready: World) -> None:
    """As when the database was away while somebody was brought to an older version and back."""
    commit = ready.source.commits[ready.source.refs["v2"]]
    commit["backfills.yaml"] = BACKFILL
    (one,) = read_document(Backfills, BACKFILL, "backfills.yaml").value.backfills
    fact = {"name": "totals", "database": "cloud", "spec": one.digest, "commit": ready.source.refs["v2"]}
    now = ready.clock.now()
    begun = ready.ledger.append(Draft(release="r2", step="backfilling", subject="cloud/totals", fact=fact), now)
    found = {**fact, "began": begun.index, "tenants": ["acme", "birch"], "left": [], "rows": 6}
    ready.ledger.append(Draft(release="r2", step="backfilled", subject="cloud/totals", fact=found), now)
    for number, (step, what) in enumerate(
        (("adopted", ready._installed), ("deployed", ready.ledger.running()["acme"].fact))
    ):
        draft = Draft(release="r2", step=step, subject="acme", inputs={"n": number}, fact={"instance": "cloud", **what})
        ready.ledger.append(draft, now)
    assert ready.contract().name == "WaitingForPerson"
    assert conditions(ready) == {("cloud", "backfills"): "totals: acme was served by 1 since"}


def test_without_verify_only_the_bookkeeping_can_say_that_it_is_done(ready: World) -> None:
    ready.source.commits[ready.source.refs["v2"]]["backfills.yaml"] = BACKFILL.replace(
        ", verify: total_minor IS NOT NULL", ""
    )
    assert ready.contract().name == "WaitingForPerson"
    assert "it never ran here" in conditions(ready)["cloud", "backfills"]
    for instance, tenant in (("cloud", "acme"), ("cedar", "cedar")):
        ready.database.engine.jobs[instance, "totals"] = {tenant: TenantProgress(tenant, "verified", 3)}
    assert ready.contract().name == "Contracted"
