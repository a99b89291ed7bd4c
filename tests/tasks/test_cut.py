"""Cut: one commit for the whole release, and what it brings to whom."""

import pytest

from stationmaster.blocks.source import UnknownRefError
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.entries import Draft
from stationmaster.domain.errors import InputError
from stationmaster.tasks.cut import cut
from tests.shop import PRODUCT
from tests.world import World


def test_what_is_recorded_names_nobody(world: World) -> None:
    with world.leg() as leg:
        made = cut.fn(leg)
    entry = world.last("cut")
    v1, v2 = world.source.refs["v1"], world.source.refs["v2"]
    assert entry.fact == {
        "commit": v2, "version": "2", "previous": [v1], "changes": [{"commit": v2, "subject": f"change {v2[:4]}"}],
    }  # fmt: skip
    assert world.ledger.personal(entry) == {"authors": {v2: ["Ana <ana@shop.example>"]}}
    assert made.fragments == ("changes/v2.md",)


def test_the_commit_stays_although_the_branch_moves_and_something_else_runs(world: World) -> None:
    with world.leg("r2", "main") as leg:
        first = cut.fn(leg)
        v3 = world.commit("v3")
        fact = {"version": "3", "digest": "sha256:" + 64 * "a", "commit": v3}
        world.ledger.append(Draft(release="x", step="adopted", subject="acme", fact=fact), world.clock.now())
        assert cut.fn(leg) == first
    assert world.facts().count(("cut", "r2")) == 1


def test_what_is_new_to_anybody_is_aboard(world: World) -> None:
    """Acme has version 2 already; to the others its changes are new."""
    fact = {"version": "2", "digest": "sha256:" + 64 * "a", "commit": world.source.refs["v2"]}
    world.ledger.append(Draft(release="x", step="adopted", subject="acme", fact=fact), world.clock.now())
    v3 = world.commit("v3")
    with world.leg("r3", "v3") as leg:
        made = cut.fn(leg)
    assert [change.commit for change in made.changes] == [world.source.refs["v2"], v3]
    assert made.fragments == ("changes/v2.md", "changes/v3.md")


@pytest.mark.parametrize(
    ("ref", "product", "error", "word"),
    [
        ("v22", PRODUCT, UnknownRefError, "v22"),
        ("v3", PRODUCT.replace("journeys:", "jorneys:"), DocumentError, "jorneys"),
        ("v3", "", DocumentError, "empty"),
    ],
)
def test_what_cannot_be_cut(world: World, ref: str, product: str, error: type[InputError], word: str) -> None:
    world.commit("v3", product=product)
    with world.leg("r3", ref) as leg, pytest.raises(error, match=word) as refused:
        cut.fn(leg)
    assert refused.value.step == "cut"
    assert world.facts("r3") == []
