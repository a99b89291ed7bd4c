"""`python -m benchmarks [NAME …]`: runs each benchmark and keeps its figures in `benchmarks/results/NAME.json`.

A benchmark is a module with `main() -> dict`. Ratios are measured within one run; absolute figures are for reading.
"""

import importlib
import json
import platform
import sys
from pathlib import Path

HERE = Path(__file__).parent
ASKED_FOR = {"migration_corpus", "backfill"}  # it downloads, and takes a quarter of an hour: only when named


def names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def run(name: str) -> None:
    figures = importlib.import_module(f"benchmarks.{name}").main()
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps({**machine, **figures}, indent=2) + "\n")
    print(f"{name}:")
    for figure, value in figures.items():
        if isinstance(value, dict):
            continue  # whole tables are in the file
        print(f"  {figure:<44} {value}")


if __name__ == "__main__":
    asked = [name.replace("-", "_") for name in sys.argv[1:]]
    unknown = set(asked) - set(names())
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; known: {', '.join(names())}")
    for name in asked or [name for name in names() if name not in ASKED_FOR]:
        run(name)
