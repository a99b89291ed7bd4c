"""Who is aboard, read from a real repository: merges with what they brought, tenants that lag, what was rolled back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stationmaster.blocks.source import GitRepository
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.blocks.trains import Due, next_train
from stationmaster.domain.entries import Draft
from tests.repository import AT, Repository
from tests.shop import PRODUCT
from tests.world import World, world

NOW = datetime.fromtimestamp(AT, UTC)  # a Tuesday, 22:13; the repository's commits are a minute apart
FILE = PRODUCT + "train: {cadence: FREQ=DAILY;BYHOUR=23, zone: UTC, departs_from: 2023-11-01T23:00, cut_off: 5m}\n"


@dataclass
class Shop:
    """The world's tools over a repository of which `first` runs everywhere."""

    world: World
    tools: Toolbox
    code: Repository
    first: str

    def runs(self, tenant: str, commit: str) -> None:
        fact = {"version": "1", "digest": "sha256:" + 64 * "a", "commit": commit}
        draft = Draft(release="by-hand", step="adopted", subject=tenant, inputs=fact, fact=fact)
        self.world.ledger.append(draft, NOW)

    def next(self) -> Due:
        return next_train(self.tools, "shop", NOW)

    def merge(self, *subjects: str, number: int = 7) -> tuple[str, list[str]]:
        """A branch of these commits is merged: the merge, and what it brought."""
        self.code.git("switch", "--quiet", "-c", f"topic{number}")
        inner = [self.code.commit(subject, {subject: "x"}) for subject in subjects]
        self.code.git("switch", "--quiet", "main")
        said = f"Merge pull request #{number} from shop/topic"
        self.code.git("merge", "--quiet", "--no-ff", "-m", said, f"topic{number}")
        return self.code.git("rev-parse", "HEAD").strip(), inner


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    code = Repository.begin(tmp_path / "code")
    first = code.commit("Begin", {"stationmaster.yaml": FILE})
    with world() as one:
        source = GitRepository(url=str(code.path), mirror=str(tmp_path / "mirror"))
        made = Shop(one, replace(one.tools, source=source), code, first)
        for tenant in ("acme", "birch", "cedar"):
            made.runs(tenant, first)
        yield made


def test_a_merge_is_one_change_and_the_train_is_cut_there(shop: Shop) -> None:
    merge, _ = shop.merge("sort", "count")
    found = shop.next()
    assert (found.release, found.commit, found.boarding.aboard) == ("shop-train-2023-11-14-2300", merge, (merge,))
    assert found.cut_off == datetime(2023, 11, 14, 22, 55, tzinfo=UTC)


def test_a_merge_that_is_reverted_is_taken_off_with_the_revert(shop: Shop) -> None:
    merge, _ = shop.merge("sort", "count")
    shop.code.git("revert", "--no-edit", "-m", "1", merge)
    found = shop.next()
    assert (found.boarding.empty, len(found.boarding.removed)) == (True, 2)
    kept = shop.code.commit("keep", {"kept": "x"})
    assert shop.next().boarding.aboard == (kept,)


def test_what_one_tenant_lacks_is_aboard_though_others_run_it(shop: Shop) -> None:
    second, third = shop.code.commit("two"), shop.code.commit("three")
    shop.runs("acme", second)
    assert shop.next().boarding.aboard == (second, third)
    shop.runs("birch", second)
    shop.runs("cedar", third)
    assert shop.next().boarding.aboard == (third,)
    shop.runs("acme", third)
    shop.runs("birch", third)
    found = shop.next()
    assert (found.boarding.empty, found.commit) == (True, None)


def test_a_merge_is_on_hold_when_a_part_of_it_was_rolled_back_until_that_is_lifted(shop: Shop) -> None:
    merge, (inner, _) = shop.merge("sort", "count")
    ledger = shop.world.ledger
    asked = {"product": "shop", "kind": "manual", "ref": "main"}
    ledger.observe(Draft(release="r9", step="started", fact=asked, inputs={}), NOW)
    brought = {"commit": merge, "changes": [{"commit": inner, "subject": "sort"}], "previous": [], "version": "9"}
    ledger.append(Draft(release="r9", step="cut", fact=brought), NOW)
    ledger.append(Draft(release="r9", step="rollback", fact={"cause": "breach"}), NOW)
    assert (shop.next().boarding.on_hold, shop.next().boarding.empty) == ((merge,), True)
    ledger.append(Draft(release="r9", step="lifted", fact={"reason": "mended"}), NOW)
    assert shop.next().boarding.aboard == (merge,)


def test_what_is_pushed_late_is_late(shop: Shop) -> None:
    early = shop.code.commit("early")
    shop.code.made = 60
    late = shop.code.commit("late")
    found = shop.next()
    assert (found.commit, found.boarding.aboard, found.boarding.late) == (early, (early,), (late,))
    later = next_train(shop.tools, "shop", NOW + timedelta(days=1))
    assert (later.commit, later.boarding.aboard) == (late, (early, late))


def test_a_release_branch_of_its_own_is_followed(shop: Shop) -> None:
    shop.code.git("switch", "--quiet", "-c", "stable")
    stable = shop.code.commit(
        "Stay", {"stationmaster.yaml": FILE.replace("cut_off: 5m", "branch: stable, cut_off: 9m")}
    )
    shop.code.git("switch", "--quiet", "main")
    shop.code.commit("Go", {"stationmaster.yaml": FILE.replace("cut_off: 5m", "branch: stable")})
    found = shop.next()
    assert (found.commit, found.train.cut_off) == (stable, 540)
