"""Who wrote it, by every name they go by; and whom nobody knows."""

import pytest

from stationmaster.domain.approvers import Approvers
from stationmaster.domain.artifact import Change, Commit, Cut
from stationmaster.domain.authors import Authors, authors_of
from tests.shop import product

PEOPLE = Approvers.model_validate(
    {
        "people": [
            {"id": "rosa", "name": "Rosa Roth", "emails": ["Rosa@shop.example"], "github": "rosa-r"},
            {"id": "ben", "name": "Ben"},
        ]
    }
)


def cut(*authors: tuple[str, ...]) -> Cut:
    """A release with one change per tuple of authors; its commit is by Ben."""
    changes = tuple(Change(commit=f"{n:040}", subject="a fix", authors=each) for n, each in enumerate(authors))
    commit = Commit(commit=40 * "c", subject="a fix", authors=("Ben <b@old.example>",), version="1", at=0)
    return Cut(release="h1", product=product(), commit=commit, previous=(), changes=changes, fragments=())


@pytest.mark.parametrize(
    ("author", "people", "unknown"),
    [
        ("R. <rosa@SHOP.example>", {"rosa"}, ()),
        ("Rosa Roth <private@home.example>", {"rosa"}, ()),
        ("R <123+rosa-r@users.noreply.github.com>", {"rosa"}, ()),
        ("rosa@shop.example", {"rosa"}, ()),
        ("Ben <rosa@shop.example>", {"ben", "rosa"}, ()),  # either may be borrowed, so it is both
        ("Eve <eve@shop.example>", set(), ("Eve <eve@shop.example>",)),
        (" <>", set(), (" <>",)),
    ],
)
def test_an_author_is_known_by_address_and_by_name(author: str, people: set[str], unknown: tuple[str, ...]) -> None:
    assert authors_of(cut((author,)), PEOPLE) == Authors(frozenset(people), unknown)


def test_the_host_s_own_page_wrote_nothing_unless_nobody_else_did() -> None:
    page = "GitHub <noreply@github.com>"
    assert authors_of(cut(("Ben <b@b>", page)), PEOPLE) == Authors(frozenset({"ben"}), ())
    assert authors_of(cut(("Ben <b@b>",), (page,)), PEOPLE) == Authors(frozenset({"ben"}), (page,))


def test_everybody_of_every_change_counts_and_of_none_who_made_the_commit() -> None:
    found = authors_of(cut(("Rosa Roth <>", "X <x@x>"), ("Ben <b@b>", "X <x@x>")), PEOPLE)
    assert found == Authors(frozenset({"rosa", "ben"}), ("X <x@x>",))
    assert authors_of(cut(), PEOPLE) == Authors(frozenset({"ben"}), ())
