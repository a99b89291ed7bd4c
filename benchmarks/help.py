"""What `--help` costs beside the mere import of the libraries it loads, as processes, turn by turn in the same run."""

import subprocess
import sys
import time
from statistics import median

HELP = ("-m", "stationmaster.cli.main", "--help")
_LOADED = """
import contextlib, io, sys
before = set(sys.modules)
from stationmaster.cli.main import run
with contextlib.redirect_stdout(io.StringIO()):
    run(["--help"])
new = [name for name in sys.modules if name not in before and name.partition(".")[0] not in {"stationmaster"}]
print(",".join(name for name in new if name.partition(".")[0] not in sys.stdlib_module_names))
"""


def main(rounds: int = 11) -> dict[str, float]:
    """Seconds of both, and their ratio."""
    imports = ("-c", f"import {','.join(libraries())}")
    pairs = [(_seconds(HELP), _seconds(imports)) for _ in range(rounds)]
    return {
        "help_seconds": round(median(helped for helped, _ in pairs), 3),
        "libraries_seconds": round(median(imported for _, imported in pairs), 3),
        "ratio": round(median(helped / imported for helped, imported in pairs), 2),
        "limit": 1.5,
    }


def libraries() -> list[str]:
    """Every module of somebody else's that `--help` loads, in that order."""
    done = subprocess.run([sys.executable, "-c", _LOADED], check=True, capture_output=True, text=True)
    return [name for name in done.stdout.strip().split(",") if "-" not in name]


def _seconds(arguments: tuple[str, ...]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    for figure, value in main().items():
        print(f"{figure:<24} {value}")
