"""`checkpoint`: what a person is told, and what lies where afterwards."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from stationmaster.blocks.artifact_store import DirectoryStore
from stationmaster.blocks.checkpoints import LogRewrittenError, origin
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.toolbox import remember
from stationmaster.cli.checkpoint import checkpoint
from stationmaster.domain.checkpoint import opened
from stationmaster.domain.errors import Exit
from tests.cli.conftest import Desk
from tests.tampering import forge

REFS = "refs/stationmaster/checkpoints/"


@pytest.fixture(autouse=True)
def service(desk: Desk) -> FileSigner:
    """The desk's signer block cannot sign; this one can."""
    desk.keys["service"] = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    key = desk.key("service").read_text()
    made = FileSigner(key=SecretStr(key), approvers=str(desk.root / "approvers.yaml"))
    remember("signer", "shop", made)
    remember("artifacts", "shop", DirectoryStore(root=str(desk.root / "artifacts")))
    return made


def said(desk: Desk) -> str:
    return desk.capture.readouterr().out


def folder(desk: Desk) -> Path:
    return desk.root / "artifacts" / "evidence" / "checkpoints" / "shop"


def test_it_is_published_and_the_next_continues_it(desk: Desk, service: FileSigner) -> None:
    size = desk.ledger.size()
    assert checkpoint(json=True) == Exit.YES
    found = json.loads(said(desk))
    assert (found["size"], found["previous"], found["places"]) == (size, None, [f"in {folder(desk)}"])
    assert opened(found["checkpoint"], [service.vkey(origin("shop"))]).size == size
    assert found["vkey"] == service.vkey(origin("shop"))
    assert (folder(desk) / f"{size}.checkpoint").read_text() == found["checkpoint"]
    desk.reach("planned")
    assert checkpoint("shop") == Exit.YES
    text = said(desk)
    assert f"it continues that of {size} entries, is published in {folder(desk)}" in text
    assert f"\ncheckpoint {desk.ledger.size()} sha256:" in text


def test_it_is_published_in_a_repository_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.root)
    assert checkpoint(git="code") == Exit.YES
    text = said(desk)
    assert "it is the first, is published" in text
    assert text.startswith(desk.repository.git("cat-file", "-p", f"{REFS}{desk.ledger.size()}"))


def test_a_ledger_that_was_rewritten_is_told_and_nothing_is_published(desk: Desk) -> None:
    checkpoint()
    before = sorted(path.name for path in folder(desk).iterdir())
    assert checkpoint(check=True, json=True) == Exit.YES
    assert json.loads(said(desk).splitlines()[-1]) == {
        "ok": True, "size": desk.ledger.size(), "problems": [],
        "weaknesses": ["SQLite has no roles: whoever may write the file can change it"],
    }  # fmt: skip
    forge(desk.ledger.engine, 'DELETE FROM entries WHERE "index" = 2', "UPDATE head SET size = 2")
    with pytest.raises(LogRewrittenError):
        checkpoint()
    assert sorted(path.name for path in folder(desk).iterdir()) == before
    said(desk)
    assert checkpoint(check=True) == Exit.NO
    assert "the log was rewritten" in said(desk)


def test_an_entry_that_was_changed_is_told_though_its_hash_is_as_published(desk: Desk) -> None:
    checkpoint()
    forge(desk.ledger.engine, "UPDATE entries SET canonical = canonical || 'x' WHERE \"index\" = 1")
    said(desk)
    assert checkpoint(check=True, json=True) == Exit.NO
    (problem,) = json.loads(said(desk))["problems"]
    assert problem.startswith("entry 1 of the ledger is not what was appended")
