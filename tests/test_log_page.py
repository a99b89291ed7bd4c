"""docs/explanation/log.md: the few lines it gives to people who do not trust our code find what they should."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stationmaster.blocks.checkpoint_places import Shelf
from stationmaster.blocks.checkpoints import origin, publish
from stationmaster.domain import checkpoint
from stationmaster.domain.entries import Draft
from tests.blocks.test_checkpoints import signer
from tests.ledgers import in_memory

PAGE = (Path(__file__).parents[1] / "docs/explanation/log.md").read_text()
AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
(PROGRAM,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def kept(tmp_path: Path) -> tuple[str, Path, list[Path]]:
    """The vkey, the leaf hashes of seven entries, and the checkpoints after three, five and seven."""
    service, shelf = signer(tmp_path), Shelf(tmp_path / "checkpoints")
    with in_memory() as ledger:
        for number in range(7):
            ledger.append(Draft(release="r1", step="deployed", subject=f"t{number}"), AT)
            if number in {2, 4, 6}:
                publish(ledger, service, "shop", [shelf])
        (tmp_path / "leaves").write_bytes(ledger.leaves())
    return service.vkey(origin("shop")), tmp_path / "leaves", sorted(shelf.folder.glob("*.checkpoint"))


def check(vkey: str, leaves: Path, checkpoints: list[Path]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PROGRAM, vkey, str(leaves), *map(str, checkpoints)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_log_is_as_it_was_at_each_checkpoint(kept: tuple[str, Path, list[Path]]) -> None:
    found = check(*kept)
    assert (found.returncode, found.stderr) == (0, "")
    assert [line.split(": ")[1] for line in found.stdout.splitlines()] == [
        f"{size} entries, as they were" for size in (3, 5, 7)
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw[:64] + bytes(32) + raw[96:], "3.checkpoint: the log was rewritten"),
        (lambda raw: raw[:-32], "7.checkpoint: the log was rewritten"),
        (lambda raw: raw[32:64] + raw[:32] + raw[64:], "3.checkpoint: the log was rewritten"),
        (lambda raw: raw[:160] + raw[192:], "7.checkpoint: the log was rewritten"),
    ],
)
def test_a_log_that_was_rewritten_is_found(
    kept: tuple[str, Path, list[Path]], change: Callable[[bytes], bytes], said: str
) -> None:
    vkey, leaves, checkpoints = kept
    leaves.write_bytes(change(leaves.read_bytes()))
    found = check(vkey, leaves, checkpoints)
    assert (found.returncode, said in found.stderr) == (1, True), found.stderr


def test_a_checkpoint_that_the_log_did_not_sign_is_found(kept: tuple[str, Path, list[Path]], tmp_path: Path) -> None:
    vkey, leaves, (first, *_) = kept
    other = signer(tmp_path, b"o" * 32).vkey(origin("shop"))
    assert "did not sign" in check(other, leaves, [first]).stderr
    forged = tmp_path / "forged"
    forged.write_text(first.read_text().replace("\n3\n", "\n4\n"))
    assert "InvalidSignature" in check(vkey, leaves, [forged]).stderr


def test_the_checkpoint_that_is_shown_is_one() -> None:
    shown = next(block for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL) if "—" in block)
    found = checkpoint.parse(shown).checkpoint
    assert (found.origin, found.size) == (origin("shop"), 1234)
