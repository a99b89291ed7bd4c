"""Which release brings a policy of its own, over a real history with branches."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stationmaster.blocks.carried import describe
from stationmaster.blocks.policies import policy_for, replaces
from stationmaster.blocks.ratification import put_policy_in_force
from stationmaster.blocks.source import GitRepository
from stationmaster.domain.artifact import Cut
from stationmaster.ledger.store import Ledger
from tests.ledgers import laid_at
from tests.repository import Repository
from tests.shop import PRODUCT

AT = datetime(2026, 11, 23, tzinfo=UTC)
TWO = PRODUCT.replace("release-approver: 1", "release-approver: 2")
THREE = PRODUCT.replace("release-approver: 1", "release-approver: 3")


class Line:
    """A history with one file, and releases cut of it."""

    def __init__(self, root: Path, ledger: Ledger) -> None:
        self.repository, self.ledger = Repository.begin(root / "code"), ledger
        self.source = GitRepository(url=str(self.repository.path), mirror=str(root / "mirror"))
        self.begun: list[str] = []

    def commit(self, policy: str) -> str:
        self.begun.append(self.repository.commit("change", {"stationmaster.yaml": policy, "n": str(len(self.begun))}))
        return self.begun[-1]

    def branch(self, name: str, at: str) -> None:
        self.repository.git("checkout", "-q", "-b", name, at)

    def cut(self, commit: str, *previous: str) -> Cut:
        return describe(self.source, "r9", self.source.resolve(commit), previous)

    def ratify(self, commit: str, by: str) -> str:
        entry = put_policy_in_force(self.ledger, self.cut(commit).product, by, AT)
        return str(entry.fact["digest"])

    def replaces(self, commit: str, *previous: str) -> str | None:
        return replaces(self.ledger, self.source, self.cut(commit, *previous))


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with Ledger.open(laid_at(tmp_path / "ledger.db")) as ledger:
        yield Line(tmp_path, ledger)


def test_the_first_policy_is_in_the_place_of_none(line: Line) -> None:
    assert line.replaces(line.commit(PRODUCT)) is None


def test_one_that_was_never_in_force_is_brought_by_whoever_carries_it(line: Line) -> None:
    one = line.commit(PRODUCT)
    known = line.ratify(one, "first")
    assert line.replaces(line.commit(PRODUCT), one) is None
    two = line.commit(TWO)
    assert line.replaces(two, one) == known
    assert line.replaces(line.commit(TWO), two) == known  # an emergency carried it to production, and not in force


def test_a_hotfix_of_an_older_commit_takes_nothing_back(line: Line) -> None:
    one = line.commit(PRODUCT)
    line.ratify(one, "first")
    two = line.commit(TWO)
    known = line.ratify(two, "r2")
    line.branch("hotfix", one)
    assert line.replaces(line.commit(PRODUCT), one, two) is None
    assert line.replaces(line.commit(THREE), one, two) == known


def test_who_takes_it_back_on_purpose_does(line: Line) -> None:
    one = line.commit(PRODUCT)
    line.ratify(one, "first")
    two = line.commit(TWO)
    known = line.ratify(two, "r2")
    back = line.commit(PRODUCT)
    assert line.replaces(back, two) == known
    assert line.replaces(back, one, two) == known  # also while some run what was before both


def test_an_older_file_that_cannot_be_read_is_another_policy(line: Line) -> None:
    one = line.commit(PRODUCT)
    line.ratify(one, "first")
    known = line.ratify(line.commit(TWO), "r2")
    odd = line.commit("product: [")
    assert line.replaces(line.commit(PRODUCT), odd) == known


def test_a_release_is_held_to_what_was_there_before_its_own(line: Line) -> None:
    one = line.commit(PRODUCT)
    known = line.ratify(one, "first")
    two = line.commit(TWO)
    this = line.cut(two, one)
    assert policy_for(line.ledger, this).rules.quorum("manual") == {"release-approver": 1}
    line.ratify(two, "r9")
    assert policy_for(line.ledger, this).rules.quorum("manual") == {"release-approver": 1}
    assert replaces(line.ledger, line.source, this) == known
    line.ratify(line.commit(THREE), "r10")
    assert policy_for(line.ledger, this).rules.quorum("manual") == {"release-approver": 1}
    assert replaces(line.ledger, line.source, this) == known
