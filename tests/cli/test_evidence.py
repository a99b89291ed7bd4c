"""`evidence bundle` and `evidence verify` as they are typed, and what `verify` does without."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.bundling import make
from stationmaster.cli import evidence_bundle
from stationmaster.cli.main import run
from stationmaster.domain import bundle
from stationmaster.domain.container import pack, unpack
from stationmaster.domain.entries import digest
from tests.bundles import Released, opened, released

GOOD = {"ok": True, "problems": []}


@pytest.fixture(scope="module")
def held() -> Iterator[Released]:
    with released() as found:
        yield found


@pytest.fixture
def at_home(held: Released, monkeypatch: pytest.MonkeyPatch) -> Released:
    """The command finds the tools of this world; its ledger stays open for the next."""
    monkeypatch.setattr(evidence_bundle, "only_product", lambda: "shop")
    tools = replace(held.world.tools, ledger=held.world.ledger)
    monkeypatch.setattr(evidence_bundle, "remembered", lambda _product: tools)
    monkeypatch.setattr(type(held.world.ledger), "__exit__", lambda *_: None)
    return held


class Typed:
    """Types a command and reads its answer."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture

    def __call__(self, *tokens: str | Path) -> tuple[int, str]:
        self.capture.readouterr()
        code = run(["evidence", *map(str, tokens)])
        out, err = self.capture.readouterr()
        assert "Traceback" not in out + err
        return code, out or err

    def json(self, *tokens: str | Path) -> tuple[int, dict[str, Any]]:
        code, out = self(*tokens, "--json")
        assert out.count("\n") == 1
        found: dict[str, Any] = json.loads(out)
        return code, found


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(capsys)


@pytest.fixture
def keys(held: Released) -> Path:
    return Path(held.world.tools.signer.approvers)


def test_a_bundle_is_written_and_is_good(at_home: Released, typed: Typed, keys: Path, tmp_path: Path) -> None:
    out = tmp_path / "r2.zip"
    code, found = typed.json("bundle", "r2", "--out", out)
    assert code == 0
    assert (found["release"], found["product"], found["state"], found["tenant"]) == ("r2", "shop", "released", None)
    assert (found["digest"], found["size"]) == (digest(out.read_bytes()), out.stat().st_size)
    assert (found["hidden"], found["absent"]) == (0, [])
    assert [path.name for path in tmp_path.iterdir()] == ["r2.zip"]
    assert typed.json("verify", out, "--keys", keys) == (0, GOOD)
    assert typed("verify", out, "--keys", keys) == (0, f"{out}: good\n")


