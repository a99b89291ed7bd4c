"""What the flows record is accounted for: the population has it, and the change record tells it."""

from datetime import UTC, datetime

from stationmaster.blocks.recounting import recounted
from stationmaster.cli.populations import read
from stationmaster.domain.change_record_text import text
from stationmaster.domain.change_request import change_request
from stationmaster.domain.population import Period
from tests.world import World

ALWAYS = Period.of(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
TENANTS = ["acme", "birch", "cedar"]


def test_a_release_and_its_rollback_are_in_the_population_tenant_by_tenant(world: World) -> None:
    world.commit("v2")
    world.release()
    world.rollback()
    found = read(world.ledger, ALWAYS, "shop", people=True)
    mine = [row for row in found["rows"] if row["release"] == "r2"]
    for kind, outcome in (("deployment", "deployed"), ("rollback", "back")):
        rows = [row for row in mine if (row["kind"], row["outcome"]) == (kind, outcome)]
        assert sorted(row["tenant"] for row in rows) == TENANTS
        assert {row["approved"]["entry"] for row in rows} == {world.last("approved").index}
    assert [row["outcome"] for row in mine if row["kind"] == "release"] == ["released"]
    assert found["log"]["root"] == f"sha256:{world.ledger.tree().root().hex()}"
    assert "ana" in {one["person"] for one in found["people"]}


def test_its_change_record_tells_who_had_it_and_what_was_signed(world: World) -> None:
    world.commit("v2")
    world.release()
    world.rollback()
    record = recounted(world.ledger, "r2")
    assert [(stay.tenant, stay.ended_by) for stay in sorted(record.tenants, key=lambda stay: stay.tenant)] == [
        (tenant, "rolled back") for tenant in TENANTS
    ]
    assert record.mandated is not None
    assert record.approved is not None
    assert record.approved.fact["mandate"] == record.mandated.fact["digest"]
    assert record.position.last == world.ledger.entries("r2")[-1].index
    assert "restored" in text(record)
    assert change_request(record)["close_code"] == "unsuccessful"
    assert change_request(record, "acme")["close_code"] == "unsuccessful"
