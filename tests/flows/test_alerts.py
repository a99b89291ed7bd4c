"""The automations that tell a product's channel of crashed and late runs, on a real Prefect server."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from pydantic import SecretStr

from stationmaster.blocks.chat import SlackChat
from stationmaster.deployments.alerts import TAG, alert

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("prefect_server")]


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


def crash(name: str) -> None:
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(flow(lambda: None, name="release"), name=name, tags=[TAG])  # type: ignore[call-overload] # a lambda will do
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
