"""The flow as Prefect runs it: states, names and gates. What the acts do is told by the other tests."""

import logging
from collections.abc import Iterator

import pytest

from stationmaster.blocks.confirmation import confirm
from stationmaster.domain.request import ReleaseRequest
from stationmaster.flows import release as flows
from tests.shop import PRODUCT
from tests.world import World

ASKED = ReleaseRequest(id="r2", product="shop", ref="v2", starter="ana")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture
def shop(world: World, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(flows, "load", lambda _product: world.tools)
    world.commit("v2")
    confirm(world.ledger, world.tools.signer, ASKED, "command line", world.clock.now())
    return world


@pytest.fixture
def shown() -> Iterator[set[str]]:
    """The names of task runs as each tells them itself; the server hears of them later, and not of all."""
    names: set[str] = set()
    heard = _Heard(names)
    logger = logging.getLogger("prefect.task_runs")
    logger.addHandler(heard)
    yield names
    logger.removeHandler(heard)


class _Heard(logging.Handler):
    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self._names = names

    def emit(self, record: logging.LogRecord) -> None:
        self._names.add(str(getattr(record, "task_run_name", "")))


def leg(request: ReleaseRequest = ASKED) -> tuple[str, str]:
    """One flow run: the type and name of its state."""
    state = flows.release(request, return_state=True)
    return str(state.type.value), str(state.name)


def test_without_an_approval_it_waits_and_with_one_it_goes_on(shop: World, shown: set[str]) -> None:
    assert leg() == ("COMPLETED", "WaitingForApproval")
    assert shop.status().stage == "planned"
    assert shop.tenants()["acme"] == "1"
    shop.approve()
    assert leg() == ("COMPLETED", "Released")
    assert {shop.tenants()[tenant] for tenant in ("acme", "birch", "cedar")} == {"2"}
    assert {"expand cloud", "watch pilot", "shift broad", "deploy cedar"} <= shown


def test_a_start_that_nobody_confirmed_waits(shop: World) -> None:
    assert leg(ASKED.model_copy(update={"id": "from-the-form"})) == ("COMPLETED", "WaitingForStart")
    assert [step for step, _ in shop.steps("from-the-form")] == ["started", "waiting"]


def test_a_closed_window_is_waited_for(shop: World) -> None:
    leg()
    shop.approve()
    shop.windows("closed")
    assert leg() == ("COMPLETED", "WaitingForWindow")
    assert shop.tenants()["acme"] == "1"


def test_a_check_that_fails_fails_the_run(shop: World) -> None:
    shop.commit("v2", product=PRODUCT.replace("[grep, -q, version,", "[grep, -q, no-such-word,"))
    kind, _ = leg()
    assert kind == "FAILED"
    assert shop.status().stage == "failed"
