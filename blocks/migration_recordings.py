"""Has the revisions of a folder recorded in the guest process, in our Python or in the product's own.

A revision that ends the process, or does not end, is known by having begun: it is named, and the rest goes on.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import stationmaster
from stationmaster.blocks.guest import GuestFailedError, GuestTimeoutError, run
from stationmaster.blocks.migration_folder import Folder
from stationmaster.domain.errors import InputError
from stationmaster.domain.migration_recorded import Recorded

# The product's Python does not have us: the few modules that record are all it can import of our package.
_START = """
import runpy, sys, types
for name, place in (("stationmaster", sys.argv.pop(1)), ("stationmaster.blocks", sys.argv.pop(1))):
    package = types.ModuleType(name)
    package.__path__ = [place]
    sys.modules[name] = package
runpy.run_module("stationmaster.blocks.migration_recording", run_name="__main__", alter_sys=True)
"""
_BETTER = "--python names a Python in which alembic and sqlalchemy are, such as the product's .venv/bin/python"
_TRIES = 25  # revisions of one folder that may end the process before we stop asking


class RecorderBrokenError(InputError):
    """The Python that should record cannot: it does not start, or has no Alembic."""

    code = "recorder_broken"


def recorded(folder: Folder, *, python: Path | None = None, timeout: float = 120) -> list[Recorded]:
    """What each revision of the folder does, in the order of the files; paths as they were given to the folder.

    `timeout` is what they may take together; a revision in which it runs out is named, and those after it get as long.
    Raises RecorderBrokenError.
    """
    if python is not None and not (python.is_file() and os.access(python, os.X_OK)):
        raise RecorderBrokenError("this is no Python that can be started", file=str(python), hint=_BETTER)
    with tempfile.TemporaryDirectory(prefix="stm-") as home:
        said = _said(folder, Path(home), python, timeout)
    return [_one(file, said.get(str(file), _FAULT)) for file in folder.files]


_FAULT: dict[str, Any] = {
    "fault": {"line": 1, "reason": "was not reached: too many revisions before it ended the process"}
}


def _one(file: Path, said: dict[str, Any]) -> Recorded:
    return Recorded.of(_shown(file), file.read_text(encoding="utf-8", errors="replace"), said)


def _shown(file: Path) -> str:
    """As a code host wants it: from here on, where it is below."""
    here = Path.cwd()
    return file.relative_to(here).as_posix() if file.is_relative_to(here) else file.as_posix()


def _said(folder: Folder, home: Path, python: Path | None, timeout: float) -> dict[str, dict[str, Any]]:
    done: dict[str, dict[str, Any]] = {}
    for number in range(_TRIES):
        left = [str(file) for file in folder.files if str(file) not in done]
        if not left:
            break
        ended = _run(folder, left, home / f"{number}.jsonl", python, timeout)
        begun = _gathered(home / f"{number}.jsonl", done)
        if begun is not None:
            done[begun] = {"fault": {"line": 1, "reason": ended}}
        elif len(done) < len(folder.files):
            raise RecorderBrokenError(f"{python or sys.executable} cannot record: it {ended}", hint=_BETTER)
    return done


def _run(folder: Folder, files: Sequence[str], out: Path, python: Path | None, timeout: float) -> str:
    """How it ended, in words that matter where it ended too early."""
    (out.parent / "files").write_text("\n".join(files), encoding="utf-8")
    places = (str(Path(stationmaster.__file__ or "").parent), str(Path(__file__).parent))
    where = ("--scripts", str(folder.scripts), "--own", str(folder.root), "--path", str(folder.root))
    given = ("--files", str(out.parent / "files"), "--out", str(out), *where, "--path", str(Path.cwd()))
    command = (str(python.absolute() if python else sys.executable), "-I", "-c", _START, *places, *given)
    try:
        run(command, cwd=Path.cwd(), home=out.parent, log=out.with_suffix(".log"), timeout=timeout)
    except GuestTimeoutError:
        return f"did not end within {timeout:.0f} s"
    except GuestFailedError as error:
        said = error.said.strip().rpartition("\n")[2].strip()
        return f"ended the process with exit code {error.returncode}{f': {said}' if said else ''}"
    return "ended the process with exit code 0"


def _gathered(out: Path, done: dict[str, dict[str, Any]]) -> str | None:
    """Puts what was recorded into `done`; the file that had begun and was not."""
    begun: str | None = None
    for line in _lines(out):
        begun = line.get("begun")
        if begun is None:
            done[line.pop("done")] = line
    return begun


def _lines(out: Path) -> Iterator[dict[str, Any]]:
    if out.exists():
        yield from (json.loads(line) for line in out.read_text(encoding="utf-8").splitlines() if line.endswith("}"))
