"""A person at a machine: a home folder with one product's blocks, a ledger in SQLite, a repository, and the commands
run in this process.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from stationmaster.blocks.settings import LedgerDatabase
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.source import GitRepository
from stationmaster.blocks.tenant_directory import YamlDirectory
from stationmaster.blocks.toolbox import remember
from stationmaster.cli.main import run
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import OBSERVED, Draft
from stationmaster.domain.mandate import Mandate, openings
from stationmaster.domain.plan import Plan
from stationmaster.domain.tenants import Directory
from stationmaster.ledger.store import Ledger
from tests.ledgers import laid_at
from tests.plans import plan
from tests.repository import Repository
from tests.shop import PRODUCT, TENANTS, people, product

DIGEST = "sha256:" + 64 * "d"


@dataclass(frozen=True)
class Answered:
    """A command's exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        assert self.out.count("\n") == 1
        found: dict[str, Any] = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    def refused(self, code: int, error: str, *words: str) -> None:
        """It ended with that exit code and error object, which tells these words."""
        assert (self.code, self.json["error"]["code"]) == (code, error), self
        assert set(self.json) == {"error"}
        assert set(self.json["error"]) == {"code", "message", "file", "line", "hint"}
        for word in words:
            assert word in f"{self.json['error']['message']} {self.json['error']['hint']} {self.json['error']['file']}"


@dataclass
class Desk:
    """What is in the home folder, and the hands of whoever types."""

    root: Path
    capture: pytest.CaptureFixture[str]
    ledger: Ledger
    repository: Repository
    keys: dict[str, Ed25519PrivateKey]
    commits: dict[str, str] = field(default_factory=dict)

    def run(self, *tokens: str) -> Answered:
        self.capture.readouterr()
        code = run(list(tokens))
        out, err = self.capture.readouterr()
        assert "Traceback" not in out + err
        return Answered(code, out, err)

    def write(self, step: str, fact: dict[str, Any], subject: str = "", release: str = "r2", **personal: str) -> None:
        draft = Draft(release=release, step=step, subject=subject, fact=fact, personal=personal or None)
        (self.ledger.observe if step in OBSERVED else self.ledger.append)(draft, datetime(2026, 11, 23, 8, tzinfo=UTC))

    def reach(self, stage: str, release: str = "r2", version: str = "2.0.0") -> None:
        """Write the entries of a release up to a stage, as its flow would."""
        asked = {"product": "shop", "ref": "v2.0.0", "kind": "manual", "assurance": "command line"}
        self.write("confirmed", asked, "", release, who="ana")
        for step, fact, subject in self._way(version):
            self.write(step, fact, subject, release, **({"starter": "ana"} if step == "started" else {}))
            if step == "planned":
                self.mandate(release)
            if step == stage:
                return

    def mandate(self, release: str = "r2") -> None:
        """What is to be signed of the plan that was recorded last; it lasts as long as anybody tests."""
        planned = next(entry for entry in reversed(self.ledger.entries(release)) if entry.step == "planned")
        rings = [ring.name for ring in product().rings]
        found = openings(Plan.from_fact(planned.fact), rings, planned.salt)
        ends = datetime(2126, 1, 1, tzinfo=UTC)
        made = Mandate.lay_down(release, {"artifact": DIGEST}, found, ends, planned.index)
        self.write("mandated", {"digest": made.digest, "ends": instant(ends), **made.fact()}, "", release)

    def _way(self, version: str) -> Iterator[tuple[str, dict[str, Any], str]]:
        commit = self.commits["v2.0.0"]
        deployed = {"version": version, "digest": DIGEST, "commit": commit, "instance": "cloud", "colour": "b"}
        directory = Directory.model_validate({"tenants": [{"id": "acme", "name": "Acme", "ring": "pilot"}]})
        yield "started", {"product": "shop", "kind": "manual", "ref": "v2.0.0"}, ""
        yield "cut", {"version": version, "commit": commit, "previous": [], "changes": []}, ""
        yield "built", {"digest": DIGEST, "size": 5, "seconds": 1.0, "log": DIGEST}, ""
        yield "tested", {"checks": []}, ""
        yield "staged", {"revision": "", "pairs": []}, ""
        yield "planned", plan(product(), directory, {}, DIGEST).fact(), ""
        yield "approved", {"roles": ["release-approver"]}, ""
        yield "briefed", {"channel": "releases", "ts": "1.0"}, ""
        yield "deployed", deployed, "acme"
        yield "released", {"tenants": 1}, ""

    def key(self, who: str) -> Path:
        path = self.root / f"{who}.pem"
        self.keys.setdefault(who, Ed25519PrivateKey.generate())
        path.write_bytes(self.keys[who].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        path.chmod(0o600)
        return path


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STATIONMASTER_USER", "ana")
    monkeypatch.delenv("STATIONMASTER_LEDGER", raising=False)
    keys = people(tmp_path / "approvers.yaml")
    (tmp_path / "tenants.yaml").write_text(TENANTS)
    repository = Repository.begin(tmp_path / "code")
    url = laid_at(tmp_path / "ledger.db")
    tools = {
        "ledger": LedgerDatabase(url=SecretStr(url)),
        "source": GitRepository(url=str(repository.path), mirror=str(tmp_path / "mirror")),
        "tenants": YamlDirectory(path=str(tmp_path / "tenants.yaml")),
        "signer": FileSigner(key=SecretStr("unused"), approvers=str(tmp_path / "approvers.yaml")),
    }
    for kind, tool in tools.items():
        remember(kind, "shop", tool)
    with Ledger.open(url) as ledger:
        made = Desk(tmp_path, capsys, ledger, repository, keys)
        for version in ("v1.0.0", "v2.0.0"):
            fragment = {f"changes/{version}.md": "---\nkind: added\n---\nSomething.\n"}
            made.commits[version] = repository.commit(f"Make {version}", {"stationmaster.yaml": PRODUCT, **fragment})
            repository.git("tag", version)
        fact = {"version": "1.0.0", "digest": "sha256:" + 64 * "a", "commit": made.commits["v1.0.0"]}
        for tenant in ("acme", "birch", "cedar"):
            made.write("adopted", fact, tenant, "install")
        yield made
