"""Backfills whose values a Python function makes, on a real PostgreSQL."""

from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.backfilling import Ended, Options
from tests.backfills import Shop
from tests.conftest import Postgres

CENTS: dict[str, Any] = {
    "name": "minor", "table": "orders", "key": "id", "tenant": "tenant_id", "todo": "total_minor IS NULL",
    "function": "fill:fill", "reads": ["total"], "writes": ["total_minor"],
}  # fmt: skip
NOTES = {"name": "notes", "todo": "note IS NULL", "reads": ["id"], "writes": ["note"]}


@pytest.fixture
def shop(postgres: Postgres) -> Shop:
    return Shop(postgres).orders(60, tenants=3)


def run(shop: Shop, folder: Path, source: str, **more: Any) -> Ended:
    (folder / "fill.py").write_text(source)
    return shop.run({**CENTS, **more}, Options(folder=folder, patience=20))


def test_what_a_function_makes_of_a_row_is_its_value(shop: Shop, tmp_path: Path) -> None:
    ended = run(shop, tmp_path, "def fill(rows):\n    return [(int(total * 100),) for (total,) in rows]\n")
    assert (ended.rows, ended.verified) == (60, True)
    assert shop.ask("SELECT count(*) FROM orders WHERE total_minor = total * 100") == [(60,)]


@pytest.mark.parametrize("kind", ["varchar(3)", "char(3)", "short"])
def test_a_value_that_is_too_long_is_refused_and_not_cut_off(shop: Shop, tmp_path: Path, kind: str) -> None:
    shop.do("CREATE DOMAIN short AS varchar(3)", f"ALTER TABLE orders ADD note {kind}")
    source = "def fill(rows):\n    return [('abcd' if id == 30 else 'abc',) for (id,) in rows]\n"
    ended = run(shop, tmp_path, source, **NOTES)
    assert ended.tenants == {"done": 2, "failed": 1, "paused": 0}
    assert ended.reasons["t0"].startswith("row with key 30: value too long for type ")
    assert shop.ask("SELECT count(*) FROM orders WHERE note = 'abc'") == [(49,)]


def test_a_row_that_a_function_does_not_take_stops_its_tenant_alone(shop: Shop, tmp_path: Path) -> None:
    source = "def fill(rows):\n    return [(int(1 / (total - 30)),) for (total,) in rows]\n"
    ended = run(shop, tmp_path, source)
    assert ended.tenants == {"done": 2, "failed": 1, "paused": 0}
    why = "row with key 30: function fill:fill, row 1 of a batch of 1: raised DivisionByZero (fill.py:2)"
    assert ended.reasons == {"t0": why}
