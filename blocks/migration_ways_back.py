"""Says of each revision on the way to a target whether its author wrote a way back. It runs in the guest process, since
it loads the revisions.

`python -P -m stationmaster.blocks.migration_ways_back --scripts DIR --to TARGET [--from HEAD …] --out FILE`
"""

import argparse
import ast
import json
import os
import sys
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from stationmaster.blocks.migrations import default_target

TARGET = 64  # exit code: the target is none


def main() -> None:
    given = _arguments()
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - the product's revisions import its own modules
    config = Config()
    config.set_main_option("script_location", given.scripts.replace("%", "%%"))
    config.set_main_option("recursive_version_locations", "true")
    try:
        scripts = ScriptDirectory.from_config(config)
        target = given.to or default_target(scripts)
        steps = scripts._upgrade_revs(target, tuple(given.current))  # type: ignore[arg-type]  # noqa: SLF001 - as `alembic upgrade` does
        found = [_way(step.revision) for step in steps]
    except CommandError as error:  # no such revision, or branches that do not fit: Alembic says which
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(TARGET)
    given.out.write_text(json.dumps({"target": target, "steps": found}), encoding="utf-8")


def _way(script: Script) -> dict[str, Any]:
    tree = ast.parse(Path(script.path).read_bytes())
    return {
        "revision": script.revision,
        "after": list(script._versioned_down_revisions),  # noqa: SLF001
        "file": Path(script.path).name,
        "no_down": getattr(script.module, "no_down", None),
        "up": _does(script.module, tree, "upgrade"),
        "down": _does(script.module, tree, "downgrade"),
    }


def _does(module: object, tree: ast.Module, name: str) -> bool:
    """Whether the function is there and more than a place that is left free."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    return not _is_empty(functions[-1]) if functions else callable(getattr(module, name, None))


def _is_empty(function: ast.FunctionDef) -> bool:
    return all(
        isinstance(node, ast.Pass)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node))
        for node in function.body
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scripts", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--from", dest="current", action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