def test_what_is_absent_is_said_beside_the_answer(held: Released, keys: Path, tmp_path: Path, capsys: Any) -> None:
    files = unpack(make(held.world.tools, "r2").raw)
    entry = json.loads(files[bundle.ENTRIES].splitlines()[0])
    del files[f"approvals/{entry['index']}.who.json"]
    row = {"entry": entry["index"], "what": "who", "digest": entry["payload"], "why": "erased"}
    out = tmp_path / "r2.zip"
    out.write_bytes(pack(held.sealed(files, absent=[row])))
    assert run(["evidence", "verify", str(out), "--keys", str(keys), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {**GOOD, "absent": [row]}
    assert said.err == "not in it: who, erased (1)\n"


def test_what_could_not_be_checked_is_said_beside_the_answer(
    held: Released, keys: Path, tmp_path: Path, capsys: Any
) -> None:
    """Who started and who wrote it was erased; or the release is not over."""
    files = unpack(make(held.world.tools, "r2").raw)
    entry = next(one for one in map(json.loads, files[bundle.ENTRIES].splitlines()) if one["step"] == "mandated")
    who = f"approvals/{entry['index']}.who.json"
    del files[who]
    row = {"entry": entry["index"], "what": "who", "digest": entry["payload"], "why": "erased"}
    out = tmp_path / "r2.zip"
    out.write_bytes(pack(held.sealed(files, absent=[row])))
    assert run(["evidence", "verify", str(out), "--keys", str(keys), "--json"]) == 0
    said = capsys.readouterr()
    left = f"{who} is not here: whether somebody approved what they had started, or written, was not checked"
    assert json.loads(said.out) == {**GOOD, "absent": [row], "unchecked": [left]}
    assert said.err == f"not in it: who, erased (1)\n{left}\n"


def test_of_an_open_release_it_is_said_that_nothing_lists_its_entries(tmp_path: Path, typed: Typed) -> None:
    with opened() as found:
        found.world.start()
        out, keys = tmp_path / "r2.zip", tmp_path / "approvers.yaml"
        out.write_bytes(make(found.world.tools, "r2").raw)
        keys.write_text(Path(found.world.tools.signer.approvers).read_text())
        left = "the release is open: which entries it has, the index alone says"
        assert typed.json("verify", out, "--keys", keys) == (0, {**GOOD, "unchecked": [left]})


def test_the_part_of_one_tenant_is_told(at_home: Released, typed: Typed, keys: Path, tmp_path: Path) -> None:
    out = tmp_path / "acme.zip"
    code, text = typed("bundle", "r2", "--out", out, "--tenant", "acme")
    assert code == 0
    assert "for acme" in text
    assert "more of others as hashes alone" in text
    assert typed.json("verify", out, "--keys", keys)[1] == GOOD


def test_what_is_changed_is_said_with_file_and_reason(held: Released, typed: Typed, keys: Path, tmp_path: Path) -> None:
    files = unpack(make(held.world.tools, "r2").raw)
    out = tmp_path / "r2.zip"
    out.write_bytes(pack({**files, "logs/8-build.log": b"fine"}))
    sentence = "logs/8-build.log: it was changed, its digest is not that of release.json"
    assert typed.json("verify", out, "--keys", keys) == (1, {**GOOD, "ok": False, "problems": [sentence]})
    assert typed("verify", out, "--keys", keys) == (1, f"{sentence}\n")


def test_a_checkpoint_from_elsewhere(held: Released, typed: Typed, keys: Path, tmp_path: Path) -> None:
    raw = make(held.world.tools, "r2").raw
    out, note = tmp_path / "r2.zip", tmp_path / "checkpoint"
    out.write_bytes(raw)
    note.write_bytes(unpack(raw)[bundle.CHECKPOINT])
    assert typed.json("verify", out, "--keys", keys, "--checkpoint", note)[1] == GOOD
    note.write_bytes(held.checkpoint())
    code, found = typed.json("verify", out, "--keys", keys, "--checkpoint", note)
    assert (code, found["ok"], "older log" in found["problems"][0]) == (1, False, True)


@pytest.mark.parametrize("content", [b"", b"\x00" * 999, b"PK\x03\x04", "hübsch".encode(), b"{}"])
def test_garbage_is_no_bundle(typed: Typed, keys: Path, tmp_path: Path, content: bytes) -> None:
    out = tmp_path / "r2.zip"
    out.write_bytes(content)
    code, found = typed.json("verify", out, "--keys", keys)
    assert (code, found["ok"], len(found["problems"])) == (1, False, 1)


def test_wrong_input_is_told(at_home: Released, typed: Typed, keys: Path, tmp_path: Path) -> None:
    out = tmp_path / "r2.zip"
    out.write_bytes(b"")
    for tokens, error in (
        (("verify", tmp_path / "none.zip", "--keys", keys), "unreadable"),
        (("verify", out, "--keys", tmp_path / "none.yaml"), "unreadable"),
        (("verify", out, "--keys", keys, "--checkpoint", tmp_path), "unreadable"),
        (("verify", out, "--keys", out), "document"),
        (("bundle", "r3", "--out", out), "unknown_release"),
        (("bundle", "r2", "--out", out, "--tenant", "acne"), "unconcerned"),
        (("bundle", "r2", "--out", out, "--product", "other"), "input"),
        (("bundle", "r2", "--out", tmp_path), "input"),
        (("bundle", "r2", "--out", tmp_path / "none" / "r2.zip"), "input"),
    ):
        code, found = typed.json(*tokens)
        assert (code, found["error"]["code"]) == (2, error), tokens


def test_a_bundle_that_cannot_be_made_leaves_the_old_one(at_home: Released, typed: Typed, tmp_path: Path) -> None:
    out = tmp_path / "r2.zip"
    out.write_bytes(b"the old one")
    typed("bundle", "r9", "--out", out)
    assert out.read_bytes() == b"the old one"


def test_verify_needs_no_home_no_network_and_no_database(held: Released, keys: Path, tmp_path: Path) -> None:
    out = tmp_path / "r2.zip"
    out.write_bytes(make(held.world.tools, "r2").raw)
    code = """
import socket, sys
def refuse(*_):
    raise AssertionError("a socket")
socket.socket.connect = refuse
from stationmaster.cli.main import run
ended = run(sys.argv[1:])
loaded = {name.partition(".")[0] for name in sys.modules}
heavy = {"prefect", "sqlalchemy", "alembic", "httpx", "psycopg", "boto3"} & loaded
sys.exit(f"{ended} {sorted(heavy)}" if ended or heavy else 0)
"""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "nobody"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, "evidence", "verify", str(out), "--keys", str(keys), "--json"],
        env=env, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == GOOD
    assert not (tmp_path / "nobody").exists()
