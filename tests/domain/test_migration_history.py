"""Ancestors, branches and the order of revisions, also in long and in broken histories."""

from itertools import pairwise
from time import process_time

from hypothesis import given, settings
from hypothesis import strategies as st

from stationmaster.domain.migration_history import History
from stationmaster.domain.migration_recorded import Recorded, Run
from stationmaster.domain.migration_revisions import judge
from stationmaster.domain.migration_source import Source


def revision(name: str, *after: str, depends: tuple[str, ...] = (), labels: tuple[str, ...] = ()) -> Recorded:
    return Recorded(
        file=f"{name}.py", source=Source(downgrade="written"), revision=name, down_revision=after, depends_on=depends,
        branch_labels=labels, runs=(Run(),),
    )  # fmt: skip


BRANCHES = History.of([
    revision("root"),
    revision("c1", "root", labels=("contract",)),
    revision("c2", "c1", depends=("e2",)),
    revision("e1", "root", labels=("expand",)),
    revision("e2", "e1"),
])  # fmt: skip


def test_what_is_depended_on_is_an_ancestor_too() -> None:
    assert BRANCHES.ancestors("c2") == {"root", "c1", "e1", "e2"}
    assert BRANCHES.ancestors("e2") == {"root", "e1"}


def test_labels_count_for_what_follows_and_not_before_the_fork() -> None:
    assert {name: sorted(labels) for name, labels in BRANCHES.labels.items()} == {
        "root": [], "c1": ["contract"], "c2": ["contract"], "e1": ["expand"], "e2": ["expand"],
    }  # fmt: skip
    late = History.of([revision("a"), revision("b", "a", labels=("expand",))])
    assert late.labels["a"] == {"expand"}


def test_expand_comes_before_contract_where_nothing_says_otherwise() -> None:
    assert BRANCHES.order == ("root", "e1", "e2", "c1", "c2")
    assert BRANCHES.heads == {frozenset({"contract"}): ["c2"], frozenset({"expand"}): ["e2"]}


def test_a_name_is_an_id_a_label_or_the_only_beginning() -> None:
    assert [BRANCHES.resolve(name) for name in ("e1", "expand", "roo", "e", "x")] == ["e1", "e1", "root", None, None]


def test_only_what_goes_round_is_said_to() -> None:
    assert BRANCHES.round == set()
    history = History.of(
        [revision("a"), revision("x", "z", "a"), revision("y", "x"), revision("z", "y"), revision("b", "z")]
    )
    assert history.round == {"x", "y", "z"}
    assert History.of([revision("me", "me")]).round == {"me"}


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefghz"), max_size=3), max_size=8))
@settings(max_examples=50)
def test_any_history_has_an_order_with_everything_in_it(parents: dict[str, list[str]]) -> None:
    history = History.of([revision(name, *after) for name, after in parents.items()])
    assert sorted(history.order) == sorted(parents)
    place = {name: number for number, name in enumerate(history.order)}
    for name in set(parents) - history.round:
        if not history.ancestors(name) & history.round:
            assert all(place[one] < place[name] for one in history.after(name))
    judge(list(history.revisions.values()))


def test_thousands_of_revisions_are_no_trouble() -> None:
    names = [f"r{number:05}" for number in range(2000)]
    chain = [revision(names[0]), *(revision(name, before) for before, name in pairwise(names))]
    began = process_time()
    assert [one.revision.name for one in judge(chain)] == names
    assert process_time() - began < 10
