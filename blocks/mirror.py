"""Brings a mirror of a repository up to date: all branches and tags, one process at a time.

It converges: a mirror that a killed run left broken is made anew. What is read from it is `source.py`'s.
"""

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from stationmaster.blocks.git import TIMEOUT, Git, SourceSlowError, SourceUnreachableError

FETCH = 240  # seconds
_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def fetch(git: Git, url: str) -> None:
    """The branches and tags of `url` as they are now. Raises SourceUnreachableError; the mirror stays as it was."""
    with _alone(git):
        if git.bytes("rev-parse", "--git-dir") is None:
            _begin(git)
        try:
            _update(git, url)
        except SourceSlowError:
            raise
        except SourceUnreachableError:
            git.text("ls-remote", "--quiet", "--", url, "HEAD")  # raises unless the mirror is to blame
            shutil.rmtree(git.folder)
            _begin(git)
            _update(git, url)


def _begin(git: Git) -> None:
    """HEAD names no branch, so that asking for it never answers with a branch nobody meant."""
    git.text("init", "--quiet", "--bare", "--initial-branch=mirror/none")


def _update(git: Git, url: str) -> None:
    """Its time fits into that of the act `cut`. What a killed fetch left is removed: it is of no use to the next."""
    for left in Path(git.folder).glob("objects/pack/tmp_*"):
        left.unlink(missing_ok=True)
    replace(git, timeout=FETCH).text("fetch", "--quiet", "--prune", "--force", "--no-tags", "--", url, *_REFS)


@contextmanager
def _alone(git: Git) -> Iterator[None]:
    """One fetch at a time: git's own locks would make a second one fail."""
    path = Path(f"{git.folder}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + TIMEOUT
    with path.open("w") as lock:
        while not _locked(lock.fileno()):
            if time.monotonic() > deadline:
                raise SourceUnreachableError(f"another process has been fetching {git.name} for {TIMEOUT} s")
            time.sleep(0.05)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
