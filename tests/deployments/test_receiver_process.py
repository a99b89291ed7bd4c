"""The real receiver is killed, ended, flooded with rubbish and asked for what it does not have."""

import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stationmaster.ledger.inbox import Inbox
from tests.hook_deliveries import PAYLOADS, SECRET, Event, body_of, github, gitlab, merged, put, standard
from tests.receiver_process import Message, Running, running, send

BURST = 1_000


def burst(number: int = BURST) -> list[Message]:
    bodies = [body_of(merged(each)) for each in range(1, number + 1)]
    return [("hub", body, github(body, delivery=f"d-{each}")) for each, body in enumerate(bodies)]


def kept(inbox: str) -> list[str]:
    with Inbox.open(inbox) as opened:
        return [arrival.change.key for arrival in opened.changes()]


def test_the_receiver_does_not_even_load_prefect() -> None:
    program = "import stationmaster.deployments.receiving, sys; sys.exit('prefect' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "after"), [("SIGKILL", 0.1), ("SIGKILL", 0.25), ("SIGKILL", 0.5), ("SIGTERM", 0.25)])
def test_what_was_acknowledged_before_its_death_is_in_the_inbox_once(tmp_path: Path, how: str, after: float) -> None:
    """`after` is the part of the burst that is acknowledged when the signal comes."""
    inbox, messages = f"sqlite:///{tmp_path}/inbox.db", burst()
    with running(tmp_path, inbox) as receiver:
        answers = asyncio.run(_until(receiver, messages, int(after * BURST), signal.Signals[how]))
        receiver.process.wait(timeout=20)
    acknowledged = [answer["change"] for answer in answers if answer is not None]
    found = kept(inbox)
    assert after * BURST <= len(acknowledged) < BURST, "it died in the middle"
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)
    with running(tmp_path, inbox) as again:
        told = asyncio.run(send(again.url, messages))
    assert all(answer is not None for answer in told)
    assert sum(not answer["duplicate"] for answer in told if answer) == BURST - len(found)
    assert len(kept(inbox)) == len(set(kept(inbox))) == BURST


async def _until(receiver: Running, messages: list[Message], number: int, how: signal.Signals) -> list[Any]:
    """The answers to the burst; the signal comes with the acknowledgement of that number."""
    left = count(number - 1, -1)

    def heard() -> None:
        if next(left) == 0:
            receiver.process.send_signal(how)

    return list(await send(receiver.url, messages, heard))


def _mirrored(number: int) -> Event:
    """GitLab's event of the same commit that GitHub's merged pull request became."""
    event: Event = json.loads((PAYLOADS / "gitlab/merge_request.merge.json").read_bytes())
    return put(event, "object_attributes.merge_commit_sha", merged(number)["pull_request"]["merge_commit_sha"])


@pytest.mark.slow
def test_the_same_delivery_a_hundred_times_from_two_mirrors_in_any_order_is_one_change(tmp_path: Path) -> None:
    inbox, copies = f"sqlite:///{tmp_path}/inbox.db", []
    for number in range(1, 11):
        hub = body_of(merged(number))
        lab = body_of(_mirrored(number))
        copies += [("hub", hub, github(hub, delivery=f"d-{number}"))] * 50
        copies += [("lab", lab, gitlab(delivery=f"d-{number}"))] * 30
        copies += [("lab-signed", lab, standard(lab, at=datetime.now(UTC), delivery=f"d-{number}"))] * 20
    random.Random(7).shuffle(copies)  # noqa: S311 - an order, not a secret
    with running(tmp_path, inbox) as receiver:
        answers = asyncio.run(send(receiver.url, copies))
    assert all(answer is not None and answer["accepted"] for answer in answers)
    assert sum(not answer["duplicate"] for answer in answers if answer) == 10
    assert len(kept(inbox)) == len(set(kept(inbox))) == 10


