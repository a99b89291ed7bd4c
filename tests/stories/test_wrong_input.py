"""What a person gets wrong in a running sandbox: a clear message, and a release that can go on or be ended."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stories.sandbox import Answered, Sandbox

pytestmark = pytest.mark.slow


@contextmanager
def edited(path: Path, change: Callable[[str], str]) -> Iterator[None]:
    """A file with other content for a while."""
    before = path.read_text()
    path.write_text(change(before))
    try:
        yield
    finally:
        path.write_text(before)


def refused(done: Answered, code: int, error: str, *words: str) -> None:
    assert done.code == code
    found = done.json["error"]
    assert found["code"] == error
    for word in words:
        assert word in f"{found['message']} {found['hint']}"


def test_names_that_do_not_exist_get_the_nearest_that_do(sandbox: Sandbox) -> None:
    refused(sandbox.run("release", "status", "orderdesk-1-2-1", "--json"), 2, "unknown_release", "orderdesk-1-2-0")
    refused(sandbox.run("tenants", "show", "alpnia", "--json"), 2, "unknown_tenant", "alpina")
    refused(sandbox.run("release", "start", "--ref", "v1.2.9", "--json"), 2, "unknown_ref", "v1.2.0")
    refused(sandbox.run("release", "list", "--product", "orderdisk", "--json"), 2, "block_missing", "orderdesk")
    refused(sandbox.run("release", "start", "Not An Id", "--json"), 2, "input", "orderdesk-1-2-0")


def test_an_unknown_zone_names_the_line_and_the_nearest_zone(sandbox: Sandbox) -> None:
    tenants = sandbox.run_dir / "tenants.yaml"
    with edited(tenants, lambda text: text.replace("Europe/Zurich", "Europe/Zürich")):
        done = sandbox.run("tenants", "list", "--json")
        assert done.code in {0, 2}
        refused(sandbox.run("release", "plan", "--json", "--ref", "v1.4.0"), 2, "document", "Europe/Zurich")


def test_a_closed_window_is_waited_for_and_opened(sandbox: Sandbox) -> None:
    tenants = sandbox.run_dir / "tenants.yaml"

    def close(text: str) -> str:
        lines = [
            line.replace("calendars/any-time.yaml", "null") if "ring: pilot" in line else line
            for line in text.splitlines()
        ]
        return "\n".join(lines) + "\n"

    assert sandbox.run("release", "start", "closed-window", "--ref", "v1.3.0", "--starter", "ana").code == 4
    with edited(tenants, close):
        sandbox.run("approve", "closed-window", "--key", sandbox.key("rosa"))
        done = sandbox.run("release", "start", "closed-window", "--json")
        assert done.code == 4, done.err
        assert (done.json["waiting_for"], done.json["stage"]) == ("window", "briefed")
        why = sandbox.run("release", "why", "closed-window").out
        assert "kowalski" in why
        assert "release start closed-window" in why
    done = sandbox.run("release", "abort", "closed-window", "--reason", "only a test", "--json")
    assert (done.code, done.json["stage"]) == (0, "aborted")
    assert sandbox.run("release", "abort", "closed-window", "--reason", "again").code == 0


def test_a_port_in_use_is_said(sandbox: Sandbox) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        home = str(sandbox.home / "other")
        done = sandbox.run("up", "--port", str(taken.getsockname()[1]), "--json", STATIONMASTER_HOME=home)
    refused(done, 2, "port_in_use", "--port")
