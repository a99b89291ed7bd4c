"""The waves of a release, and why each tenant stands where it stands."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.plan import Plan
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory, Tenant
from tests.plans import plan

NEW, OLD = f"sha256:{'b' * 64}", f"sha256:{'a' * 64}"


def product(*rings: str) -> Product:
    return Product.model_validate(
        {
            "product": "orderdesk",
            "build": {"command": ["make"], "output": "out"},
            "service": {"command": ["run"]},
            "rings": [{"name": ring} for ring in rings or ("pilot", "early", "general")],
            "journeys": [{"name": "log-in", "steps": [{"name": "a", "path": "/"}]}],
            "hard_limits": {"availability": {"max_bad": 0.1, "min_count": 1}},
            "approvals": {"deploy": {"approver": 1}},
        }
    )


def directory(*tenants: Tenant) -> Directory:
    return Directory(tenants=tenants)


def tenant(name: str, ring: str = "pilot", pinned: str | None = None) -> Tenant:
    return Tenant(id=name, name=name, ring=ring, pinned=pinned)


def shape(made: Plan) -> list[tuple[str, object]]:
    return [(wave.ring, wave.instances) for wave in made.waves]


def test_rings_follow_the_order_of_the_file_and_tenants_their_ids() -> None:
    made = plan(product(), directory(tenant("z", "general"), tenant("c"), tenant("a"), tenant("m", "early")), {}, NEW)
    assert shape(made) == [
        ("pilot", {"cloud": ("a", "c")}),
        ("early", {"cloud": ("m",)}),
        ("general", {"cloud": ("z",)}),
    ]


def test_a_ring_with_nobody_to_move_gives_no_wave() -> None:
    made = plan(product(), directory(tenant("a", "general")), {}, NEW)
    assert [wave.ring for wave in made.waves] == ["general"]


def test_who_runs_the_artifact_already_is_left_out_with_the_reason() -> None:
    made = plan(product(), directory(tenant("a"), tenant("b")), {"a": NEW, "b": OLD}, NEW)
    assert shape(made) == [("pilot", {"cloud": ("b",)})]
    assert [(one.tenant, one.place, one.reason) for one in made.placements] == [
        ("a", "done", "runs this artifact already"),
        ("b", "wave", "is in ring pilot and runs sha256:aaaaaaaaaaaa…"),
    ]


def test_a_pinned_tenant_is_shown_and_not_moved() -> None:
    made = plan(product(), directory(tenant("a", pinned="1.4.0"), tenant("b")), {}, NEW)
    assert shape(made) == [("pilot", {"cloud": ("b",)})]
    assert (made.placements[0].place, made.placements[0].reason) == ("pinned", "is pinned to version 1.4.0")


@pytest.mark.parametrize(
    ("max_lag", "behind", "said"),
    [
        (None, 0, "is pinned to version 1.4.0"),
        (None, 1, "is pinned to version 1.4.0, 1 version behind"),
        (2, 2, "is pinned to version 1.4.0, 2 versions behind, of the 2 that its contract allows"),
        (2, 3, "is pinned to version 1.4.0, 3 versions behind, more than the 2 that its contract allows"),
    ],
)
def test_who_lags_is_shown_as_the_contract_says(max_lag: int | None, behind: int, said: str) -> None:
    late = Tenant(id="a", name="A", ring="pilot", pinned="1.4.0", max_lag=max_lag)
    made = plan(product(), directory(late, tenant("b")), {}, NEW, behind={"a": behind})
    assert made.placements[0].reason == said


def test_nothing_to_do_is_a_plan_without_waves() -> None:
    assert plan(product(), directory(tenant("a")), {"a": NEW}, NEW).waves == ()


def test_the_recorded_plan_is_the_plan() -> None:
    made = plan(product(), directory(tenant("a"), tenant("b", "early", pinned="1")), {}, NEW)
    fact = made.fact()
    assert fact["waves"] == [
        {
            "name": "pilot", "ring": "pilot", "number": 1, "tenants": ["a"], "instances": {"cloud": ["a"]},
            "start": "2026-11-23T08:00:00Z", "end": "2026-11-23T08:45:00Z",
        }
    ]  # fmt: skip
    assert fact["digest"] == made.digest
    assert Plan.from_fact(json.loads(json.dumps(fact))) == made


def test_a_dedicated_tenant_is_a_wave_member_on_an_instance_of_its_own() -> None:
    big = Tenant(id="big", name="Big", ring="pilot", hosting="dedicated")
    (wave,) = plan(product(), directory(tenant("c"), big, tenant("a")), {}, NEW).waves
    assert wave.instances == {"big": ("big",), "cloud": ("a", "c")}
    assert wave.tenants == ("a", "big", "c")


def test_the_digest_changes_with_the_artifact_the_rings_and_who_is_left_out() -> None:
    def digest(made: Plan) -> str:
        assert made.digest.startswith("sha256:")
        return made.digest

    base = directory(tenant("a"), tenant("b", "early"))
    made = {
        digest(plan(product(), base, {}, NEW)),
        digest(plan(product(), base, {}, OLD)),
        digest(plan(product("early", "pilot"), base, {}, NEW)),
        digest(plan(product(), base, {"b": NEW}, NEW)),
        digest(plan(product(), directory(tenant("a"), tenant("b", "early", pinned="1")), {}, NEW)),
    }
    assert len(made) == 5


TENANTS = st.lists(
    st.builds(
        tenant,
        st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True),
        st.sampled_from(["pilot", "early", "general"]),
        st.sampled_from([None, "1.0"]),
    ),
    min_size=1,
    unique_by=lambda one: one.id,
)


@given(TENANTS, st.randoms())
def test_every_tenant_has_one_placement_and_the_order_of_the_directory_does_not_matter(
    tenants: list[Tenant], random: Random
) -> None:
    made = plan(product(), directory(*tenants), {}, NEW)
    assert [one.tenant for one in made.placements] == sorted(one.id for one in tenants)
    moved = [name for wave in made.waves for name in wave.tenants]
    assert sorted(moved) == sorted(one.id for one in tenants if one.pinned is None)
    assert plan(product(), directory(*random.sample(tenants, len(tenants))), {}, NEW) == made
