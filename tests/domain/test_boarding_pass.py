"""What follows from a merged change, whatever its labels say."""

from datetime import UTC, datetime

import pytest

from stationmaster.domain.boarding_pass import (
    WEBHOOK,
    NoBranchOfOursError,
    boarding_pass,
    has_fragment,
    hotfix_id,
    pause,
    release_branch,
)
from stationmaster.domain.deliveries import MergedChange
from stationmaster.domain.documents import read
from stationmaster.domain.hotfix import LABEL, NoSuchVersionError
from stationmaster.domain.product import Product
from stationmaster.domain.request import ReleaseRequest
from tests.shop import PRODUCT, product

COMMIT, OLD = 40 * "a", 40 * "b"
RUNNING = {"1.2.0": OLD}


def change(base: str) -> MergedChange:
    return MergedChange(
        product="shop", host="github", repository="acme/shop", number=7, title="Round", author="ana", base=base,
        head="round", merge_commit=COMMIT, merged_at=datetime(2026, 11, 23, tzinfo=UTC),
        url="https://github.example/acme/shop/pull/7",
    )  # fmt: skip


def test_what_went_into_the_release_branch_is_aboard_and_starts_nothing() -> None:
    passed = boarding_pass(change("main"), product(), RUNNING, (), fragment=True)
    assert (passed.do, passed.request, passed.proposal, passed.fragment) == ("board", None, None, True)


def test_a_label_proposes_and_starts_nothing() -> None:
    passed = boarding_pass(change("main"), product(), RUNNING, (LABEL,), fragment=None)
    assert (passed.do, passed.request) == ("board", None)
    assert passed.proposal is not None
    assert f"git cherry-pick -x {COMMIT}" in passed.proposal


def test_what_went_into_the_branch_of_a_running_version_starts_a_hotfix_of_that_commit() -> None:
    passed = boarding_pass(change("hotfix/1.2.0"), product(), RUNNING, (), fragment=False)
    assert passed.do == "start"
    assert passed.request == ReleaseRequest(
        id="shop-1-2-0-hotfix-aaaaaaaaaaaa", product="shop", ref=COMMIT, kind="hotfix", starter=WEBHOOK
    )


def test_nothing_follows_from_a_branch_of_nobodys_version() -> None:
    with pytest.raises(NoSuchVersionError) as caught:
        boarding_pass(change("hotfix/1.3.0"), product(), RUNNING, (), fragment=False)
    assert caught.value.hint == "did you mean 'hotfix/1.2.0'?"


def test_nothing_follows_from_any_other_branch() -> None:
    with pytest.raises(NoBranchOfOursError, match="neither the release branch main nor a hotfix branch hotfix/"):
        boarding_pass(change("develop"), product(), RUNNING, (LABEL,), fragment=False)


def test_the_release_branch_is_the_trains() -> None:
    train = "train: {cadence: 'FREQ=WEEKLY;BYDAY=TU;BYHOUR=9;BYMINUTE=0', zone: Europe/Berlin, branch: trunk}\n"
    other = read(Product, PRODUCT + train, "stationmaster.yaml").value
    assert (release_branch(product()), release_branch(other)) == ("main", "trunk")
    assert boarding_pass(change("trunk"), other, RUNNING, (), fragment=True).do == "board"


def test_the_name_is_that_of_the_change_and_of_no_other() -> None:
    long = "a-product-with-a-very-long-name-" * 2
    changes = [
        (name, version, commit)
        for name in ("shop", long[:62], long[:61] + "x")
        for version in ("1.2.0", "1.2.1", "2026.11.23+build.77-" + 50 * "z")
        for commit in (COMMIT, OLD)
    ]
    names = [hotfix_id(*one) for one in changes]
    assert len(set(names)) == len(changes)
    for name in names:
        ReleaseRequest(id=name, product="shop", starter="webhook")


@pytest.mark.parametrize(
    ("files", "complete", "found"),
    [
        (["changes/1.md", "a.py"], True, True),
        (["changes/1.md"], False, True),
        (["changes.py", "docs/changes/1.md"], True, False),
        ([], False, None),
    ],
)
def test_a_fragment_is_a_file_in_its_folder(files: list[str], complete: bool, found: bool | None) -> None:  # noqa: FBT001
    assert has_fragment(files, "changes", complete=complete) is found
    assert has_fragment(files, "changes/", complete=complete) is found


def test_pauses_grow_up_to_a_quarter_of_an_hour() -> None:
    assert [pause(tries) for tries in (1, 2, 3, 8, 9, 1_000_000)] == [5, 10, 20, 640, 900, 900]
