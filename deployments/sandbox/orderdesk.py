"""Orderdesk, the sandbox's product: its history out of the committed patch series, and how much each tenant asks.

How it is built, configured and run is in `docs/reference/orderdesk.md`; nothing is run here.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stationmaster.domain.errors import InputError, OutsideError

PRODUCT = "orderdesk"
SERIES = Path(__file__).parent / "orderdesk"
STAGE_TENANT = "stage-probe"  # the tenant of the stage environment, in no ring

# Requests a second and tenant: uneven as in life, 200 in all. Two tenants ask so little that a verdict about
# them alone would need minutes.
TRAFFIC: dict[str, float] = {
    "alpina": 24.0,
    "fjordfisk": 11.0,
    "kowalski": 6.0,
    "nordwerk": 30.0,
    "casa-verde": 12.0,
    "midori": 8.5,
    "tamarind": 2.0,
    "harbour-lane": 41.0,
    "prairie": 35.0,
    "atelier-lune": 17.5,
    "karoo": 9.0,
    "kauri": 3.3,
    "nile-pharma": 0.5,
    "altiplano": 0.2,
}


@dataclass(frozen=True)
class Release:
    """A tag, the Change-Id of the commit that carries it, and that commit's id on every machine."""

    tag: str
    change: str
    commit: str


RELEASES = (
    Release("v1.0.0", "Iod000004", "808f68897c622693e944d7e9c89d0218d91aa383"),
    Release("v1.1.0", "Iod000007", "1217aa58d1428e7b72911c629f8dc4c98d1a9e28"),
    Release("v1.2.0", "Iod00000b", "484d0ebe758c788b225df79f42c4783c1c0615fc"),
    Release("v1.3.0", "Iod00000e", "2c99e7822dd8e48215a61e24712d8e4df64c6338"),
    Release("v1.4.0", "Iod000012", "549c5b12f19dab375821b7d6f16e7a1ebaa0a2c3"),
    Release("v1.4.1", "Iod000014", "9799efb614c11094ce81885cd8573654b631f99c"),
)

_INIT = ("init", "--quiet", "--template=", "--initial-branch=main", "--object-format=sha1")
_APPLY = ("am", "--quiet", "--committer-date-is-author-date", "--no-gpg-sign", "--keep-cr", "--no-3way")
_BY_CHANGE = ("log", "--format=%(trailers:key=Change-Id,valueonly,separator=) %H")


class GitMissingError(OutsideError):
    """There is no git on this machine."""

    code = "git_missing"


class SeriesError(OutsideError):
    """The patch series did not give the history it was committed for."""

    code = "patch_series"


class FolderInUseError(InputError):
    """Where the repository should go there is something already."""

    code = "folder_in_use"


def create(path: Path) -> None:
    """A git repository at `path` with Orderdesk's history on `main` and a tag per release: the same commit ids on
    every machine, whatever its git is configured to do. `path` must be new or empty.
    """
    if path.exists() and any(path.iterdir()):
        raise FolderInUseError(f"{path} is not empty", hint="give a new folder")
    path.mkdir(parents=True, exist_ok=True)
    git = _git(path)
    _run(git, *_INIT)
    _run(git, *_APPLY, *(str(patch) for patch in sorted(SERIES.glob("*.patch"))))
    commits = dict(line.split(" ") for line in _run(git, *_BY_CHANGE).splitlines())
    for release in RELEASES:
        _tag(git, release, commits.get(release.change))


def _tag(git: tuple[str, ...], release: Release, commit: str | None) -> None:
    if commit != release.commit:
        raise SeriesError(
            f"the patch series gives {commit} for {release.tag}, not {release.commit}",
            hint="restore deployments/sandbox/orderdesk/ from version control",
        )
    _run(git, "tag", release.tag, release.commit)


def _git(path: Path) -> tuple[str, ...]:
    program = shutil.which("git")
    if program is None:
        raise GitMissingError("git is not installed or not on PATH", hint="install git; the sandbox builds from it")
    return (program, "-C", str(path), "-c", "core.autocrlf=false", "-c", "core.hooksPath=" + os.devnull)


def _run(git: tuple[str, ...], *arguments: str) -> str:
    # Neither the person's configuration nor a surrounding git command (GIT_DIR in a hook) may reach in.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_COMMITTER_NAME": "Orderdesk Merge Queue",
        "GIT_COMMITTER_EMAIL": "merge@orderdesk.example",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "TZ": "UTC",
    }
    done = subprocess.run([*git, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip()
        raise SeriesError(f"git {arguments[0]} failed: {reason}", hint="git 2.29 or newer is needed")
    return done.stdout
