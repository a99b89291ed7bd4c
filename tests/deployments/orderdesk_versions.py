"""Orderdesk at a tag, built and served for tests: a clean export, its artifact, its migrations, its journeys."""

import contextlib
import io
import os
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from ruamel.yaml import YAML

from stationmaster.blocks.journeys import Endpoint, run
from stationmaster.domain.journey import JourneyResult
from stationmaster.domain.product import Product

PASSWORD = "the probe's password"


@dataclass(frozen=True)
class Version:
    """One release of Orderdesk."""

    folder: Path
    product: Product
    artifact: Path

    def environment(self, database: str = "") -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "ARTIFACT": str(self.artifact),
            "DATABASE_URL": database,
            "FLAGS_FILE": str(self.folder / "flags.json"),
            "ORDERDESK_SECRET": "a secret of the sandbox's tests",
            "ORDERDESK_PROBE_PASSWORD": PASSWORD,
        }

    def call(self, command: Sequence[str], database: str = "") -> "subprocess.CompletedProcess[str]":
        """A command of the product, in its export."""
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(database), capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    def migrate(self, database: str, target: str = "expand@head") -> "subprocess.CompletedProcess[str]":
        return self.call(["python", "-m", "alembic", "-c", "migrations/alembic.ini", "upgrade", target], database)

    @contextlib.contextmanager
    def served(self, database: str, folder: Path) -> Iterator[Endpoint]:
        """An instance of this version, healthy, ended by SIGTERM."""
        path = folder / f"{self.folder.name}.sock"
        words = [word.format(artifact=self.artifact, socket=path) for word in self.product.service.command]
        with subprocess.Popen(words, env=self.environment(database)) as instance:
            try:
                endpoint = Endpoint(socket=str(path))
                await_health(endpoint, instance)
                yield endpoint
            finally:
                instance.terminate()
                instance.wait(timeout=20)
        assert instance.returncode == 0

    def journeys(self, endpoint: Endpoint, tenant: str) -> dict[str, JourneyResult]:
        """Each journey once, by name."""
        secrets = {"PROBE_PASSWORD": SecretStr(PASSWORD)}
        return {journey.name: run(journey, endpoint, tenant, secrets) for journey in self.product.journeys}


def await_health(endpoint: Endpoint, instance: "subprocess.Popen[Any]", within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not listens(str(endpoint.socket)):
        assert time.monotonic() < deadline
        assert instance.poll() is None, "the instance ended"
        time.sleep(0.02)
    with endpoint.client() as client:
        assert client.get("/healthz").json() == {"status": "ok"}


def listens(path: str) -> bool:
    """Whether somebody accepts; the socket of an ended instance may still lie there."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


def export(repository: Path, tag: str, folder: Path) -> Version:
    """The files of a tag, and its artifact, moved to a name that has no ending, as an artifact store keeps it."""
    archive = subprocess.run(
        ["git", "-C", str(repository), "archive", tag], check=True, capture_output=True, timeout=60
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extraction_filter = getattr(tarfile, "data_filter", None)  # Python before 3.11.4 has none
        files.extractall(folder / tag)  # noqa: S202 - our own repository
    product = Product.model_validate(YAML(typ="safe").load(folder / tag / "stationmaster.yaml"))
    version = Version(folder / tag, product, folder / f"{tag}-artifact")
    built = version.call(product.build.command)
    assert built.returncode == 0, built.stderr
    (version.folder / product.build.output).rename(version.artifact)
    return version


def status(client: httpx.Client, tenant: str, token: str, key: str) -> int:
    """Places one small order."""
    headers = {"X-Tenant": tenant, "Authorization": f"Bearer {token}", "Idempotency-Key": key}
    line = {"sku": "BOLT-M8", "quantity": 3, "unit_price": "2.50"}
    return client.post("/orders", json={"currency": "EUR", "lines": [line]}, headers=headers).status_code


def log_in(client: httpx.Client, tenant: str) -> str:
    body = {"user": "probe", "password": PASSWORD}
    return str(client.post("/login", json=body, headers={"X-Tenant": tenant}).json()["token"])
