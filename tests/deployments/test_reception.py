"""The receiver of a stack as a unit of a real supervisor: its file, its port, and what an edit does."""

import contextlib
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stationmaster.blocks import hook_hosts
from stationmaster.blocks.hooks import read_receiver
from stationmaster.blocks.toolbox import BlockInvalidError, BlockMissingError
from stationmaster.deployments import descriptor, reception, registration
from stationmaster.deployments.descriptor import Descriptor
from stationmaster.deployments.reception import ReceiverDidNotStartError
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.errors import Exit
from tests.hook_deliveries import github
from tests.stack import Stack, stack


def nobody(_name: str, _hook: object) -> None:
    raise BlockMissingError("no block")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path))
    monkeypatch.setattr(hook_hosts, "host_of", nobody)  # else Prefect is asked, of which there is none here


@pytest.fixture
def running(home: None) -> Iterator[Stack]:
    with stack() as started:
        for folder in ("logs", "home", "tmp"):
            (started.run_dir / folder).mkdir(exist_ok=True)
        (started.run_dir / "prefect.auth").write_text("stationmaster:s3cret\n")
        yield started


def described(running: Stack, **more: str) -> Descriptor:
    return Descriptor(
        run=str(running.run_dir), supervisor=running.supervisor.socket, prefect_ui="http://127.0.0.1:1",
        prefect_auth=str(running.run_dir / "prefect.auth"), product="shop", **more,
    )  # fmt: skip


def pids(running: Stack) -> dict[str, int | None]:
    return {name: unit.pid for name, unit in running.supervisor.units().items()}


def ping(found: Descriptor, hook: str, secret: str) -> int:
    headers = github(b"{}", secret, "ping", "p-1")
    return httpx.post(f"{found.receiver}/hooks/{hook}", content=b"{}", headers=headers, timeout=5).status_code


def test_it_is_opened_once_and_an_edit_holds_from_the_next_time_on(running: Stack) -> None:
    said: list[str] = []
    first = reception.open_for(described(running), running.supervisor, said.append)
    path = Path(first.receiver_file)
    hook = read_receiver(str(path)).value.hooks["shop"]
    assert (hook.host, hook.product, hook.base) == ("github", "shop", ("main", "hotfix/*"))
    assert hook.secret is not None
    secret = hook.secret.get_secret_value()
    assert len(secret) >= 32
    assert (stat.S_IMODE(path.stat().st_mode), ping(first, "shop", secret)) == (0o600, 202)
    assert descriptor.load() == first
    assert said == [f"webhooks: {first.receiver}/hooks/shop (secrets in {path})"]
    before = pids(running)
    assert sorted(before) == ["inbox", "receiver"]

    assert reception.open_for(first, running.supervisor, said.append) == first
    assert pids(running) == before

    mine = path.read_text() + "  mine: {host: github, product: shop, secret: another}\n"
    path.write_text(mine)
    assert reception.open_for(first, running.supervisor, said.append) == first
    assert not set(pids(running).values()) & set(before.values())
    assert (ping(first, "shop", secret), ping(first, "mine", "another")) == (202, 202)

    path.write_text(mine.replace("host: github", "host: gitbub"))
    after = pids(running)
    with pytest.raises(DocumentError):
        reception.open_for(first, running.supervisor, said.append)
    assert (pids(running), path.read_text()) == (after, mine.replace("host: github", "host: gitbub"))


def test_a_port_that_somebody_took_meanwhile_is_given_up(running: Stack) -> None:
    with contextlib.closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        known = f"http://127.0.0.1:{other.getsockname()[1]}"
        found = reception.open_for(described(running, receiver=known), running.supervisor, lambda _: None)
    assert found.receiver != known
    assert descriptor.load().receiver == found.receiver
    assert httpx.get(f"{found.receiver}/healthz", timeout=5).json() == {"ok": True}


def test_a_receiver_that_does_not_start_is_told_with_its_reason(
    running: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "_START", 15.0)  # it has to import first, on a machine that others use too
    monkeypatch.setenv("HOOK_SECRET", "of the person's shell")
    found = described(running)
    hooks = "{shop: {host: github, product: shop, secret_env: HOOK_SECRET}}"
    Path(found.receiver_file).write_text(f"inbox: sqlite:///{found.run}/in.db\nhooks: {hooks}\n")
    with pytest.raises(ReceiverDidNotStartError, match="there is no environment variable HOOK_SECRET") as told:
        reception.open_for(found, running.supervisor, lambda _: None)
    assert told.value.exit == Exit.UNKNOWN
    assert found.receiver_file in str(told.value.hint)


@pytest.mark.parametrize(
    ("error", "scheduled", "told"),
    [
        (None, True, 0),
        (BlockMissingError("mirror has no block"), False, 0),
        (BlockInvalidError("the block of mirror is for gitlab"), False, 1),
    ],
)
def test_catch_up_is_scheduled_when_every_hook_has_its_code_host(
    running: Stack, monkeypatch: pytest.MonkeyPatch, error: Exception | None, told: int, *, scheduled: bool
) -> None:
    asked: list[str] = []
    said: list[str] = []

    def host_of(name: str, _hook: object) -> None:
        if error is not None and name == "mirror":
            raise error

    monkeypatch.setattr(hook_hosts, "host_of", host_of)
    monkeypatch.setattr(registration, "schedule_catch_up", asked.append)
    found = described(running)
    hook = "{host: github, product: books, secret: x}"
    path = Path(found.receiver_file)
    path.write_text(f"inbox: sqlite:///{found.run}/in.db\nhooks: {{hub: {hook}, mirror: {hook}}}\n")
    reception.open_for(found, running.supervisor, said.append)
    assert asked == ([str(path)] if scheduled else [])
    assert len([line for line in said if line.startswith("catch-up is not scheduled: the block of mirror")]) == told
    assert f"no hook in {path} is for shop; write one there and run `stationmaster up` again" in said
