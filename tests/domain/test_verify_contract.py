"""A contract that was carried out, forged entry by entry under a new log of the service's own key."""

from collections.abc import Iterator
from typing import Any

import pytest

from stationmaster.blocks.bundling import make
from stationmaster.domain import bundle
from stationmaster.domain.container import pack, unpack
from stationmaster.domain.entries import Entry, canonical, digest
from stationmaster.domain.verify import problems
from stationmaster.domain.verify_acts import Sofar, act
from tests.bundles import Files, Released, opened
from tests.contracts import released, signed
from tests.domain.test_verify_forged import entries, rewritten

OTHER = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def held() -> Iterator[Released]:
    with opened() as found:
        world = found.world
        released(world)
        signed(world)
        assert world.contract().name == "Contracted"
        yield found


@pytest.fixture(scope="module")
def made(held: Released) -> Files:
    return unpack(make(held.world.tools, "r2").raw)


def found(held: Released, made: Files, step: str, subject: str, /, **changed: Any) -> str:
    """What is wrong when the last such entry says something else."""
    one = next(one for one in reversed(entries(made)) if (one["step"], one["subject"]) == (step, subject))
    forged = rewritten(held, made, {one["index"]: {"fact": {**one["fact"], **changed}}})
    return "\n".join(problems(pack(forged), held.keys))


def test_a_contract_that_was_signed_and_proved_is_good(held: Released, made: Files) -> None:
    assert problems(pack(made), held.keys) == []
    assert problems(pack(rewritten(held, made, {})), held.keys) == []


@pytest.mark.parametrize("step", ["contracting", "contracted"])
def test_another_sql_than_the_one_that_was_signed(held: Released, made: Files, step: str) -> None:
    assert "ran another SQL on cloud than the one that was signed" in found(held, made, step, "cloud", sql=OTHER)


@pytest.mark.parametrize("databases", [{}, {"cloud": OTHER}, None])
def test_what_was_laid_down_is_what_was_signed(held: Released, made: Files, databases: object) -> None:
    said = found(held, made, "contract_mandated", "r2", databases=databases)
    assert "names other SQL or databases than what was signed" in said


def test_it_ends_where_it_was_signed_to_end(held: Released, made: Files) -> None:
    said = found(held, made, "contract_mandated", "r2", revisions=["c9"])
    assert "names other SQL or databases than what was signed" in said


def test_production_is_not_touched_before_stage_has_proved_it(held: Released, made: Files) -> None:
    said = found(held, made, "proved", "r2", pairs=[])
    assert "took away from cloud before stage had proved what was left, c2,r2" in said
    assert "took away from cloud before stage" in found(held, made, "contracted", "cloud", after=["c9", "r2"])


def test_the_rehearsal_that_people_signed_is_the_one_that_was_recorded() -> None:
    def told(signed: str | None, *, tenant: str | None = None, ran: bool = True) -> list[str]:
        fact = {"estimates": [], "report": OTHER}
        sofar = Sofar(tenant=tenant, rehearsed=digest(canonical(fact)) if ran else None)
        content = {"rehearsal": signed} if signed else {}
        return list(act(_entry("mandated", {"content": content}), sofar))

    right = digest(canonical({"estimates": [], "report": OTHER}))
    assert told(right) == told(None, ran=False) == told(right, tenant="acme", ran=False) == []
    for wrong in (told(OTHER), told(None), told(right, ran=False), told(OTHER, tenant="acme")):
        assert wrong == [f"{bundle.ENTRIES}: entry 7 has another rehearsal signed than the one that was recorded"]


def test_nobody_is_led_back_past_a_contract_to_what_was_not_proved_without_what_it_took() -> None:
    sofar = Sofar(
        tenant=None, proved=[("old", "r2"), ("new", "r2"), ("new", "c2,r2")], taken={"cloud": frozenset({"c2"})}
    )

    def back(artifact: str, instance: str = "cloud") -> list[str]:
        return list(act(_entry("rolled_back", {"digest": artifact, "instance": instance}), sofar))

    assert back("new") == back("old", "cedar") == []
    assert "led acme back past a contract" in back("old")[0]


def _entry(step: str, fact: dict[str, Any]) -> Entry:
    return Entry(
        index=7, at="2026-11-23T08:00:00Z", release="r2", step=step, subject="acme", attempt=1, inputs=OTHER, fact=fact,
        salt="0" * 32, payload=None,
    )  # fmt: skip
