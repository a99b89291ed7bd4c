"""CI's sample: every draw holds what it says, and nothing is left out in silence."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.sample import BUDGET, Clock, budget, drawn, ordered


def item(file: str, name: str, *marks: str) -> pytest.Item:
    def closest(mark: str) -> str | None:
        return mark if mark in marks else None

    one: Any = SimpleNamespace(path=Path(f"/t/{file}"), nodeid=f"{file}::{name}", get_closest_marker=closest)
    return cast("pytest.Item", one)


def names(items: Sequence[pytest.Item]) -> list[str]:
    return [one.nodeid for one in items]


ITEMS = [item("a.py", f"t[{n}]", "slow") for n in range(5)] + [
    item("b.py", "first", "slow"), item("b.py", "second", "slow"), item("c.py", "long", "slow", "full"),
    item("test_good_release.py", "g", "slow"),
]  # fmt: skip


def test_of_each_slow_test_one_case_is_drawn_and_none_that_takes_minutes() -> None:
    for seed in range(20):
        run, left = drawn(ITEMS, seed)
        assert len([name for name in names(run) if name.startswith("a.py")]) == 1
        assert len(run) + len(left) == len(ITEMS)
        assert "c.py::long" in names(left)


def test_files_come_in_an_order_of_the_seed_whole_and_the_good_release_first() -> None:
    orders = set[tuple[str, ...]]()
    for seed in range(20):
        found = names(ordered(ITEMS, seed))
        assert found[0] == "test_good_release.py::g"
        assert found.index("b.py::second") == found.index("b.py::first") + 1
        assert found == names(ordered(ITEMS, seed))
        orders.add(tuple(found))
    assert len(orders) > 1


def test_a_file_that_has_begun_is_run_to_its_end_and_one_that_comes_too_late_is_told() -> None:
    clock = Clock(10, now=0)
    assert not clock.over(item("b.py", "first"), now=9)
    assert not clock.over(item("b.py", "second"), now=11)
    assert clock.told() == ""
    assert clock.over(item("a.py", "t[0]"), now=11)
    assert clock.over(item("a.py", "t[1]"), now=12)
    assert clock.told().endswith("t/a.py (2)")


def test_a_late_run_has_a_smaller_sample_and_never_none() -> None:
    assert budget(None, now=1e9) == budget(1e9, now=1e9 + 300) == BUDGET
    assert budget(1e9, now=1e9 + 20 * 60) == 180
    assert budget(1e9, now=1e9 + 40 * 60) == 90
