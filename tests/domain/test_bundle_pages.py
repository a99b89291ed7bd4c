"""The pages of a bundle: the script that checks it by hand is run, as it stands on the page."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stationmaster.blocks.bundling import make
from stationmaster.blocks.checkpoints import origin
from stationmaster.domain import bundle
from stationmaster.domain.bundle_pages import VERIFY_PAGE, controls_page
from stationmaster.domain.container import pack, unpack
from tests.bundles import Files, Released, released


@pytest.fixture(scope="module")
def held() -> Iterator[Released]:
    with released() as found:
        yield found


def script() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", VERIFY_PAGE, re.DOTALL)
    return str(code)


def by_hand(held: Released, files: Files, folder: Path, *how: str) -> "subprocess.CompletedProcess[str]":
    """The script in a process that can import nothing of ours, and is started so."""
    signer = held.world.tools.signer
    keys = {"service": held.keys.services[0].keys[0].ed25519, "log": signer.vkey(origin("shop"))}
    (folder / "check.py").write_text(script())
    (folder / "keys.json").write_text(json.dumps(keys))
    (folder / "bundle.zip").write_bytes(pack(files))
    ban = "import sys; sys.modules['stationmaster'] = None; import runpy; sys.argv = sys.argv[1:];"
    return subprocess.run(
        [sys.executable, *how, "-c", f"{ban} runpy.run_path('check.py')", "check.py", "bundle.zip", "keys.json"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("tenant", [None, "acme"])
def test_the_page_checks_the_bundle_that_it_is_in(held: Released, tmp_path: Path, tenant: str | None) -> None:
    files = unpack(make(held.world.tools, "r2", tenant).raw)
    assert script() in files[bundle.VERIFY].decode()
    done = by_hand(held, files, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"r2: {len(files)} files")


def test_the_page_sees_what_was_changed(held: Released, tmp_path: Path) -> None:
    files = unpack(make(held.world.tools, "r2").raw)
    assert by_hand(held, {**files, "logs/8-build.log": b"fine"}, tmp_path).returncode == 1
    assert by_hand(held, {**files, "more": b""}, tmp_path).returncode == 1
    assert (
        by_hand(held, {**files, bundle.INDEX: files[bundle.INDEX].replace(b"r2", b"r3", 1)}, tmp_path).returncode == 1
    )
    entries = files[bundle.ENTRIES].replace(b'"version":"2"', b'"version":"3"', 1)
    assert by_hand(held, held.sealed({**files, bundle.ENTRIES: entries}), tmp_path).returncode == 1
    leaves = b"x" * 32 + files[bundle.LEAVES][32:]
    assert by_hand(held, held.sealed({**files, bundle.LEAVES: leaves}), tmp_path).returncode == 1


def changed(held: Released, files: Files) -> Iterator[Files]:
    """Bundles that only our service could have made so; each has another flaw."""
    lines = files[bundle.ENTRIES].splitlines(keepends=True)
    first = json.loads(lines[0])["index"]
    proof = f"log/proofs/{first}.tlog-proof"
    for name, content in (
        (bundle.ENTRIES, files[bundle.ENTRIES].replace(b'"version":"2"', b'"version":"3"', 1)),
        (bundle.ENTRIES, b"".join(lines[:3] + lines[4:])),
        (bundle.ENTRIES, b"".join([lines[1], lines[0], *lines[2:]])),
        (bundle.ENTRIES, b""),
        (bundle.LEAVES, b"x" * 32 + files[bundle.LEAVES][32:]),
        (proof, files[f"log/proofs/{first + 1}.tlog-proof"]),
    ):
        assert files[name] != content
        yield held.sealed({**files, name: content})


@pytest.mark.parametrize("how", [(), ("-O",), ("-OO",)])
def test_the_page_sees_what_was_changed_however_python_is_started(
    held: Released, tmp_path: Path, how: tuple[str, ...]
) -> None:
    files = unpack(make(held.world.tools, "r2").raw)
    assert by_hand(held, files, tmp_path, *how).returncode == 0
    for forged in (*changed(held, files), {**files, "logs/8-build.log": b"fine"}, {**files, "more": b""}):
        done = by_hand(held, forged, tmp_path, *how)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("BAD: ")


def test_the_page_is_a_few_dozen_lines() -> None:
    assert len([line for line in script().splitlines() if line.strip()]) <= 60
    assert set(re.findall(r"^(?:from|import) (\w+)", script(), re.MULTILINE)) <= {"base64", "cryptography"}


def test_controls_are_mapped_to_the_files_that_are_there(held: Released) -> None:
    page = unpack(make(held.world.tools, "r2").raw)[bundle.CONTROLS].decode()
    assert {"CC8.1", "A.8.32"} <= set(re.findall(r"^\| ([A-Z0-9.]+) \|", page, re.MULTILINE))
    assert "`reports/*` (1)" in page
    assert "`cmdb/changes.csv`" in page
    assert "`cmdb/changes.csv` (none)" in controls_page([], None)


def test_it_is_told_how_long_evidence_is_kept_by_the_policy_in_force(held: Released) -> None:
    page = unpack(make(held.world.tools, "r2").raw)[bundle.CONTROLS].decode()
    assert "- logs: at least 1 year\n" in page
    assert "no policy that is in force says how long" in controls_page([], None)
