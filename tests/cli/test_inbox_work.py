"""`inbox work` and `inbox catch-up` as they are typed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from stationmaster.blocks import hook_hosts
from stationmaster.blocks.code_host import CodeHost
from stationmaster.cli.inbox import WrongSinceError, catch_up, list_, work
from stationmaster.deployments import boarding
from stationmaster.deployments.boarding import Clerk
from stationmaster.domain.deliveries import MergedChange
from stationmaster.domain.errors import Exit, OutsideError
from stationmaster.ledger.inbox import Delivery, Inbox
from stationmaster.ledger.inbox_notes import Notes
from tests.blocks.code_host_server import serving
from tests.hook_deliveries import merged

NOBODY = "http://127.0.0.1:1/api"
AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
CHANGE = MergedChange(
    product="shop", host="github", repository="acme/shop", number=7, title="Round", author="ana", base="main",
    head="round", merge_commit=40 * "a", merged_at=AT, url="https://github.example/acme/shop/pull/7",
)  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "receiver.yaml"
    hooks = "{hub: {host: github, product: shop, secret: x, base: [master]}}"
    path.write_text(f"inbox: sqlite:///{tmp_path}/inbox.db\nhooks: {hooks}\n")
    before = signal.getsignal(signal.SIGTERM)
    yield path
    signal.signal(signal.SIGTERM, before)


def inbox(config: Path) -> Inbox:
    return Inbox.open(f"sqlite:///{config.parent}/inbox.db")


def shown(config: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    list_(config=str(config), json=True)
    (found,) = json.loads(capsys.readouterr().out)["changes"]
    assert isinstance(found, dict)
    return found


def test_it_says_what_it_could_not_do_and_the_list_says_it_too(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> Any:
        raise OutsideError("the host is away")

    def clerk_of(opened: Inbox, hooks: Any) -> Clerk:
        return Clerk(opened, Notes(opened.engine), hooks, away, away, away, lambda: AT)

    monkeypatch.setattr(boarding, "clerk_of", clerk_of)
    with inbox(config) as opened:
        opened.accept([Delivery("hub", "d-7", CHANGE)], AT)
    work(config=str(config), once=True, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "at": "2026-11-23T08:00:00Z", "change": CHANGE.key, "did": "postponed",
        "why": "the host is away; again at 2026-11-23T08:00:05Z",
    }  # fmt: skip
    found = shown(config, capsys)
    assert found["became"] == "again at 2026-11-23T08:00:05Z: the host is away"
    assert (found["trouble"]["code"], found["release"]) == ("outside", None)


@pytest.mark.parametrize(
    ("notes", "boarded", "became"),
    [
        ([("refused", {"why": "no branch", "code": "x", "hint": None})], False, "refused: no branch"),
        ([("decided", {"do": "board", "request": None})], False, "waits"),
        ([("decided", {"do": "board", "request": None})], True, "aboard the next train"),
        ([("decided", {"do": "start", "request": {"id": "r1"}})], True, "release r1"),
    ],
)
def test_the_list_says_what_became_of_a_change(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    notes: list[Any],
    boarded: bool,  # noqa: FBT001 - a parameter of the table
    became: str,
) -> None:
    with inbox(config) as opened:
        opened.accept([Delivery("hub", "d-7", CHANGE)], AT)
        for kind, content in notes:
            Notes(opened.engine).write(1, kind, content, AT)
        if boarded:
            opened.board(1, AT)
    assert shown(config, capsys)["became"] == became


def test_catch_up_says_what_was_missed_and_ends_3_when_a_host_did_not_answer(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/repos/Codertocat/Hello-World/pulls"
    with serving() as server, temporary_settings({PREFECT_API_URL: NOBODY}):
        host = CodeHost(host="github", repository="Codertocat/Hello-World", url=server.url)
        monkeypatch.setattr(hook_hosts, "host_of", lambda *_: host)
        assert catch_up(config=str(config)) == Exit.YES
        assert capsys.readouterr().out.startswith("hub: begins now")
        pull = merged(1)["pull_request"]
        server.tell(path, [{**pull, "updated_at": "2026-11-20T14:31:08Z"}])
        assert catch_up(config=str(config), since="2026-11-20T12:00:00Z") == Exit.YES
        assert f"shop@{pull['merge_commit_sha']}; 0 known" in capsys.readouterr().out
        server.tell(path, "", 502)
        assert catch_up(config=str(config), json=True) == Exit.UNKNOWN
        assert json.loads(capsys.readouterr().out)["hooks"][0]["error"]["code"] == "code_host_unavailable"


@pytest.mark.parametrize("wrong", ["yesterday", "2026-11-20T00:00:00", "0001-01-01T00:00:00+14:00"])
def test_an_instant_without_a_zone_is_refused(wrong: str) -> None:
    with pytest.raises(WrongSinceError) as caught:
        catch_up(config="none.yaml", since=wrong)
    assert caught.value.exit == Exit.INPUT


@pytest.mark.slow
def test_sigterm_ends_it(config: Path) -> None:
    command = [sys.executable, "-m", "stationmaster.cli.main", "inbox", "work", "--config", str(config)]
    env = {**os.environ, "PREFECT_API_URL": NOBODY, "STATIONMASTER_HOME": str(config.parent / "home")}
    with inbox(config) as opened:
        opened.accept([Delivery("hub", "d-7", CHANGE)], AT)
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert "postponed" in process.stdout.readline(), "it works"
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=20) == 0
                assert time.monotonic() - began < 15
            finally:
                process.kill()
        assert Notes(opened.engine).of(1)[0].content["code"] == "prefect_away"
