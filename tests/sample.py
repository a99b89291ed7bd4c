"""`SAMPLE=ci`: of every slow test with many cases one case, drawn by a seed that is printed; SEED=N repeats a draw.
Tests marked `full` are in no sample: they take minutes a case.
"""

import os
import random
from collections import defaultdict

import pytest

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