@pytest.fixture(scope="module")
def prefect() -> Iterator[socket.socket]:
    """Where Prefect's API would be, as the receiver's environment says: nobody may come."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setblocking(False)  # noqa: FBT003 - socket's own
        yield listener
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory, prefect: socket.socket) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("receiver")
    api = f"http://127.0.0.1:{prefect.getsockname()[1]}/api"
    with running(folder, f"sqlite:///{folder}/inbox.db", PREFECT_API_URL=api) as started:
        yield started


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
bodies = (
    st.binary(max_size=2_000)
    | anything.map(lambda value: json.dumps(value).encode())
    | st.builds(
        lambda path, value: body_of(put(merged(), path, value)),
        st.sampled_from(["action", "pull_request", "pull_request.base", "repository", "pull_request.number"]),
        anything,
    )
)
words = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60).map(
    str.strip
)
names = st.sampled_from(
    [*github(b""), *standard(b""), *gitlab(), "content-encoding", "expect", "x-forwarded-host", "range"]
)
_FUZZ = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None)


@pytest.mark.slow
def test_fuzzed_bodies_and_headers_are_answered_and_cost_no_memory(receiver: Running) -> None:
    """Half of them with a right signature, so that they come further than to the door."""

    @_FUZZ
    @given(
        st.sampled_from(["hub", "lab", "lab-signed", "x", "%00"]), bodies, st.dictionaries(names, words), st.booleans()
    )
    def fuzz(hook: str, body: bytes, headers: dict[str, str], signed: bool) -> None:  # noqa: FBT001 - hypothesis
        by = {"hub": github(body), "lab": gitlab(), "lab-signed": standard(body, datetime.now(UTC))}.get(hook, {})
        texts = headers | (by if signed else {})
        made = [(name.encode(), text.encode("latin-1")) for name, text in texts.items()]
        answer = client.post(f"/hooks/{hook}", content=body, headers=made)
        assert answer.status_code < 500
        assert set(answer.json()) in ({"error"}, {"accepted", "reason"}, {"accepted", "change", "duplicate"})

    with httpx.Client(base_url=receiver.url, timeout=5) as client:
        fuzz()
        before = receiver.rss()
        for _ in range(3):
            fuzz()
    assert receiver.rss() < 1.1 * before


@pytest.mark.slow
def test_schemathesis_finds_nothing_that_the_openapi_document_does_not_say(receiver: Running, tmp_path: Path) -> None:
    """With GitLab's token in each request, so that half of the hooks are fuzzed beyond their signature. That a
    schema-valid body is accepted is not checked: what a merge must tell depends on the host.
    """
    document = httpx.get(f"{receiver.url}/openapi.json").json()
    (name,) = [each for each in document["paths"]["/hooks/{hook}"]["post"]["parameters"] if each["in"] == "path"]
    name["schema"]["enum"] = ["hub", "lab", "lab-signed", "nobody"]
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    options = [
        "--checks",
        "all",
        "--exclude-checks",
        "positive_data_acceptance",
        "--max-examples",
        "200",
        "--seed",
        "7",
    ]
    limits = ["--request-timeout", "5", "--continue-on-failure", "--url", receiver.url]
    token = ["--header", f"X-Gitlab-Token: {SECRET}"]
    program = [str(Path(sys.executable).with_name("schemathesis")), "run", "openapi.json", *options, *limits, *token]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_bodies_without_an_end_cost_no_memory_and_nobody_else_time(receiver: Running) -> None:
    port = int(receiver.url.rpartition(":")[2])
    head = b"POST /hooks/hub HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    before, senders = receiver.rss(), [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(40)]
    try:
        for sender in senders:
            sender.sendall(head + b"100000\r\n" + b"x" * 0x100000 + b"\r\n")  # 1 MiB, and no more
        body, began = body_of(merged(5_000)), time.monotonic()
        answer = httpx.post(f"{receiver.url}/hooks/hub", content=body, headers=github(body, delivery="beside"))
        assert (answer.status_code, time.monotonic() - began < 2) == (202, True)
        assert receiver.rss() < before + 128 * 1024 * 1024
        assert all(b" 408 " in sender.recv(100) for sender in senders), "no sender is waited for"
    finally:
        for sender in senders:
            sender.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "request_",
    [
        b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://127.0.0.1:4200/api/health HTTP/1.1\r\nHost: 127.0.0.1:4200\r\n\r\n",
        b"CONNECT 127.0.0.1:4200 HTTP/1.1\r\nHost: 127.0.0.1:4200\r\n\r\n",
        b"POST /hooks/../api/flow_runs/filter HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"GET /hooks/hub HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /hooks/hub HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /hooks/hub HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nZ",
        b"A" * 200_000,
    ],
    ids=lambda request: repr(request[:30]),
)
def test_what_is_no_delivery_is_answered_4xx_and_leads_nowhere(receiver: Running, request_: bytes) -> None:
    """Prefect's API by any way, and what is hardly HTTP. The fixture sees whether anybody came to Prefect."""
    port = int(receiver.url.rpartition(":")[2])
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as sender:
        sender.sendall(request_)
        sender.shutdown(socket.SHUT_WR)
        answer = sender.recv(4096)
    assert answer.startswith(b"HTTP/1.1 4") or not answer
    assert httpx.get(f"{receiver.url}/healthz").json() == {"ok": True}
