"""`SAMPLE=ci`: of every slow test with many cases one case, file after file in an order drawn by a seed that is told,
until ten minutes are over, or earlier where CI_BEGAN says that the whole run is late; SEED=N repeats a draw. Tests
marked `full` are in no sample: they take minutes a case.
"""

import os
import random
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

BUDGET = 600.0  # seconds in which a file may begin; one that has begun is run to its end
_WHOLE = 23 * 60.0  # seconds after all of CI began, from which on no file begins
_LEAST = 90.0  # seconds that a sample has in any case
_FIRST = "test_good_release.py"  # what the product is for is in every sample

SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))


def wanted() -> bool:
    return os.environ.get("SAMPLE") == "ci"


def drawn(items: list[pytest.Item], seed: int) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """What is run and what is left out, in the order given. Tests that are not slow are all run."""
    cases: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("full"):
            cases[item.nodeid.partition("[")[0]].append(item)
    dice = random.Random(seed)  # noqa: S311 - a draw of tests
    chosen = {dice.choice(sorted(group, key=lambda one: one.nodeid)).nodeid for _, group in sorted(cases.items())}
    run = [item for item in items if not item.get_closest_marker("slow") or item.nodeid in chosen]
    return run, [item for item in items if item not in run]


def ordered(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    """File after file, as drawn; within a file the order is as given, since its tests share what they start."""
    files = sorted({item.path for item in items})
    random.Random(seed).shuffle(files)  # noqa: S311 - a draw of tests
    place = {path: (path.name != _FIRST, number) for number, path in enumerate(files)}
    return sorted(items, key=lambda one: place[one.path])


def budget(began: float | None, now: float) -> float:
    """Seconds for the sample, at `now`; `began` is when all of CI did, both in seconds since the epoch."""
    return BUDGET if began is None else max(_LEAST, min(BUDGET, began + _WHOLE - now))


class Clock:
    """Which files begin in time; what does not is told at the end, never left out in silence."""

    def __init__(self, seconds: float = BUDGET, now: float | None = None) -> None:
        self._seconds = seconds
        self._ends = (time.monotonic() if now is None else now) + seconds
        self._begun: set[Path] = set()
        self.left: dict[Path, int] = {}

    def over(self, item: pytest.Item, now: float | None = None) -> bool:
        """Whether a test comes too late to be begun."""
        if item.path not in self._begun and (time.monotonic() if now is None else now) > self._ends:
            self.left[item.path] = self.left.get(item.path, 0) + 1
            return True
        self._begun.add(item.path)
        return False

    def told(self) -> str:
        names = ", ".join(f"{path.parent.name}/{path.name} ({count})" for path, count in self.left.items())
        return f"not in this sample, whose {self._seconds:.0f} seconds were over: {names}" if names else ""
