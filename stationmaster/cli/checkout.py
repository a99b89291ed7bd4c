"""A commit of the repository that a developer stands in, for commands that need no release. Nothing is fetched."""

from pathlib import Path
from typing import TYPE_CHECKING

from stationmaster.domain.errors import InputError

if TYPE_CHECKING:
    from stationmaster.blocks.git import Git
    from stationmaster.blocks.source import GitRepository


class NoBaseError(InputError):
    """Nobody can tell since which commit a change is one."""

    code = "no_base"


def commit_of(folder: Path, ref: str) -> "tuple[GitRepository, str]":
    """The repository as a source, and a commit that it has already: nothing is fetched into it."""
    from stationmaster.blocks.source import GitRepository, UnknownRefError  # noqa: PLC0415 - --help needs no git

    git = _git(folder)
    found = _commit(git, ref)
    if found is None:
        raise UnknownRefError(f"{folder} has no branch, tag or commit {ref!r}", hint="commit first, or name another")
    return GitRepository(url=git.folder, mirror=git.folder), found


def base_of(folder: Path, commit: str, branch: str) -> tuple[str, ...]:
    """Where a commit left a branch, as its remote has it or as it is here; of a commit on it, the one before. Nothing
    for a first commit.

    Raises:
        NoBaseError: the branch is not here, or what they have in common is not.
    """
    git = _git(folder)
    heads = [head for head in (_commit(git, f"origin/{branch}"), _commit(git, branch)) if head]
    for head in heads:
        base = (git.bytes("merge-base", commit, head) or b"").decode().strip()
        if base and base != commit:
            return (base,)
        if base:
            before = _commit(git, f"{commit}^")
            return (before,) if before else ()
    raise NoBaseError(
        f"nobody can tell where {commit[:12]} left {branch}: {'its history' if heads else 'the branch'} is not here",
        hint=f"git fetch --unshallow, git fetch origin {branch}, or name a commit with --since",
    )


def _git(folder: Path) -> "Git":
    from stationmaster.deployments.adoption.detection import NotARepositoryError, git_of  # noqa: PLC0415 - as above

    git = git_of(folder)
    if git is None:
        raise NotARepositoryError(f"{folder} is not the root of a git repository", hint="name the product's repository")
    return git


def _commit(git: "Git", name: str) -> str | None:
    found = git.bytes("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return found.decode().strip() if found else None
