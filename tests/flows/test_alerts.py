"""The automations that tell a product's channel of crashed and late runs, on a real Prefect server."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import PrefectHTTPStatusError
from pydantic import SecretStr

from stationmaster.blocks.chat import SlackChat
from stationmaster.deployments.alerts import SHARED, TAG, alert, tag_of
from stationmaster.deployments.flow_runs import RELEASE
from stationmaster.deployments.submission import PrefectRuns
from stationmaster.domain.request import ReleaseRequest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("prefect_server")]


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """No automation of another test, and none for one."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    with get_client(sync_client=True) as client:
        for one in client.read_automations():
            client.delete_automation(one.id)


@pytest.fixture
def channel() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """A Slack-shaped address, and what was posted there: the authorisation and the body."""
    told: list[tuple[str, dict[str, Any]]] = []

    class Slack(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.append((self.headers["authorization"], json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Slack)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api/", told
    server.shutdown()
    server.server_close()


def crash(name: str, *tags: str) -> None:
    """Once more while the server is too busy to answer."""
    for _ in range(20):
        with suppress(PrefectHTTPStatusError):
            return _crash(name, *tags)
        time.sleep(0.5)
    return _crash(name, *tags)


def _crash(name: str, *tags: str) -> None:
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(flow(lambda: None, name="release"), name=name, tags=[TAG, *tags])  # type: ignore[call-overload] # a lambda will do
        client.set_flow_run_state(run.id, State[None](type=StateType.CRASHED, name="Crashed"), force=True)


def test_it_is_registered_once_and_a_crash_is_told_in_the_channel(
    channel: tuple[str, list[tuple[str, dict[str, Any]]]],
) -> None:
    address, told = channel
    chat = SlackChat(base_url=address, token=SecretStr("xoxb-1"), channel="C1")
    names = alert("shop", chat)
    assert (
        alert("shop", chat)
        == names
        == ["stationmaster shop: a flow run crashed", "stationmaster shop: a flow run is late"]
    )
    with get_client(sync_client=True) as client:
        assert [len(client.read_automations_by_name(name)) for name in names] == [1, 1]
        assert "xoxb-1" not in str([client.read_automations_by_name(name) for name in names])
    deadline = time.monotonic() + 60
    while not told:
        assert time.monotonic() < deadline, "nobody was told"
        crash("r2")  # the automation is in force some seconds after it was made
        for _ in range(20):
            time.sleep(0.2 if not told else 0)
    authorised, message = told[0]
    assert (authorised, message["channel"]) == ("Bearer xoxb-1", "C1")
    assert message["text"].startswith("*the process of r2 died*\nThe watchdog has a release go on")


def test_two_products_of_one_server_are_told_of_their_own_runs_and_of_those_of_nobody(
    channel: tuple[str, list[tuple[str, dict[str, Any]]]],
) -> None:
    address, told = channel
    for product in ("shop", "books"):
        alert(product, SlackChat(base_url=address, token=SecretStr(f"xoxb-{product}"), channel=product))
    deadline = time.monotonic() + 60
    while {message["channel"] for _, message in told} != {"shop", "books"}:
        assert time.monotonic() < deadline, told
        crash("everybody's", SHARED)  # the automations are in force some seconds after they were made
        time.sleep(0.5)
    told.clear()
    for number in range(3):
        crash(f"sold-{number}", tag_of("shop"))
        crash(f"read-{number}", tag_of("books"))
    crash("last", SHARED)
    while sum("*the process of last died*" in message["text"] for _, message in told) < 2:
        assert time.monotonic() < deadline, told
        time.sleep(0.2)
    time.sleep(1)
    found = {(message["channel"], message["text"].split()[3]) for _, message in told}
    assert {one for one in found if one[1] not in {"last", "everybody's"}} == {
        *(("shop", f"sold-{number}") for number in range(3)), *(("books", f"read-{number}") for number in range(3)),
    }  # fmt: skip


def test_a_run_that_was_started_in_the_ui_gets_its_products_tag_from_the_watchdog() -> None:
    asked = ReleaseRequest(id=f"shop-{uuid4().hex[:12]}", product="shop", ref="main", starter="ana")
    with get_client(sync_client=True) as client:
        made = client.create_flow(flow(lambda request: request, name="release"))  # type: ignore[call-overload] # a lambda will do
        deployment = client.create_deployment(made, RELEASE.partition("/")[2], entrypoint="x.y", tags=[TAG])
        parameters = {"request": asked.model_dump(mode="json")}
        run = client.create_flow_run_from_deployment(deployment, parameters=parameters, name="brave-otter")
        for runs in (PrefectRuns(), PrefectRuns()):
            assert run.id in {UUID(one.run.id) for one in runs.of([])}
            assert sorted(client.read_flow_run(run.id).tags) == ["product:shop", "stationmaster"]
        client.delete_deployment(deployment)
