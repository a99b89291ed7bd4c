"""The matrix of versions and schemas, what a database may have, and the ways that are left."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.compatibility import Matrix, Outgrown, outgrown, places, schemas, versions
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.ways_out import Restore, ways_out
from tests.entries import add

OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def proving(*pairs: tuple[str, str], step: str = "staged", release: str = "r2") -> list[Entry]:
    entries: list[Entry] = []
    fact = {"revision": pairs[-1][1] if pairs else "", "pairs": [list(pair) for pair in pairs]}
    add(entries, Draft(release=release, step=step, fact=fact))
    return entries


def changes(*steps: tuple[str, dict[str, list[str]]]) -> list[Entry]:
    entries: list[Entry] = []
    for step, fact in steps:
        add(entries, Draft(release="r2", step=step, subject="cloud", fact=dict(fact)))
    return entries


def test_only_a_pair_that_stage_ran_is_proved() -> None:
    found = Matrix.of([*proving((OLD, "a1"), release="r1"), *proving((OLD, "b2"), (NEW, "b2"), step="proved")])
    assert [found.proved(OLD, ["a1"]), found.proved(OLD, ["b2"]), found.proved(NEW, ["b2"])] == [True] * 3
    assert not found.proved(NEW, ["a1"])
    assert not found.proved(NEW, ["a1", "b2"])
    assert not Matrix.of([]).proved(OLD, ["a1"])


def test_the_first_who_showed_it_is_named() -> None:
    found = Matrix.of([*proving((OLD, "a1"), release="r1"), *proving((OLD, "a1"), release="r2")])
    proof = found.proof(OLD, "a1")
    assert proof is not None
    assert proof.release == "r1"
    assert found.on(OLD) == ("a1",)
    assert found.proof(NEW, "a1") is None


@given(st.lists(st.tuples(st.sampled_from([OLD, NEW]), st.sampled_from(["a", "b", "a,b"])), max_size=8))
def test_a_pair_is_proved_exactly_when_it_was_run(pairs: list[tuple[str, str]]) -> None:
    found = Matrix.of(proving(*pairs))
    for digest in (OLD, NEW):
        for schema in ("a", "b", "a,b"):
            assert found.proved(digest, [schema]) == ((digest, schema) in pairs)


def test_what_grew_out_of_a_schema_says_for_that_too_and_on_which_it_passed() -> None:
    entries: list[Entry] = []
    fact = {"revision": "b", "pairs": [[NEW, "b"]], "covers": [[NEW, "a"]]}
    add(entries, Draft(release="r2", step="staged", fact=fact))
    found = Matrix.of(entries)
    assert found.proved(NEW, ["a", "b"])
    assert [(one.schema, one.passed_on) for one in found.proofs.values()] == [("b", "b"), ("a", "b")]


def moved(*way: tuple[str, str, str], step: str = "expanded") -> list[Entry]:
    """A release each that led a database from one head to another."""
    entries: list[Entry] = []
    for release, before, after in way:
        fact = {"before": [before] if before else [], "after": after.split(",")}
        add(entries, Draft(release=release, step=step, subject="stage", fact=fact))
    return entries


@pytest.mark.parametrize(
    ("history", "wanted", "had", "by"),
    [
        (moved(("r2", "a", "b")), "a", ("a",), ("r2",)),
        (moved(("r2", "a", "b"), ("r3", "b", "b")), "a", ("a",), ("r2",)),
        (moved(("r2", "a", "b"), ("r3", "b", "c")), "a", ("a", "b"), ("r2", "r3")),
        (moved(("r2", "a", "b"), ("r3", "b", "c")), "b", ("b",), ("r3",)),
        (moved(("r1", "", "a"), ("r2", "a", "b")), "a", ("a",), ("r2",)),
        (moved(("r2", "a", "b")), "b", (), ()),  # what it has now is proved itself
        (moved(("r2", "a", "b")), "z", (), ()),
        (moved(("r2", "a", "b"), ("r3", "a", "c")), "a", ("a",), ("r3",)),  # it was restored in between
        (moved(("r2", "a", "b"), ("r3", "z", "c")), "a", (), ()),
        ([*moved(("r2", "a", "b")), *moved(("r2", "b", "b,c"), step="contracted")], "a", (), ()),
        ([], "a", (), ()),
    ],
)  # fmt: skip
def test_what_a_database_had_before_it_grew(
    history: list[Entry], wanted: str, had: tuple[str, ...], by: tuple[str, ...]
) -> None:
    assert outgrown(history, [wanted]) == Outgrown(had, by)


def test_a_database_has_what_it_answers() -> None:
    done = changes(("expanded", {"before": ["a"], "after": ["b"]}))
    assert schemas(done, ["c", "a"]) == ("a,c",)
    assert schemas(done, []) == ("",)


def test_one_that_does_not_answer_has_what_the_ledger_says() -> None:
    assert schemas(changes(("expanded", {"before": ["a"], "after": ["c", "b"]}))) == ("b,c",)
    assert schemas(changes(("expanding", {"before": ["a"]}))) == ("a",)
    assert schemas([]) == ()


def test_while_a_contract_is_under_way_it_may_have_either() -> None:
    begun = changes(
        ("expanded", {"before": ["a"], "after": ["b"]}), ("contracting", {"before": ["b"], "target": ["c"]})
    )
    assert schemas(begun, ["b"]) == ("b", "c")
    assert schemas(begun) == ("b", "c")
    assert schemas(begun, ["c"]) == ("c",)
    over = [*begun, *changes(("contracted", {"before": ["b"], "after": ["c"]}))]
    assert schemas(over) == ("c",)


def test_places_say_who_could_go_back() -> None:
    runs, back = changes(("expanded", {}))[0], changes(("expanded", {}))[0]
    runs = runs.model_copy(update={"step": "deployed", "subject": "acme", "fact": {"version": "2", "digest": NEW}})
    back = back.model_copy(update={"step": "deployed", "subject": "acme", "fact": {"version": "1", "digest": OLD}})
    known = Matrix.of(proving((OLD, "b"), (NEW, "b"), (NEW, "c")))
    (one,) = places(known, ["b"], {"acme": runs}, {"acme": back})
    assert (one.proved, one.back_to, one.back_proved) == (True, "1", True)
    (one,) = places(known, ["b", "c"], {"acme": runs}, {"acme": back})
    assert (one.proved, one.back_proved) == (True, False)
    (one,) = places(known, [], {"acme": runs}, {"acme": None})
    assert (one.proved, one.back_to, one.back_proved) == (False, None, False)


def test_versions_are_named_by_what_was_cut_built_and_runs() -> None:
    entries: list[Entry] = []
    add(entries, Draft(release="install", step="adopted", subject="acme", fact={"digest": OLD, "version": "1.0"}))
    add(entries, Draft(release="r2", step="cut", fact={"version": "2.0"}))
    add(entries, Draft(release="r2", step="built", fact={"digest": NEW}))
    assert versions(entries) == {OLD: "1.0", NEW: "2.0"}


EXPANDED = ("expanded", {"before": ["a"], "after": ["b"]})
CONTRACTED = ("contracted", {"before": ["b"], "after": ["c"]})


@pytest.mark.parametrize(
    ("history", "ways"),
    [
        ([EXPANDED], ["forward", "downgrade", "restore"]),
        ([EXPANDED, CONTRACTED], ["forward", "restore"]),
        ([EXPANDED, CONTRACTED, ("expanded", {"before": ["c"], "after": ["d"]})], ["forward", "restore"]),
        ([("expanded", {"before": ["b"], "after": ["b"]})], ["forward", "restore"]),
        ([], ["forward", "restore"]),
    ],
)
def test_nothing_is_unwound_across_a_contract(history: list[tuple[str, dict[str, list[str]]]], ways: list[str]) -> None:
    found = ways_out(Matrix.of(proving((OLD, "a"))), OLD, "1.2.0", changes(*history), None)
    assert [one.way for one in found] == ways


def test_a_downgrade_to_what_the_version_is_not_proved_on_is_no_way() -> None:
    found = ways_out(Matrix.of(proving((NEW, "a"))), OLD, "1.2.0", changes(EXPANDED), None)
    assert [one.way for one in found] == ["forward", "restore"]


def test_a_restore_says_what_it_costs_and_whether_anybody_measured_it() -> None:
    measured = Restore(takes=2700, loses=900, measured=date(2026, 5, 4))
    said = ways_out(Matrix.of([]), OLD, "1", changes(CONTRACTED), measured)[-1].said
    assert "takes 45m and loses what was written in the last 15m (measured 2026-05-04)" in said
    assert "a contract ran" in said
    declared = Restore(takes=2700, loses=900)
    assert "never measured" in ways_out(Matrix.of([]), OLD, "1", [], declared)[-1].said
    assert "declare database.restore" in ways_out(Matrix.of([]), OLD, "1", [], None)[-1].said
