"""Who wrote it, by every name they go by; and whom nobody knows."""

import pytest

from stationmaster.domain.approvers import RATIFIED, Approvers
from stationmaster.domain.artifact import Change, Commit, Cut
from stationmaster.domain.authors import Authors, authors_of, co_authors
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


def told(found: Authors) -> tuple[frozenset[str], tuple[str, ...]]:
    return found.people, found.unknown


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
    assert told(authors_of(cut((author,)), PEOPLE)) == (frozenset(people), unknown)


def test_a_hidden_address_is_an_account_of_github_and_no_other_name() -> None:
    rows = [{"id": "kim", "name": "K"}, {"id": "lee", "name": "L", "gitlab": "lee-l"}, {"id": "max", "name": "Mo"}]
    people = Approvers.model_validate({"people": rows, "services": [{"id": "robot", "github": "rob"}]})
    for account in ("kim", "lee-l", "mo", "robot"):
        hidden = f"X <1+{account}@users.noreply.github.com>"
        assert told(authors_of(cut((hidden,)), people)) == (frozenset(), (hidden,))
    assert told(authors_of(cut(("X <1+rob@users.noreply.github.com>",)), people)) == (frozenset(), ())


def test_whoever_shares_a_name_in_an_older_ratified_file_wrote_it_too() -> None:
    rows = [{"id": "a", "name": "A", "gitlab": "kim"}, {"id": "b", "name": "B", "emails": ["kim"]}]
    people = Approvers.model_validate({"people": rows}, context=RATIFIED)
    assert told(authors_of(cut(("X <kim>",)), people)) == (frozenset({"a", "b"}), ())


def test_the_host_s_own_page_wrote_nothing_unless_nobody_else_did() -> None:
    page = "GitHub <noreply@github.com>"
    assert told(authors_of(cut(("Ben <b@b>", page)), PEOPLE)) == (frozenset({"ben"}), ())
    assert told(authors_of(cut(("Ben <b@b>",), (page,)), PEOPLE)) == (frozenset({"ben"}), (page,))


def test_everybody_of_every_change_counts_and_of_none_who_made_the_commit() -> None:
    found = authors_of(cut(("Rosa Roth <>", "X <x@x>"), ("Ben <b@b>", "X <x@x>")), PEOPLE)
    assert told(found) == (frozenset({"rosa", "ben"}), ("X <x@x>",))
    assert told(authors_of(cut(), PEOPLE)) == (frozenset({"ben"}), ())


def test_each_change_has_its_own() -> None:
    found = authors_of(cut(("Rosa Roth <>",), ("Ben <b@b>", "Rosa Roth <>")), PEOPLE)
    assert list(found.changes.values()) == [frozenset({"rosa"}), frozenset({"rosa", "ben"})]


@pytest.mark.parametrize(
    "author", ["dependabot[bot] <49+dependabot[bot]@users.noreply.github.com>", "bump <bump@x.example>"]
)
def test_a_service_is_known_and_is_nobody(author: str) -> None:
    robots = [{"id": "bump", "emails": ["bump@x.example"]}, {"id": "updates", "github": "dependabot[bot]"}]
    people = Approvers.model_validate({**PEOPLE.model_dump(), "services": robots})
    assert told(authors_of(cut((author,)), people)) == (frozenset(), ())
    assert told(authors_of(cut((author,)), PEOPLE))[1] == (author,)


@pytest.mark.parametrize(
    "message",
    [
        "Fix\n\nCo-authored-by: Rosa <rosa@x>",
        "Fix\n\nCO-AUTHORED-BY :\tRosa  <rosa@x>",
        "Fix\n\nCo-Authored-By: Rosa <rosa@x>\n\nAnd a last paragraph without any trailer.",
        "Co-authored-by: Rosa <rosa@x>",  # the subject itself
        "Fix\n   co-authored-by:Rosa <rosa@x> (she paired)",
        "Fix\n\n* Add it\n\n  * Co-authored-by: Rosa <rosa@x>\r",  # as a squash lists its commits
        "Fix\n\n> Co-authored-by: Rosa\n  <rosa@x>",
    ],
)
def test_a_co_author_is_found_wherever_the_message_hides_them(message: str) -> None:
    assert list(co_authors(message)) == [("Rosa", "rosa@x")]


def test_who_is_named_without_an_address_is_named_and_nobody_swallows_the_next() -> None:
    message = "Fix\n\nCo-authored-by: Rosa\n  co-authored-by: Ben <b@x>\nco-authored-by:\nnot co-authored-by: Eve <e@x>"
    assert list(co_authors(message)) == [("Rosa", ""), ("Ben", "b@x")]
