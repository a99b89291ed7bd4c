"""What is a hotfix, what it must pass, and what it owes afterwards."""

import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stationmaster.domain.errors import Exit
from stationmaster.domain.hotfix import (
    Hotfix,
    MergeBack,
    NoSuchVersionError,
    NotDescendedError,
    aftermath,
    base_of,
    merge_back,
    proposal,
    require_descent,
    review_due,
)

HOTFIX = Hotfix()
OLD, NEW, FIX = "a" * 40, "b" * 40, "c" * 40
RUNNING = {"1.2.0": OLD, "1.3.0": NEW}
LANDED = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def test_what_need_not_be_said() -> None:
    assert HOTFIX.branches == "hotfix/{version}"
    assert (HOTFIX.merge_back_within, HOTFIX.review_within) == (3 * 86400, 5 * 86400)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"branches": "hotfix"}, "must hold {version} once"),
        ({"branches": "hotfix/{version}/{version}"}, "must hold {version} once"),
        ({"branches": "{version}"}, "must begin with a folder of its own"),
        ({"branches": "{version}/fix"}, "must begin with a folder of its own"),
        ({"approvals": {}}, "at least 1"),
        ({"approvals": {"on-call-lead": 0}}, "greater than or equal to 1"),
        ({"approvals": {"On Call": 1}}, "match pattern"),
        ({"merge_back_within": "soon"}, "is not a duration"),
        ({"skip": ["tests"]}, "Extra inputs"),
    ],
    ids=str,
)
def test_what_cannot_be(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)):
        Hotfix.model_validate(wrong)


@pytest.mark.parametrize(
    ("branch", "base"),
    [
        ("hotfix/1.2.0", ("1.2.0", OLD)),
        ("hotfix/1.3.0", ("1.3.0", NEW)),
        ("main", None),
        ("hotfix/", None),
        ("my-hotfix/1.2.0", None),
        ("release/1.2.0", None),
    ],
)
def test_a_branch_names_the_running_version_that_it_mends(branch: str, base: tuple[str, str] | None) -> None:
    assert base_of(HOTFIX, branch, RUNNING) == base


def test_the_pattern_is_the_products_own() -> None:
    own = Hotfix(branches="support/v{version}-fix")
    assert base_of(own, "support/v1.2.0-fix", RUNNING) == ("1.2.0", OLD)
    assert base_of(own, "hotfix/1.2.0", RUNNING) is None
    assert base_of(Hotfix(branches="hot.fix/{version}"), "hot-fix/1.2.0", RUNNING) is None


@pytest.mark.parametrize(
    ("branch", "running", "hint"),
    [
        ("hotfix/1.2.1", RUNNING, "did you mean 'hotfix/1.2.0'?"),
        ("hotfix/v1.3.0", RUNNING, "did you mean 'hotfix/1.3.0'?"),
        ("hotfix/1.2.0", {}, "nothing runs"),
    ],
)
def test_a_version_that_no_tenant_runs_is_refused_with_the_nearest(
    branch: str, running: dict[str, str], hint: str
) -> None:
    with pytest.raises(NoSuchVersionError, match="which no tenant runs") as refused:
        base_of(HOTFIX, branch, running)
    assert (refused.value.hint, refused.value.exit) == (hint, Exit.INPUT)
    assert branch in refused.value.message


@given(st.from_regex(r"[0-9][\w.+-]{0,20}", fullmatch=True))
def test_every_version_has_a_branch_that_names_it(version: str) -> None:
    assert base_of(HOTFIX, HOTFIX.branch(version), {version: OLD}) == (version, OLD)


def test_it_descends_from_the_commit_that_runs_in_production() -> None:
    require_descent("hotfix/1.2.0", OLD, descends=True, ahead=True)
    with pytest.raises(NotDescendedError, match="does not descend from aaaaaaaaaaaa, the commit that runs") as refused:
        require_descent("hotfix/1.2.0", OLD, descends=False, ahead=True)
    assert refused.value.hint == "begin it there: git switch -c hotfix/1.2.0 aaaaaaaaaaaa"
    assert refused.value.exit == Exit.NO
    with pytest.raises(NotDescendedError, match="has nothing beyond aaaaaaaaaaaa, which runs already"):
        require_descent("hotfix/1.2.0", OLD, descends=True, ahead=False)


