"""Which files git says are new or changed here since another commit, those that are not committed yet included."""

import subprocess
from pathlib import Path

from stationmaster.domain.errors import InputError


class SinceUnknownError(InputError):
    """What should have been there before is neither a revision nor a commit."""

    code = "since_unknown"


def changed_since(reference: str, folder: Path) -> frozenset[Path]:
    """Files of the repository around `folder` that differ from where this branch left `reference`.

    Raises:
        SinceUnknownError: git does not know it, or the folder is in no repository.
    """
    top = Path(_git(folder, reference, "rev-parse", "--show-toplevel").strip())
    base = _git(top, reference, "merge-base", "--end-of-options", reference, "HEAD").strip()
    named = _git(top, reference, "diff", "--name-only", "--no-relative", "-z", "--diff-filter=d", base)
    added = _git(top, reference, "ls-files", "--others", "--exclude-standard", "-z")
    return frozenset((top / name).resolve() for name in f"{named}{added}".split("\0") if name)


def _git(folder: Path, reference: str, *command: str) -> str:
    try:
        done = subprocess.run(
            ("git", "-C", str(folder), *command), capture_output=True, text=True, check=False, timeout=60
        )
    except FileNotFoundError:
        raise SinceUnknownError(f"{reference!r} is no revision here, and there is no git to ask") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no common commit; a shallow clone has too little history"])[-1]
        raise SinceUnknownError(
            f"{reference!r} is no revision here, and git says: {said}",
            hint="a revision's id, or a commit or branch, such as origin/main",
        )
    return done.stdout
