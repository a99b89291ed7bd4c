"""What lock files declare: parts, and where they name something that cannot be looked up.

Text in, parts out. Which lock files there are is `blocks/scan_inventory.py`'s.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Any, NoReturn

from packaging.requirements import InvalidRequirement, Requirement

from stationmaster.domain.scan_parts import Part, npm, pypi

_COMMENT = re.compile(r"(^|\s)#.*$")
_OPTION = re.compile(r"\s--?[a-z][\w-]*[ =]\S+")  # pip's, such as --hash=…
_OTHER_FILE = re.compile(r"(?:-r|--requirement(?:\s|=))\s*(\S.*)")
_NO_PARTS = frozenset(  # options of pip that ask for nothing; whatever else begins as one may
    [
        "-i",
        "--index-url",
        "--extra-index-url",
        "--no-index",
        "-f",
        "--find-links",
        "-c",
        "--constraint",
        "--no-binary",
        "--only-binary",
        "--prefer-binary",
        "--require-hashes",
        "--pre",
        "--trusted-host",
        "--use-feature",
    ]
)
_SHOWN = 10  # numbers of lines that a reason has room for


class LockUnreadableError(ValueError):
    """A lock file is not what its tool writes."""


@dataclass(frozen=True)
class Declared:
    """What a lock file says: its parts, why there are more of them, and the files in which they may be."""

    parts: tuple[Part, ...]
    open: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def of_requirements(text: str, where: str) -> Declared:
    """What a requirements file pins with `==`. What it leaves open, or takes from an address, is no part."""
    parts, left, others = [], [], []
    for number, line in _lines(text):
        if (named := _OTHER_FILE.fullmatch(line)) and "://" not in line:
            others.append(normpath(PurePosixPath(where).parent / named[1].strip("\"'")))
        elif part := _pinned(line, where):
            parts.append(part)
        elif re.split(r"[\s=]", line)[0] not in _NO_PARTS:
            left.append(number)
    return Declared(tuple(parts), _unpinned(left, where), tuple(others))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """What pip takes for one line, with the number of its first: a backslash goes on, but not out of a comment."""
    begun, whole = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        comment = _COMMENT.match(line) is not None
        begun, whole = begun or number, f"{whole} {line}"
        if line.endswith("\\") and not comment:
            whole = whole[:-1]
            continue
        if said := _COMMENT.sub("", whole).strip():
            yield begun, said
        begun, whole = 0, ""
    if whole.strip():
        yield begun, whole.strip()


def _pinned(line: str, where: str) -> Part | None:
    try:
        one = Requirement(_OPTION.sub("", f" {line}").strip())
    except InvalidRequirement:
        return None
    pins = [each.version for each in one.specifier if each.operator in {"==", "==="} and "*" not in each.version]
    return pypi(one.name, pins[0], where) if len(pins) == 1 else None


def _unpinned(lines: list[int], where: str) -> tuple[str, ...]:
    """By number alone: an address may hold a password."""
    if not lines:
        return ()
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    named = ", ".join(map(str, lines[:_SHOWN]))
    return (f"{where} pins no version with == in line{'' if len(lines) == 1 else 's'} {named}{more}",)


def of_toml(text: str, where: str) -> Declared:
    """The packages of a `uv.lock` or `poetry.lock`; the project itself is none.

    Raises:
        LockUnreadableError: it is something else.
    """
    found = _loaded(tomllib.loads, text, where)
    rows = found.get("package", [] if "version" in found else None)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        _refuse(where, "`package` is no list of tables")
    needed = [row for row in rows if not _is_own(row.get("source"))]
    return _declared([pypi(row.get("name"), row.get("version"), where) for row in needed], where)


def of_package_lock(text: str, where: str) -> Declared:
    """The packages of a `package-lock.json`, old or new.

    Raises:
        LockUnreadableError: it is something else.
    """
    found = _loaded(json.loads, text, where)
    if not isinstance(found, dict) or not {"lockfileVersion", "packages", "dependencies"} & set(found):
        _refuse(where, "it is no lock of npm")
    rows = [(name, row) for name, row in _flat(found, where) if not row.get("link")]
    return _declared([npm(row.get("name") or name, row.get("version"), where) for name, row in rows], where)


def _loaded(loads: Callable[[str], Any], text: str, where: str) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        return loads(text)
    except (ValueError, RecursionError) as error:
        _refuse(where, str(error)[:100])


def _declared(parts: list[Part | None], where: str) -> Declared:
    odd = parts.count(None)
    said = f"{where} has {odd} package{'' if odd == 1 else 's'} without a plain name and version"
    return Declared(tuple(part for part in parts if part), (said,) if odd else ())


LOCKS: tuple[tuple[str, Callable[[str, str], Declared]], ...] = (
    ("requirements*.txt", of_requirements),
    ("uv.lock", of_toml),
    ("poetry.lock", of_toml),
    ("package-lock.json", of_package_lock),
)


def is_lock(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern, _ in LOCKS)


def of_lock(text: str, where: str) -> Declared:
    """What a lock file declares; `where` is its path. Raises LockUnreadableError."""
    name = PurePosixPath(where).name
    reader = next(reader for pattern, reader in LOCKS if fnmatchcase(name, pattern))
    return reader(text, where)


def _flat(lock: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and row of each package: by `packages` since npm 7, else by nested `dependencies`."""
    if "packages" in lock:
        rows = _rows(lock["packages"], where)
        yield from ((place.rpartition("node_modules/")[2], row) for place, row in rows if "node_modules/" in place)
        return
    waiting = [lock.get("dependencies", {})]
    while waiting:
        for name, row in _rows(waiting.pop(), where):
            waiting.append(row.get("dependencies", {}))
            yield name, row


def _rows(level: object, where: str) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(level, dict) or not all(isinstance(row, dict) for row in level.values()):
        _refuse(where, "its packages are no objects by name")
    return list(level.items())


def _refuse(where: str, why: str) -> NoReturn:
    raise LockUnreadableError(f"{where} cannot be read: {why}") from None


def _is_own(source: object) -> bool:
    return isinstance(source, dict) and bool({"virtual", "editable", "directory"} & set(source))
