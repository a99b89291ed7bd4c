"""Whose review of a change counts: the cases of Mozilla Balrog's and Kosli's rules that concern changes, told anew."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.approvers import Approvers
from stationmaster.domain.change_review import Change, Request, Review, Standing, Writer, weigh

HEAD, OLDER, COMMIT = 40 * "b", 40 * "a", 40 * "c"
MERGED = datetime(2026, 11, 23, 8, tzinfo=UTC)
NAMES = ("ana", "ben", "cem", "dia")
PEOPLE = Approvers.model_validate(
    {
        "people": [
            *(
                {
                    "id": one, "name": one.title(), "emails": [f"{one}@shop.example"], "github": f"{one}-hub",
                    "gitlab": f"{one}-lab", "roles": ["reviewer", "dba"] if one == "dia" else ["reviewer"],
                }
                for one in NAMES
            ),
            {"id": "old", "name": "Old", "github": "old-hub", "until": "2026-11-20", "roles": ["reviewer"]},
            {"id": "guest", "name": "Guest", "github": "guest-hub", "roles": ["reader"]},
        ],
        "services": [{"id": "updates", "github": "dependabot[bot]"}],
    }
)  # fmt: skip


def said(who: str | None, state: Any = "approved", commit: str | None = HEAD, at: datetime | None = None) -> Review:
    return Review(who and f"{who}-hub", state, commit, at)


def request(*reviews: Review, opened: str | None = "ana-hub", writers: Sequence[Writer] = (), **more: Any) -> Request:
    fields: dict[str, Any] = {"host": "github", "number": 7, "head": HEAD, "merged_at": MERGED} | more
    return Request(writers=(Writer(account=opened), *writers), reviews=reviews, **fields)


def weighed(
    *reviews: Review, authors: tuple[str, ...] = ("Ana <ana@shop.example>",), quorum: int = 1, **more: Any
) -> Standing:
    return weigh(Change(COMMIT, authors, request(*reviews, **more)), {"reviewer": quorum}, PEOPLE)


def rules(standing: Standing) -> list[tuple[str | None, str]]:
    return [(one.who, one.rule) for one in standing.refused]


def test_a_review_by_somebody_else_is_enough() -> None:
    standing = weighed(said("ben"))
    assert (standing.satisfied, standing.given, standing.missing) == (True, {"ben": "reviewer"}, {})


def test_self_approval_does_not_count() -> None:
    standing = weighed(said("ana"))
    assert (standing.satisfied, rules(standing)) == (False, [("ana", "author")])
    assert str(standing) == "#7: 1 more review by a reviewer; refused: Ana: nobody approves what they wrote"


def test_two_authors_approving_each_other_are_two_authors() -> None:
    both = ("Ana <ana@shop.example>", "Ben <ben@shop.example>")
    standing = weighed(said("ana"), said("ben"), authors=both)
    assert (standing.satisfied, rules(standing)) == (False, [("ana", "author"), ("ben", "author")])
    assert weighed(said("ana"), said("ben"), said("cem"), authors=both).given == {"cem": "reviewer"}


def test_approval_before_the_last_push_is_of_something_else() -> None:
    standing = weighed(said("ben", commit=OLDER))
    assert (standing.satisfied, rules(standing)) == (False, [("ben", "superseded")])
    assert f"approved {OLDER[:12]}, and {HEAD[:12]} was merged" in str(standing)
    assert weighed(said("ben", commit=OLDER), said("ben")).satisfied


@pytest.mark.parametrize("days", [-400, 0, 400])
def test_no_date_makes_an_approval_later_than_a_push(days: int) -> None:
    """What the review says of itself, or a commit of itself: which head the host had received is what counts."""
    at = MERGED + timedelta(days=days)
    assert rules(weighed(said("ben", commit=OLDER, at=at))) == [("ben", "superseded")]
    assert weighed(said("ben", at=at)).satisfied


def test_a_host_that_does_not_tell_what_was_approved_told_nothing() -> None:
    assert rules(weighed(said("ben", commit=None))) == [("ben", "superseded")]


def test_an_empty_quorum_of_nobody_still_needs_to_know_the_authors() -> None:
    standing = weigh(Change(COMMIT, (), request(opened="stranger")), {}, PEOPLE)
    assert (standing.satisfied, standing.missing) == (False, {})


@pytest.mark.parametrize("opened", ["stranger", "ana", "Ana", "ana@shop.example", None])
def test_an_unknown_author_might_be_the_reviewer(opened: str | None) -> None:
    """Also one whose account is called like somebody: anybody may call an account so."""
    standing = weighed(said("ben"), said("cem"), opened=opened)
    assert (standing.satisfied, standing.missing, rules(standing)) == (False, {}, [(None, "unresolved_author")])
    assert "wrote some of it and is nobody in approvers.yaml" in str(standing)


@pytest.mark.parametrize(
    "writer",
    [
        Writer("Ben <ben@shop.example>"), Writer("B <private@home.example>", "ben-hub"), Writer(account="Ben-Hub"),
        Writer("x <1+ben-hub@users.noreply.github.com>"),
    ],
)  # fmt: skip
def test_whoever_had_a_part_in_it_is_an_author(writer: Writer) -> None:
    """A committer, a co-author in a trailer, a pusher: whoever the host or git names."""
    standing = weighed(said("ben"), writers=[writer])
    assert (standing.satisfied, rules(standing)) == (False, [("ben", "author")])


def test_an_address_nobody_knows_is_somebody_s_by_the_account_beside_it() -> None:
    home = "A. <ana@home.example>"
    assert not weighed(said("ben"), authors=(home,)).satisfied
    assert weighed(said("ben"), authors=(home,), writers=[Writer(home, "ana-hub")]).satisfied


def test_the_page_of_the_host_wrote_nothing() -> None:
    page = "GitHub <noreply@github.com>"
    writers = [Writer(page, "web-flow")]
    assert weighed(said("ben"), authors=("Ana <ana@shop.example>", page), writers=writers).satisfied
    assert not weighed(said("ben"), authors=(page,), writers=writers).satisfied


def test_a_service_wrote_it_and_a_person_reviews_it() -> None:
    bot = "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>"
    assert weighed(said("ben"), authors=(bot,), opened="dependabot[bot]").satisfied
    assert not weighed(
        said("ben"), authors=(bot.replace("dependabot[bot]@", "renovate[bot]@"),), opened="dependabot[bot]"
    ).satisfied
    assert not weighed(said("ben"), authors=("updates <ben@home.example>",)).satisfied


def test_a_bot_alone_approves_nothing() -> None:
    standing = weighed(Review("dependabot[bot]", "approved", HEAD))
    assert (standing.satisfied, rules(standing)) == (False, [("updates", "service_account")])
    assert rules(weighed(Review("dependabot", "approved", HEAD))) == [(None, "unknown_key")]


def test_a_dismissed_review_is_none_and_a_comment_takes_nothing_back() -> None:
    assert not weighed(said("ben", "dismissed")).satisfied
    assert not weighed(said("ben"), said("ben", "dismissed")).satisfied
    assert not weighed(said("ben"), said("ben", "changes_requested")).satisfied
    assert weighed(said("ben", "changes_requested"), said("ben")).satisfied
    assert weighed(said("ben"), said("ben", "commented")).satisfied
    assert not weighed(said("ben", "commented")).satisfied


def test_the_same_person_in_two_roles_counts_once() -> None:
    change = Change(COMMIT, ("Ana <ana@shop.example>",), request(said("dia")))
    standing = weigh(change, {"reviewer": 1, "dba": 1}, PEOPLE)
    assert (standing.satisfied, len(standing.given), sum(standing.missing.values())) == (False, 1, 1)
    both = Change(COMMIT, ("Ana <ana@shop.example>",), request(said("dia"), said("ben")))
    assert weigh(both, {"reviewer": 1, "dba": 1}, PEOPLE).given == {"dia": "dba", "ben": "reviewer"}


def test_the_same_person_twice_counts_once() -> None:
    assert weighed(said("ben"), Review("BEN-hub", "approved", HEAD), quorum=2).missing == {"reviewer": 1}


@pytest.mark.parametrize(("who", "rule"), [("old", "expired_key"), ("guest", "role"), ("stranger", "unknown_key")])
def test_who_may_not_review(who: str, rule: str) -> None:
    assert [found for _, found in rules(weighed(said(who)))] == [rule]


def test_whoever_was_valid_when_they_spoke_was_valid() -> None:
    assert weighed(said("old", at=datetime(2026, 11, 19, tzinfo=UTC))).satisfied
    assert not weighed(said("old", at=datetime(2026, 11, 20, tzinfo=UTC))).satisfied


def test_an_account_that_is_gone_approves_nothing() -> None:
    assert rules(weighed(said(None), said(None))) == [(None, "unknown_key")] * 2


def test_what_a_host_does_not_list_completely_proves_nothing() -> None:
    standing = weighed(said("ben"), gaps=("250 of 300 commits are listed",))
    assert (standing.satisfied, standing.lacking) == (False, ("250 of 300 commits are listed",))


def test_a_change_without_a_request_was_reviewed_by_nobody() -> None:
    standing = weigh(Change(COMMIT, ("Ana <ana@shop.example>",), None, "it was pushed"), {"reviewer": 2}, PEOPLE)
    assert (standing.satisfied, standing.missing) == (False, {"reviewer": 2})
    assert str(standing) == f"{COMMIT[:12]}: it was pushed; 2 more review by a reviewer"


def test_accounts_of_one_host_are_not_those_of_another() -> None:
    review = Review("ben-lab", "approved", HEAD)
    assert weighed(review, opened="ana-lab", host="gitlab").satisfied
    assert not weighed(review).satisfied


NAMED = st.sampled_from([*NAMES, "old", "guest", "stranger"])
STATES = st.sampled_from(["approved", "changes_requested", "commented", "dismissed"])
REVIEWS = st.lists(st.builds(said, NAMED, STATES, st.sampled_from([HEAD, OLDER, None])), max_size=8)


@given(REVIEWS, st.sets(st.sampled_from(NAMES), min_size=1), st.integers(1, 3))
def test_whatever_is_said_only_others_last_words_on_the_merged_head_count(
    reviews: list[Review], writers: set[str], quorum: int
) -> None:
    """An oracle of its own: for each person, walk back to the last word."""
    names = tuple(f"{one.title()} <{one}@shop.example>" for one in sorted(writers))
    opened = f"{min(writers)}-hub"
    standing = weigh(Change(COMMIT, names, request(*reviews, opened=opened)), {"reviewer": quorum}, PEOPLE)
    able = set()
    for one in NAMES:
        words = [each for each in reviews if each.by == f"{one}-hub" and each.state != "commented"]
        if one not in writers and words and (words[-1].state, words[-1].commit) == ("approved", HEAD):
            able.add(one)
    assert standing.satisfied == (len(able) >= quorum)
    assert set(standing.given) <= able


@given(REVIEWS, REVIEWS)
def test_a_review_by_an_author_never_helps(reviews: list[Review], more: list[Review]) -> None:
    mine = [one for one in more if one.by == "ana-hub"]
    others = [one for one in reviews if one.by != "ana-hub"]
    assert weighed(*others, *mine).satisfied == weighed(*others).satisfied
