"""Looks for secrets in the lines that a change adds, with detect-secrets as a library.

Nobody is asked whether a secret is a live one: that would need the network, and would send it there. What is found
leaves here as a place and a hash.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

from detect_secrets.core import scan
from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.filters.heuristic import is_lock_file
from detect_secrets.settings import Settings, default_settings, get_filters

from stationmaster.blocks.scan_given import Answer, Given, tool
from stationmaster.blocks.scan_text import Text, text_of
from stationmaster.domain.entries import canonical
from stationmaster.domain.scans import Secret, SecretsFoundError, allowed

BASELINE = ".secrets.baseline"
_LARGEST = 1 << 20  # bytes of a file; larger ones are data, and a line of a megabyte takes minutes
_ENTROPY = ("Base64HighEntropyString", "HexHighEntropyString")
_NO_SECRETS = ("IPPublicDetector",)
_ONE_AT_A_TIME = threading.Lock()  # the library's settings are the process's
_BY_PATH = (  # they skip a file for its ending, or for a word anywhere in its path, our own folders among it
    "detect_secrets.filters.heuristic.is_non_text_file",
    "detect_secrets.filters.heuristic.is_swagger_file",
    "detect_secrets.filters.heuristic.is_lock_file",
)
_CALLS = "detect_secrets.filters.heuristic.is_indirect_reference"  # `password = ask()` has none; `f("AKIA…")` has
_PLACEHOLDER = r"^[A-Z][A-Z0-9_]*\}$"  # what it takes for the value in `password: "{secret:NAME}"` of a journey


@dataclass(frozen=True)
class Looked:
    """What looking through the added lines gave."""

    found: tuple[Secret, ...]
    commented: int  # secrets that a comment in their line allows
    files: int
    lines: int
    unread: tuple[str, ...]  # files that are no text or too large


def secrets(given: Given) -> Answer:
    """Whether the added lines have secrets that nobody allowed."""
    if not given.scans.secrets.scan:
        fact: dict[str, Any] = {"result": "not scanned: turned off in stationmaster.yaml"}
        return Answer(fact, canonical(fact))
    known = allowed(_baseline(given.tree))
    looked = look(given.tree, given.added, entropy=given.scans.secrets.entropy)
    found = tuple(one for one in looked.found if one.identity not in known)
    fact = {
        "result": _result(len(found), len(looked.unread)),
        "files": looked.files, "lines": looked.lines, "unread": len(looked.unread),
        "allowed": len(looked.found) - len(found), "commented": looked.commented,
    }  # fmt: skip
    return Answer(fact, _secret_report(fact, looked, found), SecretsFoundError(found) if found else None)


def _result(found: int, unread: int) -> str:
    """Never `clean` while there is a file that nobody looked through."""
    if not unread:
        return f"{found} found" if found else "clean"
    return f"{found or 'none'} found, {unread} file{'' if unread == 1 else 's'} not read"


def _secret_report(fact: dict[str, Any], looked: Looked, found: tuple[Secret, ...]) -> bytes:
    allowed_ = [one.told() for one in looked.found if one not in found]
    rows = {"found": [one.told() for one in found], "allowed": allowed_, "unread": list(looked.unread)}
    return canonical({**fact, "scanner": tool("detect-secrets"), **rows})


def _baseline(tree: Path) -> str | None:
    path = tree / BASELINE
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() and not path.is_symlink() else None


def look(tree: Path, added: Mapping[str, frozenset[int]], *, entropy: bool) -> Looked:
    """Secrets in the lines of `added`, numbers by path, of the files in `tree`. A link or a submodule has none."""
    there = [path for path in sorted(added) if (tree / path).is_file() and not (tree / path).is_symlink()]
    texts = {path: _text(tree / path, added[path]) for path in there}
    wanted = [_File(path, text) for path, text in texts.items() if text]
    free = [one for one in wanted if not _is_of_hashes(one.path)]
    with TemporaryDirectory(prefix="scan-") as place, _ONE_AT_A_TIME, default_settings() as settings:
        folder = Path(place)
        _set_up(settings, entropy=entropy)
        found = {one.identity: one for file in free for one in _as_written(file, folder)}
        commented = {one for file in free for one in _commented(file, settings, folder)}
        settings.disable_plugins(*_ENTROPY, "KeywordDetector")
        settings.disable_filters(_CALLS)
        found |= {one.identity: one for file in wanted for one in _as_plain_text(file, folder / "plain.py")}
        commented |= {one for file in wanted if file not in free for one in _commented(file, settings, folder)}
    lines = sum(len(added[one.path]) for one in wanted)
    unread = sorted(_shown(path) for path, text in texts.items() if text is None)
    return Looked(tuple(sorted(found.values())), len(commented), len(wanted), lines, tuple(unread))


@dataclass(frozen=True)
class _File:
    """A file of the tree that is text."""

    path: str
    text: Text

    @property
    def added(self) -> frozenset[int]:
        return self.text.added

    def secret(self, one: PotentialSecret) -> Secret:
        return Secret(_shown(self.path), one.line_number, one.type, one.secret_hash)

    @contextmanager
    def copied(self, folder: Path) -> Iterator[str]:
        """A copy under its name, as what the library can read: it leaves out whatever is no UTF-8."""
        copy = folder / PurePath(self.path).name
        copy.write_bytes("\n".join(self.text.lines).encode())
        yield str(copy)
        copy.unlink()


def _as_written(file: _File, folder: Path) -> Iterator[Secret]:
    """By the format that its name says. The library tells a block of YAML by its first line and takes a carriage return
    for the end of one, so what stands in an added line counts wherever it is told.
    """
    added = "\n".join(line for number, line in enumerate(file.text.lines, start=1) if number in file.added)
    with file.copied(folder) as copy:
        for one in scan.scan_file(copy):
            if one.line_number in file.added or (one.secret_value and one.secret_value in added):
                yield file.secret(one)


def _as_plain_text(file: _File, copy: Path) -> Iterator[Secret]:
    """What is known by its own form, line by line. The library drops comments of whatever it can read as INI, more of
    YAML, and each line that calls something; a first line that is no INI keeps it from that.
    """
    text = file.text.lines
    kept = sorted(
        {at for line in file.added for at in (line - 1, line) if 0 < at <= len(text)}
    )  # a comment may precede
    copy.write_text("\n".join(["no ini", *(text[at - 1].replace("\r", " ") for at in kept)]), encoding="utf-8")
    for one in scan.scan_file(str(copy)):
        one.line_number = kept[one.line_number - 2]
        if one.line_number in file.added:
            yield file.secret(one)


def _commented(file: _File, settings: Settings, folder: Path) -> Iterator[tuple[str, str]]:
    """Secrets beside a comment that allows them. The library stops heeding comments for that; it is made to again."""
    kept = dict(settings.filters)
    with file.copied(folder) as copy:
        for one in scan.scan_for_allowlisted_secrets_in_file(copy):
            if one.line_number in file.added:
                yield file.path, one.secret_hash
    settings.filters = kept
    get_filters.cache_clear()


def _set_up(settings: Settings, *, entropy: bool) -> None:
    settings.disable_plugins(*_NO_SECRETS, *(() if entropy else _ENTROPY))
    settings.disable_filters(*_BY_PATH)
    settings.filters["detect_secrets.filters.regex.should_exclude_secret"] = {"pattern": [_PLACEHOLDER]}
    get_filters.cache_clear()


def _text(file: Path, added: frozenset[int]) -> Text | None:
    """What is looked through of a file; None when it is too large or no text."""
    return None if file.stat().st_size > _LARGEST else text_of(file.read_bytes(), added)


def _is_of_hashes(path: str) -> bool:
    """Whether a file is called as those that are full of hashes: only what is known by its form is looked for there."""
    return path == BASELINE or path.endswith(".lock") or is_lock_file(path)


def _shown(path: str) -> str:
    """A path of any bytes as text."""
    return os.fsencode(path).decode(errors="replace")
