"""A function of the product computes the rows, and gauges say when nothing may be done."""

import threading
from pathlib import Path

import pytest

from stationmaster.blocks.backfill_function import FunctionWrongError
from stationmaster.blocks.backfilling import Options
from tests.backfills import Shop
from tests.conftest import Postgres

BY_FUNCTION = {
    "name": "minor", "table": "orders", "key": "id", "tenant": "tenant_id", "function": "fill:fill",
    "reads": ["id", "total"], "writes": "total_minor", "todo": "total_minor IS NULL AND 'a%b' <> ''",
    "batch": {"least": 7, "most": 20},
}  # fmt: skip
FILL = """
def fill(rows):
    return [(bad(id) or None if total is None else int(total * 100),) for id, total in rows]
def bad(id):
    raise ValueError('hunter2')
"""


@pytest.fixture
def shop(postgres: Postgres) -> Shop:
    return Shop(postgres).orders(100)


def test_a_function_fills_each_row_once_and_the_row_that_it_does_not_take_is_named(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "fill.py").write_text(FILL)
    shop.do("UPDATE orders SET total = NULL WHERE id = 51")
    options = Options(folder=tmp_path, workers=2)
    ended = shop.run(BY_FUNCTION, options)
    assert (ended.tenants["done"], ended.tenants["failed"]) == (4, 1)
    assert ended.reasons["t1"].startswith("row with key 51: function fill:fill, row 1 of a batch of 1: ")
    assert "hunter2" not in str(ended)
    shop.do("UPDATE orders SET total = 5 WHERE id = 51")
    assert shop.run(BY_FUNCTION, options).verified
    assert shop.ask("SELECT count(*) FROM orders WHERE total_minor = total * 100") == [(100,)]


def test_a_function_that_is_not_there_is_told_before_anything_is_made(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(FunctionWrongError):
        shop.run(BY_FUNCTION, Options(folder=tmp_path))
    assert shop.ask("SELECT to_regnamespace('stationmaster')") == [(None,)]


def test_a_gauge_above_its_threshold_holds_every_batch(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "fill.py").write_text(FILL)
    stop = threading.Event()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        threading.Timer(0.2, stop.set).start()

    throttle = {"active_sessions": {"pause_at": 0.0001, "resume_at": 0}}
    with shop.connect() as other:
        asking = threading.Thread(target=lambda: other.execute("SELECT pg_sleep(1.5)"))
        asking.start()
        ended = shop.run(BY_FUNCTION, Options(folder=tmp_path, stop=stop, say=say), throttle=throttle)
        asking.join()
    assert (ended.rows, ended.verified) == (0, False)
    assert "active sessions: 1" in str(ended.held)
    assert said == [f"stands still: {ended.held}"]
