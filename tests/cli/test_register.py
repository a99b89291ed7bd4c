"""Whose trains `register` schedules. What it tells the server is `tests/flows/test_scheduling.py`."""

import pytest

from stationmaster.cli.register import _train
from stationmaster.domain.documents import DocumentError
from tests.cli.conftest import Desk
from tests.shop import PRODUCT


def test_a_product_has_the_trains_of_its_main_branch_now(desk: Desk) -> None:
    assert _train("shop") is None
    train = "train: {cadence: FREQ=DAILY;BYHOUR=9, zone: Europe/Berlin}\n"
    desk.repository.commit("Leave every day", {"stationmaster.yaml": PRODUCT + train})
    found = _train("shop")
    assert found is not None
    assert (found.cadence, found.zone) == ("FREQ=DAILY;BYHOUR=9", "Europe/Berlin")


def test_a_schedule_that_is_none_is_refused_with_its_line(desk: Desk) -> None:
    desk.repository.commit("Leave", {"stationmaster.yaml": PRODUCT + "train: {cadence: FREQ=HOURLY, zone: UTC}\n"})
    with pytest.raises(DocumentError, match="begins with FREQ=DAILY") as wrong:
        _train("shop")
    assert wrong.value.line == PRODUCT.count("\n") + 1
