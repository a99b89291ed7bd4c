"""`hotfix:` of `stationmaster.yaml`: what counts as a hotfix, what it must pass, and what it owes afterwards.

A hotfix skips the train, never a test. Pure: what git and the ledger know is given; nothing is started or merged.
"""

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from stationmaster.domain.duration import Seconds, instant
from stationmaster.domain.errors import InputError, RefusedError, nearest
from stationmaster.domain.tenants import Id

LABEL = "hotfix"  # on a pull request into the release branch: proposes, and starts nothing

_VERSION = "{version}"
_DAY, _HOUR = 86400, 3600


class NoSuchVersionError(InputError):
    """A hotfix branch names a version that no tenant runs."""

    code = "hotfix_version"

    def __init__(self, branch: str, version: str, known: Collection[str]) -> None:
        super().__init__(
            f"{branch} is for version {version!r}, which no tenant runs", hint=nearest(branch, known) or "nothing runs"
        )


class NotDescendedError(RefusedError):
    """The head of a hotfix branch does not contain the commit that runs, or nothing beyond it."""

    code = "hotfix_descent"


def _pattern(text: str) -> str:
    before, found, after = text.partition(_VERSION)
    if not found or _VERSION in after:
        raise ValueError(f"{text!r} must hold {_VERSION} once, as hotfix/{_VERSION}")
    if "/" not in before:
        raise ValueError(f"{text!r} must begin with a folder of its own, as hotfix/{_VERSION}, or main would match it")
    return text


class Hotfix(BaseModel):
    """How a hotfix is recognised and what it owes. The gates it passes are those of any release."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    branches: Annotated[str, AfterValidator(_pattern)] = Field(
        default=f"hotfix/{_VERSION}", description="The branch for a fix of the running version that it names."
    )
    approvals: dict[Id, Annotated[int, Field(ge=1)]] | None = Field(
        default=None, min_length=1,
        description="Quorum per role for the deploy of a hotfix, in place of `approvals.deploy`; rules are joined.",
        examples=[{"on-call-lead": 1}],
    )  # fmt: skip
    merge_back_within: Seconds = Field(
        default=3 * _DAY,
        description="How long it may be missing in the release branch before it blocks the next train.",
    )
    review_within: Seconds = Field(default=5 * _DAY, description="By when the incident is reviewed.")

    def branch(self, version: str) -> str:
        """The branch for a fix of a version: `1.2.0` → `hotfix/1.2.0`."""
        return self.branches.replace(_VERSION, version)

    def version(self, branch: str) -> str | None:
        """The version that a branch's name names; None when it is no hotfix branch."""
        before, _, after = self.branches.partition(_VERSION)
        match = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", branch)
        return match[1] if match else None


def base_of(hotfix: Hotfix, branch: str, running: Mapping[str, str]) -> tuple[str, str] | None:
    """The version and the commit that a hotfix branch mends; None when the branch is none of a hotfix, whatever labels
    its pull request bears. `running` maps each version that a tenant runs to its commit.

    Raises:
        NoSuchVersionError: with the nearest branch that would do.
    """
    version = hotfix.version(branch)
    if version is None:
        return None
    if version not in running:
        raise NoSuchVersionError(branch, version, [hotfix.branch(one) for one in running])
    return version, running[version]


def require_descent(branch: str, commit: str, *, descends: bool, ahead: bool) -> None:
    """Refuse a head that is not cut from the `commit` that runs (`descends`), or has nothing beyond it (`ahead`).

    Raises:
        NotDescendedError: with the command that makes such a branch.
    """
    if not descends:
        raise NotDescendedError(
            f"{branch} does not descend from {commit[:12]}, the commit that runs in production",
            hint=f"begin it there: git switch -c {shlex.quote(branch)} {commit[:12]}",
        )
    if not ahead:
        raise NotDescendedError(
            f"{branch} has nothing beyond {commit[:12]}, which runs already", hint=f"merge the fix into {branch}"
        )


