"""What counts as a deviation, and what does not because a release is under way."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.drift import Drift, Finding, Recorded, Seen, compare, since
from stationmaster.domain.entries import Draft, Entry, compose

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OLD, NEW, EVIL = ("sha256:" + letter * 64 for letter in "abe")


def entry(
    tenant: str, digest: str = NEW, step: str = "deployed", release: str = "r2", index: int = 1, **fact: Any
) -> Entry:
    place = {} if step == "adopted" else {"instance": "cloud", "colour": "b"}
    draft = Draft(release=release, step=step, subject=tenant, fact={"digest": digest, **place, **fact})
    return compose(draft, index=index, at=AT, attempt=1, salt="0" * 32, payload=None)


RECORDED = Recorded(
    tenants={"acme": entry("acme"), "birch": entry("birch", OLD, "adopted")},
    homes={"acme": "cloud", "birch": "cloud"},
    approved=frozenset({OLD, NEW}),
    schemas={"cloud": frozenset({"r2"}), "cedar": frozenset()},
    flags=frozenset({"sha256:f1"}),
)
SEEN = Seen(
    routes={"acme": ("cloud", "b"), "birch": ("cloud", "a"), "probe": ("stage", "a")},
    running={("cloud", "a"): OLD, ("cloud", "b"): NEW, ("stage", "a"): EVIL},
    schemas={"cloud": "r2", "cedar": "r9"},
    flags="sha256:f1",
)


def found(seen: Seen = SEEN, recorded: Recorded = RECORDED) -> list[tuple[str, str]]:
    return [(one.about, one.kind) for one in compare(recorded, seen).findings]


def test_what_the_ledger_says_is_no_drift_and_stage_is_not_production() -> None:
    assert compare(RECORDED, SEEN) == Drift(2, ())


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"running": {**SEEN.running, ("cloud", "b"): OLD}}, [("acme", "other_digest")]),
        (
            {"running": {**SEEN.running, ("cloud", "b"): EVIL}},
            [("acme", "other_digest"), ("cloud b", "unapproved")],
        ),
        ({"routes": {**SEEN.routes, "acme": ("cloud", "a")}}, [("acme", "other_digest")]),
        ({"routes": {"birch": ("cloud", "a")}}, [("acme", "misrouted")]),
        ({"routes": {**SEEN.routes, "dinah": ("cloud", "a")}}, [("dinah", "unrecorded")]),
        ({"running": {**SEEN.running, ("cloud", "b"): None}}, [("cloud b", "unreachable")]),
        ({"running": {("cloud", "a"): OLD}}, [("acme", "unreachable")]),
        ({"running": {**SEEN.running, ("shadow", "a"): NEW}}, [("shadow a", "unrecorded")]),
        (
            {"running": {**SEEN.running, ("shadow", "a"): None}},
            [("shadow a", "unreachable"), ("shadow a", "unrecorded")],
        ),
        ({"schemas": {"cloud": "r3"}}, [("database cloud", "schema")]),
        ({"schemas": {"cloud": None}}, [("database cloud", "unreachable")]),
        ({"flags": "sha256:f2"}, [("flags", "flags")]),
        ({"flags": ""}, [("flags", "flags")]),
        ({"away": {"flags": "outside"}}, [("flags", "unreachable")]),
        (
            {"away": {"deploy target": "supervisor_gone"}, "routes": {}, "running": {}},
            [("deploy target", "unreachable")],
        ),
    ],
)  # fmt: skip
def test_each_kind_of_deviation(changed: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(replace(SEEN, **changed)) == expected


def test_the_same_artifact_on_another_colour_is_another_route() -> None:
    seen = replace(SEEN, running={("cloud", "a"): NEW, ("cloud", "b"): NEW}, routes={"acme": ("cloud", "a")})
    recorded = replace(RECORDED, tenants={"acme": entry("acme")})
    (one,) = compare(recorded, seen).findings
    assert (one.kind, one.expected, one.found) == ("misrouted", "cloud b", "cloud a")
    assert str(one) == "acme: misrouted: cloud a, where cloud b is recorded"


def test_what_was_there_before_all_releases_may_be_in_any_colour_of_its_instance() -> None:
    recorded = replace(RECORDED, tenants={"birch": entry("birch", OLD, "adopted")})
    assert found(replace(SEEN, routes={"birch": ("cloud", "a")}), recorded) == []
    elsewhere = replace(SEEN, routes={"birch": ("cedar", "a")}, running={("cedar", "a"): OLD})
    assert ("birch", "misrouted") in found(elsewhere, recorded)
    assert found(elsewhere, replace(recorded, homes={"cedar": "cedar"})) == []


@pytest.mark.parametrize(
    ("under_way", "digest", "judged"),
    [
        ({"r3": OLD}, OLD, False), ({"r2": NEW}, OLD, False), ({"r9": None}, OLD, True), ({"r3": EVIL}, EVIL, True),
        ({}, OLD, True),
    ],
)  # fmt: skip
def test_what_a_release_has_just_moved_is_not_judged_if_it_was_approved(
    under_way: dict[str, str | None], digest: str, *, judged: bool
) -> None:
    seen = replace(SEEN, running={**SEEN.running, ("cloud", "b"): digest})
    assert (("acme", "other_digest") in found(seen, replace(RECORDED, under_way=under_way))) is judged


def test_where_nothing_was_published_or_expanded_nothing_is_expected() -> None:
    bare = replace(RECORDED, flags=frozenset(), schemas={})
    assert found(replace(SEEN, flags="sha256:f9", schemas={"cloud": "r7"}), bare) == []


def test_what_does_not_answer_is_not_certain_and_what_deviates_is() -> None:
    blind = compare(RECORDED, replace(SEEN, schemas={"cloud": None}))
    assert (bool(blind.findings), blind.certain) == (True, False)
    assert compare(RECORDED, replace(SEEN, schemas={"cloud": "r9"})).certain


def looks(*rounds: list[Finding]) -> list[Entry]:
    return [
        compose(
            Draft(release="drift", step="drifted", subject="shop", fact=Drift(1, tuple(found)).fact()),
            index=3 * number, at=AT, attempt=number + 1, salt="0" * 32, payload=None,
        )
        for number, found in enumerate(rounds)
    ]  # fmt: skip


A, B = Finding("acme", "misrouted", "cloud b", "cloud a"), Finding("acme", "misrouted", "cloud b", "no route")


def test_a_finding_is_new_again_when_it_was_gone_meanwhile() -> None:
    assert since(looks([A])[::-1], [A]) == {A: 0}
    assert since(looks([A], [A, B], [A])[::-1], [A]) == {A: 0}
    assert since(looks([A], [], [A], [A])[::-1], [A]) == {A: 6}
    assert since(looks([A], [B], [A])[::-1], [A]) == {A: 6}
    assert since(looks([B], [A, B], [A, B])[::-1], [A, B]) == {A: 3, B: 0}


@given(st.lists(st.sampled_from([[A], [B], [], [A, B]]), max_size=8))
def test_the_first_look_of_a_run_of_looks_is_found(rounds: list[list[Finding]]) -> None:
    first = since(looks(*rounds, [A])[::-1], [A])[A] // 3
    assert all(A in found for found in [*rounds, [A]][first:])
    assert first == 0 or A not in rounds[first - 1]


def test_no_look_is_asked_for_that_can_say_nothing_more() -> None:
    def before(*rounds: list[Finding]) -> Iterator[Entry]:
        yield from looks(*rounds)[::-1]
        raise AssertionError("another was asked for")

    assert since(before(), []) == {}
    assert since(before([B], [A]), [A]) == {A: 3}


def test_what_is_found_often_and_long_costs_no_more_than_its_looks_are_long() -> None:
    """A ratio: three times the findings in three times the looks are nine times as much to read, and no more."""

    def cost(size: int) -> float:
        found = [Finding(f"tenant-{number}", "misrouted", "cloud a", "cloud b") for number in range(size)]
        history = looks(*[found] * size)[::-1]
        begin = process_time()
        assert since(history, found) == dict.fromkeys(found, 0)
        return process_time() - begin

    little, much = min(cost(30) for _ in range(3)), min(cost(90) for _ in range(3))
    assert much < little * 9 * 2


@given(
    st.dictionaries(st.sampled_from(["acme", "birch"]), st.sampled_from([("cloud", "a"), ("cloud", "b"), ("x", "a")]))
)
def test_nothing_is_silently_fine_where_a_tenant_is_served_by_another_artifact(routes: dict[str, Any]) -> None:
    told = {about for about, _ in found(replace(SEEN, routes=routes))}
    for tenant, one in RECORDED.tenants.items():
        right = SEEN.running.get(routes.get(tenant, ("", ""))) == one.fact["digest"]
        assert right or tenant in told