def back(merged: datetime | None = None) -> MergeBack:
    return merge_back(HOTFIX, release="h1", owner="dana", into="main", since=LANDED, merged=merged)


@pytest.mark.parametrize(
    ("hours", "owed", "overdue", "said"),
    [
        (0, True, False, "owed since 2026-11-24T08:00:00Z, and it is due at 2026-11-27T08:00:00Z"),
        (71.99, True, False, "and it is due at"),
        (72, True, True, "overdue for 0 h; it blocks the next train"),
        (75.5, True, True, "overdue for 3 h; it blocks the next train"),
        (24 * 8, True, True, "overdue for 5 d; it blocks the next train"),
    ],
)
def test_it_must_be_merged_back_in_time(
    hours: float,
    owed: bool,  # noqa: FBT001 - a table
    overdue: bool,  # noqa: FBT001 - a table
    said: str,
) -> None:
    now = LANDED + timedelta(hours=hours)
    assert (back().owed(now), back().overdue(now)) == (owed, overdue)
    assert back().said(now).startswith("h1 is not merged back into main, owed since")
    assert said in back().said(now)


def test_what_is_merged_back_is_owed_no_more_however_late() -> None:
    late = LANDED + timedelta(days=9)
    assert not back(late).owed(late)
    assert not back(late).overdue(late)
    assert back(late).overdue(late - timedelta(seconds=1))
    assert back(late).said(late) == "h1 is merged back into main"


def test_the_incident_is_reviewed_by_a_date() -> None:
    review = review_due(Hotfix(review_within=86400), LANDED)
    assert review == LANDED + timedelta(days=1)
    assert aftermath(back(LANDED), review, LANDED) == (
        "h1 is merged back into main. The incident is reviewed by 2026-11-25T08:00:00Z."
    )


def test_a_label_proposes_the_cherry_pick_and_ships_nothing() -> None:
    text = proposal(HOTFIX, labels={"hotfix", "bug"}, change=FIX, running={"1.2.0": OLD})
    assert text is not None
    assert "a label ships nothing" in text
    assert re.findall(r"^git .*?(?=  #|$)", text, re.MULTILINE) == [
        "git fetch origin",
        f"git push origin {OLD}:refs/heads/hotfix/1.2.0",
        "git switch -c pick-cccccccccccc-1.2.0 origin/hotfix/1.2.0",
        f"git cherry-pick -x {FIX}",
        "git push -u origin pick-cccccccccccc-1.2.0",
    ]
    assert base_of(HOTFIX, "main", RUNNING) is None  # what starts a hotfix asks for no label


def test_each_version_that_runs_gets_its_own_pick() -> None:
    text = proposal(HOTFIX, labels=["hotfix"], change=FIX, running=RUNNING)
    assert text is not None
    assert text.index("# version 1.2.0") < text.index("# version 1.3.0")
    assert text.count("git cherry-pick -x") == 2


def test_without_the_label_or_anything_that_runs_nothing_is_proposed() -> None:
    assert proposal(HOTFIX, labels={"bug"}, change=FIX, running=RUNNING) is None
    nothing = proposal(HOTFIX, labels={"hotfix"}, change=FIX, running={})
    assert nothing is not None
    assert "git" not in nothing


def test_a_version_cannot_write_commands() -> None:
    text = proposal(HOTFIX, labels={"hotfix"}, change=FIX, running={"1;rm -rf x": OLD})
    assert text is not None
    words = [word for line in text.splitlines() if line.startswith("git ") for word in shlex.split(line, comments=True)]
    assert "-rf" not in words
    assert f"{OLD}:refs/heads/hotfix/1;rm -rf x" in words
