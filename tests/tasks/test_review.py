"""The gate of reviews: it is there when the policy in force asks for it, and says who is missing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from stationmaster.blocks import reviews
from stationmaster.blocks.hosting import Author, CodeHostUnavailableError, Merged, PullRequest, Review
from stationmaster.blocks.ratification import ratify_first
from stationmaster.blocks.reviewing import ReviewMissingError, UnreviewedChangeError
from stationmaster.domain.artifact import Cut
from stationmaster.domain.documents import read
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.product import Product
from stationmaster.tasks.cut import cut
from stationmaster.tasks.review import require_reviews
from tests.shop import PRODUCT
from tests.world import World

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
ASKING = PRODUCT.replace("{release-approver: 1}}", "{release-approver: 1}, change: {release-approver: 1}}")
HEAD = 40 * "b"


class Hub:
    """A code host where each commit came by a request of Ana's that `reviewer` approved."""

    host = "github"

    def __init__(self, reviewer: str | None, *, known: bool = True, away: bool = False) -> None:
        self.reviewer, self.known, self.away = reviewer, known, away

    def introduced(self, commit: str) -> tuple[int, ...]:
        if self.away:
            raise CodeHostUnavailableError("github.example", "ConnectError")
        self.commit = commit
        return (7,) if self.known else ()

    def pull_request(self, number: int) -> PullRequest:
        merged = Merged(
            number=number, title="t", base="main", commit=self.commit, head=HEAD, merged_at=AT, updated_at=AT,
            author="ana-hub", labels=(), url="https://github.com/shop/7",
        )  # fmt: skip
        review = [Review(by=self.reviewer, state="approved", commit=HEAD, at=AT)] if self.reviewer else []
        return PullRequest(
            number=number, title="t", base="main", head=HEAD, author="ana-hub", labels=(), merged=merged,
            reviews=tuple(review), authors=(Author(name="Ana", email="ana@shop.example"),), files=(), gaps=(),
        )  # fmt: skip


@pytest.fixture
def asking(world: World) -> World:
    """A world whose release v3 carries the rule, and whose people have accounts."""
    accounts(world)
    world.commit("v3", product=ASKING)
    return world


def accounts(world: World) -> None:
    file = world.root / "approvers.yaml"
    text = file.read_text()
    for name in ("ana", "ben"):
        text = text.replace(f'"id": "{name}"', f'"id": "{name}", "github": "{name}-hub"')
    file.write_text(text)


def gated(world: World, monkeypatch: pytest.MonkeyPatch, hub: Any, ref: str = "v3") -> Cut:
    monkeypatch.setattr(reviews, "optional", lambda _kind, _name: hub)
    with world.leg("r3", ref) as leg:
        this = cut.fn(leg)
        require_reviews.fn(leg, this)
        return this


def test_without_a_rule_nobody_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gated(world, monkeypatch, Hub(None, away=True), "v2")


def test_with_the_reviews_it_passes(asking: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gated(asking, monkeypatch, Hub("ben-hub")).changes


@pytest.mark.parametrize("reviewer", [None, "ana-hub", "stranger"])
def test_it_waits_and_says_who_is_missing(asking: World, monkeypatch: pytest.MonkeyPatch, reviewer: str | None) -> None:
    with pytest.raises(
        ReviewMissingError, match="r3 waits for reviews: #7: 1 more review by a release-approver"
    ) as wait:
        gated(asking, monkeypatch, Hub(reviewer))
    assert wait.value.until == instant(asking.clock.at.replace(minute=15))
    kept = "".join(filter(None, wait.value.kept)).lower()
    assert not [name for name in ("ana", "ben", "stranger", "@") if name in kept.replace("another", "")]
    assert kept.startswith("r3 waits for reviews: #7: 1 more review by a release-approver")
    assert ("refused by rule" in kept) is (reviewer is not None)


def test_whom_nobody_knows_is_told_and_not_kept(asking: World, monkeypatch: pytest.MonkeyPatch) -> None:
    eve = Author(name="Eve", email="eve@x.example")
    pull, of_eve = Hub.pull_request, {"authors": (eve,)}
    monkeypatch.setattr(Hub, "pull_request", lambda self, number: pull(self, number).model_copy(update=of_eve))
    with pytest.raises(ReviewMissingError, match=r"eve <eve@x\.example> wrote some of it and is nobody") as wait:
        gated(asking, monkeypatch, Hub("ben-hub"))
    message, hint = wait.value.kept
    assert message.endswith("#7: refused by rule: unresolved_author")
    assert "stationmaster release start r3" in str(hint)


def test_what_was_pushed_past_everybody_is_refused(asking: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UnreviewedChangeError, match=r"carries what nobody could review: .* it came by no pull request"
    ) as told:
        gated(asking, monkeypatch, Hub("ben-hub", known=False))
    assert told.value.kept[0] == told.value.message


def test_a_host_that_is_away_lets_nothing_pass(asking: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutsideError, match="did not answer"):
        gated(asking, monkeypatch, Hub("ben-hub", away=True))


def test_a_change_that_takes_its_own_rule_away_is_held_to_it(asking: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy in force is the ratified one; a file that says less is a proposal."""
    ruled = read(Product, ASKING, "stationmaster.yaml").value
    ratify_first(asking.ledger, asking.tools.signer, ruled, asking.clock.now())
    asking.commit("v4", product=PRODUCT)
    with pytest.raises(ReviewMissingError):
        gated(asking, monkeypatch, Hub("ana-hub"), "v4")


def test_ten_changes_are_told_and_the_others_counted(asking: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(11):
        asking.commit(f"v3.{number}", product=ASKING)
    with pytest.raises(ReviewMissingError, match=r"; and 3 more$"):
        gated(asking, monkeypatch, Hub(None), "v3.10")
