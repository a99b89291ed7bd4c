"""Records what each Alembic revision of a list does, without a database and without the product's env.py.

It is started in the guest process, perhaps in the product's own Python, and imports alembic and sqlalchemy only. Each
revision is one JSON line in `--out`, written when it begins and when it is done, so that one that ends the process is
known. What the answers mean is `domain/migration_recorded.py`'s.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import re
import sys
import traceback
import warnings
from pathlib import Path
from typing import IO, Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy.orm import class_mapper

from stationmaster.blocks.migration_operations import OwnConnectionError, Recorder, operating

_NAME = re.compile(r"[A-Za-z_]\w{0,62}\Z")
_KEYS = ("revision", "down_revision", "depends_on", "branch_labels")


def main() -> None:
    given = _arguments()
    sys.path[:0] = given.path
    warnings.simplefilter("ignore")
    with given.out.open("a", encoding="utf-8") as out:
        for file in map(Path, given.files.read_text(encoding="utf-8").splitlines()):
            _write(out, {"begun": str(file)})
            _write(out, {"done": str(file), **recorded(file, given.scripts, Path(given.own))})


def recorded(file: Path, scripts: Path, own: Path) -> dict[str, Any]:
    """What one revision says of itself and what its `upgrade()` does: once with a schema in which nothing is that it
    asks for, and, if it asked, once with one in which everything is that its source names.
    """
    try:
        module = _loaded(file, scripts, own)
    except BaseException as error:  # noqa: BLE001 - whatever the product's file raises, or that it ends the process
        return {"fault": _fault(error, file)}
    said = {key: _plain(getattr(module, key, None)) for key in _KEYS}
    if not isinstance(getattr(module, "revision", None), str) or not callable(getattr(module, "upgrade", None)):
        return {"fault": {"line": 1, "reason": "has no `revision`, or no `upgrade()`: Alembic cannot run it"}}
    runs = [_run(module, file, scripts, own, ())]
    if runs[0]["questions"]:
        runs.append(_run(module, file, scripts, own, _names(file)))
    return {**said, "doc": _first(module.__doc__), "runs": runs, "models": _models(module)}


def _loaded(file: Path, scripts: Path, own: Path) -> Any:  # noqa: ANN401 - the product's module
    spec = importlib.util.spec_from_file_location(re.sub(r"\W", "_", file.stem), file)
    assert spec is not None and spec.loader is not None  # noqa: PT018, S101 - it ends with .py
    module = importlib.util.module_from_spec(spec)
    with _environment(scripts) as environment, operating(Recorder(file, own), environment, ()):
        spec.loader.exec_module(module)
    return module


def _run(module: Any, file: Path, scripts: Path, own: Path, names: tuple[str, ...]) -> dict[str, Any]:  # noqa: ANN401
    recorder, fault = Recorder(file, own), None
    try:
        with _environment(scripts) as environment, operating(recorder, environment, names):
            module.upgrade()
    except BaseException as error:  # noqa: BLE001 - as above
        fault = _fault(error, file)
    return {
        "present": bool(names), "operations": recorder.operations, "questions": recorder.questions,
        "blocks": recorder.blocks, "sessions": recorder.sessions, "fault": fault,
    }  # fmt: skip


def _environment(scripts: Path) -> EnvironmentContext:
    """`alembic.context` says that a database is there: production takes that branch."""
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", "postgresql://")
    return EnvironmentContext(config, ScriptDirectory(str(scripts)), as_sql=False)


def _names(file: Path) -> tuple[str, ...]:
    """Everything in the source that could be the name of something."""
    tree = ast.parse(file.read_bytes())
    found = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return tuple(dict.fromkeys(name for name in found if _NAME.match(name)))


def _models(module: Any) -> list[str]:  # noqa: ANN401
    """The names in the module that are somebody else's mapped classes."""
    return sorted(
        name
        for name, one in list(vars(module).items())
        if isinstance(one, type) and one.__module__ != module.__name__ and _is_mapped(one)
    )


def _is_mapped(kind: type) -> bool:
    try:
        class_mapper(kind, configure=False)
    except Exception:  # noqa: BLE001 - it is not
        return False
    return True


def _fault(error: BaseException, file: Path) -> dict[str, Any]:
    """Why it stopped, and on which line of the revision."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return {"line": error.lineno or 1, "reason": f"SyntaxError: {error.msg}"}
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    if isinstance(error, ModuleNotFoundError) and error.name:
        return {"line": (lines or [1])[-1], "module": error.name, "reason": f"needs the module {error.name!r}"}
    if isinstance(error, OwnConnectionError):
        return {"line": (lines or [1])[-1], "reason": str(error)}
    said = re.sub(r" at 0x[0-9a-f]+", "", " ".join(str(error).split()))[:400]
    return {"line": (lines or [1])[-1], "reason": f"raised {type(error).__name__}{f': {said}' if said else ''}"}


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Alembic takes a name or several; None is none."""
    if value is None or isinstance(value, str):
        return value
    return [str(one) for one in value] if isinstance(value, (list, tuple, set, frozenset)) else repr(value)


def _first(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _write(out: IO[str], line: dict[str, Any]) -> None:
    out.write(json.dumps(line) + "\n")
    out.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=Path, required=True)
    parser.add_argument("--scripts", type=Path, required=True)
    parser.add_argument("--own", required=True)
    parser.add_argument("--path", action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
