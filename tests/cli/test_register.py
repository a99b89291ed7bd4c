"""`register` as it is typed: what it asks for, and what it refuses before it asks any server. What a real server then
has is `tests/flows/test_registering.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from pydantic import SecretStr

from stationmaster.blocks.chat import SlackChat
from stationmaster.blocks.toolbox import remember
from stationmaster.deployments import alerts, descriptor, flow_runs, registration
from stationmaster.domain.errors import Exit
from stationmaster.domain.train import Train
from tests.cli.conftest import Desk
from tests.shop import PRODUCT

TRAIN = "train: {cadence: FREQ=DAILY;BYHOUR=9, zone: Europe/Berlin}\n"
FILE = "inbox: sqlite:////x/in.db\nhooks:\n  hub: {host: github, product: shop, secret: x}\n"


class FakeServer:
    """A Prefect server, and what was asked of it."""

    api_url = "http://prefect.example/api"

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def answer(self, name: str, found: Any) -> Callable[..., Any]:
        def asked(*words: Any) -> Any:
            self.asked.append((name, *words))
            if self.error is not None:
                raise self.error
            return found

        return asked


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    made = FakeServer()
    monkeypatch.setattr(flow_runs, "connected", lambda: made)
    monkeypatch.setattr(alerts, "alert", made.answer("alert", ["shop: a flow run crashed"]))
    monkeypatch.setattr(registration, "register", made.answer("register", ["release/stationmaster"]))
    monkeypatch.setattr(registration, "schedule_train", made.answer("train", "train/shop"))
    monkeypatch.setattr(registration, "schedule_merge_backs", made.answer("merge-backs", "merge-back-check/shop"))
    monkeypatch.setattr(registration, "schedule_drift", made.answer("drift", "drift/shop"))
    monkeypatch.setattr(registration, "schedule_catch_up", made.answer("catch-up", "catch-up/stationmaster"))
    return made


@pytest.fixture
def chat(desk: Desk) -> SlackChat:
    made = SlackChat(base_url="http://127.0.0.1:1/api/", token=SecretStr("xoxb-1"), channel="C1")
    remember("chat", "shop", made)
    return made


def test_the_only_product_known_is_told_and_its_trains_are_those_of_its_main_branch_now(
    desk: Desk, server: FakeServer, chat: SlackChat
) -> None:
    desk.repository.commit("Leave every day", {"stationmaster.yaml": PRODUCT + TRAIN})
    told = desk.run("register", "--json")
    assert told.json == {
        "server": "http://prefect.example",
        "deployments": ["release/stationmaster", "train/shop", "merge-back-check/shop", "drift/shop"],
        "alerts": ["shop: a flow run crashed"],
    }
    train = Train(cadence="FREQ=DAILY;BYHOUR=9", zone="Europe/Berlin")
    assert server.asked == [
        ("register",),
        ("alert", "shop", chat),
        ("train", "shop", train),
        ("merge-backs", "shop"),
        ("drift", "shop"),
    ]


@pytest.mark.usefixtures("chat")
def test_a_product_without_trains_has_what_was_scheduled_taken_away(desk: Desk, server: FakeServer) -> None:
    assert desk.run("register", "--product", "shop").code == Exit.YES
    assert ("train", "shop", None) in server.asked


@pytest.mark.usefixtures("chat")
def test_a_schedule_that_is_none_is_refused_with_its_line(desk: Desk, server: FakeServer) -> None:
    desk.repository.commit("Leave", {"stationmaster.yaml": PRODUCT + "train: {cadence: FREQ=HOURLY, zone: UTC}\n"})
    told = desk.run("register", "--json")
    told.refused(Exit.INPUT, "document", "begins with FREQ=DAILY")
    assert told.json["error"]["line"] == PRODUCT.count("\n") + 1
    assert not [asked for asked in server.asked if asked[0] == "train"]


def test_several_products_and_none_named_is_said_and_nobody_is_told(
    desk: Desk, server: FakeServer, tmp_path: Path
) -> None:
    copies = tmp_path / "home" / "blocks" / "ledger"
    (copies / "other.json").write_text((copies / "shop.json").read_text())
    told = desk.run("register")
    assert told.out == "release/stationmaster  http://prefect.example/deployments\n"
    assert "no product's channel is known here" in told.err
    assert server.asked == [("register",)]


def test_a_product_that_is_not_known_is_told_with_the_nearest(desk: Desk, server: FakeServer, chat: SlackChat) -> None:
    told = desk.run("register", "--product", "shopp", "--json")
    told.refused(Exit.INPUT, "block_missing", "'shopp'", "shop")


def test_the_receivers_file_is_named_by_its_absolute_path(
    desk: Desk, server: FakeServer, chat: SlackChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "receiver.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    assert desk.run("register", "--receiver", "receiver.yaml").code == Exit.YES
    assert server.asked[:2] == [("register",), ("catch-up", str(tmp_path / "receiver.yaml"))]


@pytest.mark.parametrize(("text", "line"), [(FILE.replace("github", "gitbub"), 3), (None, None)])
def test_a_receivers_file_that_is_wrong_or_not_there_is_refused_before_the_server_is_asked(
    desk: Desk, server: FakeServer, tmp_path: Path, text: str | None, line: int | None
) -> None:
    path = tmp_path / "receiver.yaml"
    if text:
        path.write_text(text)
    told = desk.run("register", "--receiver", str(path), "--json")
    assert told.code == Exit.INPUT
    assert (told.json["error"]["file"], told.json["error"]["line"]) == (str(path), line)
    assert server.asked == []


def test_a_server_that_does_not_take_them_is_named(desk: Desk, server: FakeServer) -> None:
    server.error = ConnectionError("refused")
    desk.run("register", "--json").refused(Exit.UNKNOWN, "prefect_away", "ConnectionError: refused", "PREFECT_API_URL")


def test_without_a_server_nothing_is_started(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(descriptor, "load", _nothing_here)
    desk.run("register", "--json").refused(Exit.INPUT, "no_server", "stationmaster up")


def _nothing_here() -> None:
    raise descriptor.NoStackError("no stack was brought up here")