@dataclass(frozen=True, slots=True)
class MergeBack:
    """A hotfix that is in production, and its way back into the release branch `into`. `merged` is when it was there,
    None while it is not; `owner` owes it.
    """

    awaited: ClassVar[str] = "merge_back"

    release: str
    owner: str
    into: str
    since: datetime
    due: datetime
    merged: datetime | None = None

    def owed(self, now: datetime) -> bool:
        """Whether the release branch lacks it at an aware instant."""
        return self.merged is None or now < self.merged

    def overdue(self, now: datetime) -> bool:
        """Whether it is owed though its time is over; then it blocks the next train."""
        return self.owed(now) and now >= self.due

    def said(self, now: datetime) -> str:
        """How it stands, for people."""
        if not self.owed(now):
            return f"{self.release} is merged back into {self.into}"
        what = f"{self.release} is not merged back into {self.into}, owed since {instant(self.since)}"
        if self.overdue(now):
            return f"{what}, overdue for {_span(now - self.due)}; it blocks the next train"
        return f"{what}, and it is due at {instant(self.due)}"

    def unnamed(self, now: datetime) -> str:
        """The same: it names nobody."""
        return self.said(now)


def merge_back(
    hotfix: Hotfix, *, release: str, owner: str, into: str, since: datetime, merged: datetime | None
) -> MergeBack:
    """What a hotfix owes that reached its first tenant at `since`, an aware instant. `merged`: see MergeBack."""
    return MergeBack(release, owner, into, since, since + timedelta(seconds=hotfix.merge_back_within), merged)


def review_due(hotfix: Hotfix, since: datetime) -> datetime:
    """By when the incident of a hotfix that reached its first tenant at `since` is reviewed."""
    return since + timedelta(seconds=hotfix.review_within)


def aftermath(back: MergeBack, review: datetime, now: datetime) -> str:
    """What follows a hotfix, in words for people: its way back, and its review."""
    owner = f"; {back.owner} owes it" if back.owed(now) else ""
    return f"{back.said(now)}{owner}. The incident is reviewed by {instant(review)}."


def proposal(hotfix: Hotfix, *, labels: Collection[str], change: str, running: Mapping[str, str]) -> str | None:
    """What to write to a pull request into the release branch that bears the label `hotfix`: how its `change`, the
    merge commit, is picked onto what runs. None without the label. It starts nothing: the release branch as it stands
    is never shipped by a label. `running`: see `base_of`.
    """
    if LABEL not in labels:
        return None
    if not running:
        return "Nothing runs in production yet: there is nothing to mend. This change leaves with the next train."
    picks = "\n\n".join(_pick(hotfix, change, version, running[version]) for version in sorted(running))
    return (
        "This change leaves with the next train: a label ships nothing. "
        "To bring it to production before that, pick it onto the version that runs, "
        f"and merge it by a pull request into that branch:\n\n```sh\n{picks}\n```\n\n"
        "A hotfix passes every test and gate of a release; only the train is skipped."
    )


def _pick(hotfix: Hotfix, change: str, version: str, commit: str) -> str:
    base = hotfix.branch(version)
    mine = f"pick-{change[:12]}-{version}"
    return "\n".join(
        (
            f"# version {version}",
            "git fetch origin",
            f"git push origin {shlex.quote(f'{commit}:refs/heads/{base}')}  # once: begins where production is",
            f"git switch -c {shlex.quote(mine)} {shlex.quote(f'origin/{base}')}",
            f"git cherry-pick -x {change}  # with -m 1 when it is a merge",
            f"git push -u origin {shlex.quote(mine)}",
        )
    )


def _span(passed: timedelta) -> str:
    """`3 d`, or `5 h` when it is less than a day."""
    seconds = int(passed.total_seconds())
    return f"{seconds // _DAY} d" if seconds >= _DAY else f"{seconds // _HOUR} h"
