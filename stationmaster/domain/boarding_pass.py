"""What follows from a merged change: it is aboard the next train, it starts a hotfix, or nothing can follow from it.

Pure: the product's file, what runs and what the code host told are given.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from stationmaster.domain import hotfix
from stationmaster.domain.deliveries import MergedChange
from stationmaster.domain.errors import RefusedError
from stationmaster.domain.hotfix import base_of
from stationmaster.domain.product import Product
from stationmaster.domain.request import ReleaseRequest

WEBHOOK = "webhook"  # the service of approvers.yaml that starts hotfixes
_ID_LENGTH = 63
_SHORT = 12  # characters of a commit or a digest
_FIRST_PAUSE, _LONGEST_PAUSE = 5, 900  # seconds


class NoBranchOfOursError(RefusedError):
    """The change went into a branch from which nothing is released."""

    code = "no_branch_of_ours"

    def __init__(self, base: str, release_branch: str, branches: str) -> None:
        super().__init__(
            f"it was merged into {base}, which is neither the release branch {release_branch} nor a hotfix branch "
            f"{branches}",
            hint="take the branch out of `base` of the hook, or name it in stationmaster.yaml",
        )


class BoardingPass(BaseModel):
    """What follows from a change. `fragment` is None where the host did not list every file; `proposal` is what to
    write to a pull request that bears the label of a hotfix; `request` is the release that is started.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    do: Literal["board", "start"]
    fragment: bool | None
    proposal: str | None = None
    request: ReleaseRequest | None = None


def boarding_pass(
    change: MergedChange,
    product: Product,
    running: Mapping[str, str],
    labels: Collection[str],
    *,
    fragment: bool | None,
) -> BoardingPass:
    """What follows from a change, when `running` maps each version that a tenant runs to its commit.

    Raises:
        NoBranchOfOursError: it went into neither the release branch nor a hotfix branch.
        NoSuchVersionError: it went into a hotfix branch of a version that nobody runs.
    """
    if (mended := base_of(product.hotfix, change.base, running)) is not None:
        version, _ = mended
        return BoardingPass(do="start", fragment=fragment, request=_request(change, version))
    if change.base != (into := release_branch(product)):
        raise NoBranchOfOursError(change.base, into, product.hotfix.branches)
    words = hotfix.proposal(product.hotfix, labels=labels, change=change.merge_commit, running=running)
    return BoardingPass(do="board", fragment=fragment, proposal=words)


def release_branch(product: Product) -> str:
    """The branch from which trains leave."""
    return product.train.branch if product.train else "main"


def hotfix_id(product: str, version: str, commit: str) -> str:
    """The name of the hotfix that a merge commit is: the same for the same change, whoever tells of it. `shop`,
    `1.2.0` → `shop-1-2-0-hotfix-` and the commit's first characters.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", f"{product}-{version}".lower()).strip("-")
    name = f"{plain}-hotfix-{commit[:_SHORT]}"
    if len(name) <= _ID_LENGTH:
        return name
    ending = f"-hotfix-{hashlib.sha256(f'{product} {version} {commit}'.encode()).hexdigest()[:_SHORT]}"
    return f"{plain[: _ID_LENGTH - len(ending)].rstrip('-')}{ending}"


def has_fragment(files: Collection[str], folder: str, *, complete: bool) -> bool | None:
    """Whether one of the files is a change fragment; None when that cannot be told, because not all are listed."""
    if any(path.startswith(f"{folder.rstrip('/')}/") for path in files):
        return True
    return False if complete else None


def pause(tries: int) -> int:
    """Seconds until a change is tried again that was tried so often in vain."""
    return int(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(tries - 1, 20)))


def _request(change: MergedChange, version: str) -> ReleaseRequest:
    name, ref = hotfix_id(change.product, version, change.merge_commit), change.merge_commit
    return ReleaseRequest(id=name, product=change.product, ref=ref, kind="hotfix", starter=WEBHOOK)
