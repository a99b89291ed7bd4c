"""Checkpoints: published once at each place, never one that does not continue what is there, whoever is killed and
whoever else publishes at the same moment.
"""

import base64
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from stationmaster.blocks.artifact_store import DirectoryStore
from stationmaster.blocks.checkpoint_places import Kept, Place, Refs, Shelf
from stationmaster.blocks.checkpoints import (
    LogRewrittenError,
    PublishedDamagedError,
    disagreements,
    make,
    origin,
    publish,
    shelf,
)
from stationmaster.blocks.git import SourceUnreachableError
from stationmaster.blocks.signer import FileSigner
from stationmaster.domain.checkpoint import Checkpoint, opened
from stationmaster.domain.entries import Draft, digest
from stationmaster.domain.errors import Exit, OutsideError
from stationmaster.domain.merkle import verify_consistency
from stationmaster.ledger.store import Ledger
from tests.ledgers import in_memory, laid_at
from tests.repository import Repository
from tests.tampering import forge

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SHOP = origin("shop")
_REF = "refs/stationmaster/checkpoints/"


def signer(folder: Path, secret: bytes = b"s" * 32, *logs: str) -> FileSigner:
    """A service with this key, and approvers who trust these logs."""
    listed = "".join(f'\n  - {{origin: "{SHOP}", vkey: "{vkey}"}}' for vkey in logs)
    path = folder / f"approvers-{secret[:1].decode()}.yaml"
    path.write_text(f"people: [{{id: ana, name: Ana}}]\nlogs: {listed or '[]'}\n")
    pem = Ed25519PrivateKey.from_private_bytes(secret).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return FileSigner(key=SecretStr(pem.decode()), approvers=str(path))


def write(ledger: Ledger, *tenants: str) -> None:
    for tenant in tenants:
        ledger.append(Draft(release="r1", step="deployed", subject=tenant), AT)


@dataclass
class Desk:
    """A ledger of three entries, who signs, and two places."""

    root: Path
    ledger: Ledger
    signer: FileSigner
    shelf: Shelf
    repository: Repository

    @property
    def places(self) -> list[Place]:
        return [self.shelf, Refs(str(self.repository.path))]

    def publish(self, *places: Place) -> Checkpoint:
        return publish(self.ledger, self.signer, "shop", places or self.places).checkpoint

    def wrong(self) -> list[str]:
        return [error.code for error in disagreements(self.ledger, self.signer, "shop", self.places)]

    def refs(self) -> dict[str, str]:
        return dict(
            line.split()[::-1]
            for line in self.repository.git("for-each-ref", "--format=%(objectname) %(refname)", _REF).splitlines()
        )

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.shelf.folder.glob("*.checkpoint")}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    repository = Repository.begin(tmp_path / "evidence")
    with Ledger.open(laid_at(tmp_path / "ledger.db")) as ledger:
        write(ledger, "acme", "birch", "cedar")
        yield Desk(tmp_path, ledger, signer(tmp_path), Shelf(tmp_path / "checkpoints"), repository)


def test_a_checkpoint_is_the_ledger_signed(desk: Desk) -> None:
    tree = desk.ledger.tree()
    text = make(tree, desk.signer, "shop")
    assert opened(text, [desk.signer.vkey(SHOP)]) == Checkpoint("stationmaster.dev/ledger/shop", 3, tree.root())


def test_it_is_published_at_each_place_byte_for_byte(desk: Desk) -> None:
    published = publish(desk.ledger, desk.signer, "shop", desk.places)
    text = published.text.encode()
    assert desk.files() == {"3.checkpoint": text}
    address = desk.shelf.folder / "sha256" / digest(text).removeprefix("sha256:")
    assert address.read_bytes() == text
    assert stat.S_IMODE((desk.shelf.folder / "3.checkpoint").stat().st_mode) == 0o444
    (ref,) = desk.refs()
    assert ref == f"{_REF}3"
    assert desk.repository.git("cat-file", "-p", ref).encode() == text
    assert opened(text, [published.vkey]) == published.checkpoint
    assert published.record() == {
        "origin": SHOP, "size": 3, "root": f"sha256:{published.checkpoint.root.hex()}", "vkey": published.vkey,
        "checkpoint": published.text, "footer": f"checkpoint 3 sha256:{published.checkpoint.root.hex()}",
        "previous": None, "consistency": [],
    }  # fmt: skip


def test_the_next_one_continues_the_last_and_proves_it(desk: Desk) -> None:
    first = desk.publish()
    write(desk.ledger, "delta", "elm")
    second = publish(desk.ledger, desk.signer, "shop", desk.places)
    assert (second.previous, second.checkpoint.size) == (first, 5)
    assert verify_consistency(3, 5, first.root, second.checkpoint.root, second.consistency)
    assert second.record()["previous"] == 3
    assert sorted(desk.files()) == ["3.checkpoint", "5.checkpoint"]
    assert sorted(desk.refs()) == [f"{_REF}3", f"{_REF}5"]
    assert desk.wrong() == []


def test_the_same_again_changes_nothing(desk: Desk) -> None:
    desk.publish()
    before = (desk.files(), desk.refs())
    desk.publish()
    assert (desk.files(), desk.refs()) == before


def test_an_empty_ledger_has_a_checkpoint_which_every_ledger_continues(tmp_path: Path) -> None:
    service, place = signer(tmp_path), Shelf(tmp_path / "checkpoints")
    with in_memory() as ledger:
        assert publish(ledger, service, "shop", [place]).checkpoint.size == 0
        write(ledger, "acme")
        second = publish(ledger, service, "shop", [place])
    assert second.previous is not None
    assert (second.previous.size, second.consistency, second.checkpoint.size) == (0, (), 1)


REWRITTEN = {
    "changed": ['UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE "index" = 1) WHERE "index" = 0'],
    "taken away": ['DELETE FROM entries WHERE "index" = 2', "UPDATE head SET size = 2"],
    "emptied": ["DELETE FROM entries", "UPDATE head SET size = 0"],
}


@pytest.mark.parametrize("grown", [False, True])
@pytest.mark.parametrize("how", REWRITTEN)
@pytest.mark.parametrize("number", [0, 1])
def test_a_ledger_that_was_rewritten_is_refused_whichever_place_remembers(
    desk: Desk, how: str, number: int, *, grown: bool
) -> None:
    place, other = desk.places[number], desk.places[1 - number]
    desk.publish(place)
    forge(desk.ledger.engine, *REWRITTEN[how])
    if grown:
        write(desk.ledger, "x1", "x2", "x3", "x4")
    before = (desk.files(), desk.refs())
    with pytest.raises(LogRewrittenError, match=r"the log was rewritten: .* speaks of 3 entries") as refused:
        desk.publish(other, place)
    assert (refused.value.exit, refused.value.published.size) == (Exit.NO, 3)
    assert refused.value.hint is not None
    assert place.name in refused.value.message
    assert (desk.files(), desk.refs()) == before, "nothing was published, at no place"
    assert desk.wrong() == ["log_rewritten"]


def test_every_published_checkpoint_is_compared_not_the_newest_alone(desk: Desk) -> None:
    """A fork that was published unseen between two others."""
    desk.publish(desk.shelf)
    with Ledger.open("sqlite://") as fork:
        write(fork, "acme", "mallory", "cedar", "delta")
        Shelf(desk.shelf.folder).put(4, make(fork.tree(), desk.signer, "shop"))
    write(desk.ledger, "delta", "elm")
    desk.shelf.put(5, make(desk.ledger.tree(), desk.signer, "shop"))
    assert desk.wrong() == ["log_rewritten"]


def test_two_ledgers_of_one_size_never_share_a_checkpoint(desk: Desk, tmp_path: Path) -> None:
    """Both asked when nothing was there; then one is first."""
    for place in desk.places:
        with Ledger.open("sqlite://") as fork:
            write(fork, "acme", "mallory", "cedar")
            forged = make(fork.tree(), desk.signer, "shop")
            late = Late(place, partial(place.put, 3, forged))
            with pytest.raises(LogRewrittenError, match="their root is another one now"):
                desk.publish(late)
        assert [kept.text for kept in place.every()] == [forged], "what was first stays"


@dataclass
class Late:
    """A place at which somebody else publishes right before we do."""

    place: Place
    first: Callable[[], object]

    @property
    def name(self) -> str:
        return self.place.name

    def newest(self) -> list[Kept]:
        return self.place.newest()

    def every(self) -> list[Kept]:
        return self.place.every()

    def put(self, size: int, text: str) -> Kept:
        self.first()
        return self.place.put(size, text)


def test_who_publishes_the_same_at_the_same_moment_agrees(desk: Desk) -> None:
    def once(_: int) -> Checkpoint:
        return desk.publish()

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(once, range(4))) == {desk.publish()}
    assert (list(desk.files()), list(desk.refs())) == (["3.checkpoint"], [f"{_REF}3"])


def test_somebody_who_was_faster_with_more_does_no_harm(desk: Desk) -> None:
    def first() -> None:
        write(desk.ledger, "delta")
        desk.publish(desk.shelf)

    assert desk.publish(Late(desk.shelf, first)).size == 3
    assert sorted(desk.files()) == ["3.checkpoint", "4.checkpoint"]
    assert desk.publish().size == 4
    assert desk.wrong() == []


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", ["os.fchmod", "os.link", "stationmaster.blocks.checkpoint_places.sync"])
def test_killed_at_any_step_it_is_done_the_next_time(desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(step, kill)
        with pytest.raises(Killed):
            desk.publish()
    assert desk.refs() == {}
    made = desk.publish()
    assert [kept.size for place in desk.places for kept in place.every()] == [3, 3]
    assert desk.publish() == made
    assert desk.wrong() == []


def spoil(desk: Desk, name: str, text: str) -> None:
    path = desk.shelf.folder / name
    path.unlink(missing_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("\n3\n", "\n9\n"), "signature .* is wrong"),
        (lambda text: text[:-3], "newline"),
        (lambda _text: "", "not a signed checkpoint"),
        (lambda text: text.replace("/shop", "/desk"), "of stationmaster.dev/ledger/desk is not to be trusted"),
        (lambda text: text + "\ufffd", "newline"),
    ],
)
def test_what_was_forged_at_a_place_is_not_believed(desk: Desk, change: Callable[[str], str], said: str) -> None:
    desk.publish()
    spoil(desk, "3.checkpoint", change(desk.files()["3.checkpoint"].decode()))
    with pytest.raises(PublishedDamagedError, match=said) as refused:
        desk.publish()
    assert f"in {desk.shelf.folder} for 3 entries" in refused.value.message
    assert desk.wrong() == ["published_damaged"]


def test_an_older_checkpoint_in_the_place_of_a_newer_is_told(desk: Desk) -> None:
    desk.publish()
    write(desk.ledger, "delta")
    desk.publish()
    spoil(desk, "4.checkpoint", desk.files()["3.checkpoint"].decode())
    with pytest.raises(PublishedDamagedError, match=r"for 4 entries .*: it is a checkpoint of 3 entries"):
        desk.publish()


def test_a_key_that_was_changed_is_trusted_when_it_is_listed(desk: Desk) -> None:
    old = desk.publish()
    new = signer(desk.root, b"n" * 32)
    with pytest.raises(PublishedDamagedError, match="no known key") as refused:
        publish(desk.ledger, new, "shop", desk.places)
    assert refused.value.hint is not None
    assert "approvers.yaml" in refused.value.hint
    new = signer(desk.root, b"n" * 32, desk.signer.vkey(SHOP))
    assert publish(desk.ledger, new, "shop", desk.places).checkpoint == old
    assert opened(desk.files()["3.checkpoint"], [desk.signer.vkey(SHOP)]) == old, "what was published first stays"
    write(desk.ledger, "delta")
    assert publish(desk.ledger, new, "shop", desk.places).previous == old


def test_another_products_checkpoints_are_not_ours(desk: Desk) -> None:
    publish(desk.ledger, desk.signer, "desk", [desk.shelf])
    with pytest.raises(PublishedDamagedError, match="no known key"):
        desk.publish(desk.shelf)


def test_files_that_are_no_checkpoints_are_passed_over(desk: Desk) -> None:
    desk.shelf.folder.mkdir()
    for name in ("03.checkpoint", "4.checkpoint~", "README", "x.checkpoint"):
        (desk.shelf.folder / name).write_text("x")
    assert desk.publish(desk.shelf).size == 3


def test_a_ref_that_is_no_text_is_told(desk: Desk) -> None:
    commit = desk.repository.commit("something")
    desk.repository.git("update-ref", f"{_REF}3", commit)
    with pytest.raises(PublishedDamagedError, match="not a signed checkpoint"):
        desk.publish()
    desk.repository.git("update-ref", "-d", f"{_REF}3")
    desk.repository.git("update-ref", "refs/stationmaster/checkpoints/other/3", commit)
    assert desk.publish().size == 3


def test_a_place_that_cannot_be_asked_is_named(desk: Desk) -> None:
    with pytest.raises(SourceUnreachableError, match="ls-remote failed for /nowhere"):
        desk.publish(Refs("/nowhere"))
    desk.shelf.folder.write_text("a file")
    with pytest.raises(OutsideError, match="cannot be read: Not a directory") as refused:
        desk.publish()
    assert refused.value.hint


def test_a_repository_that_takes_no_push_is_named_without_its_password(desk: Desk) -> None:
    hook = desk.repository.path / ".git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho not today; exit 1\n")
    hook.chmod(0o755)
    with pytest.raises(SourceUnreachableError, match=r"(?s)git push of .*checkpoints/3 failed .*not today") as refused:
        desk.publish()
    assert refused.value.hint is not None
    assert "takes refs of that name" in refused.value.hint
    hook.unlink()
    assert desk.publish().size == 3
    assert Refs("https://ana:secret@git.example/evidence").name == "in https://git.example/evidence"


def test_a_full_disk_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutsideError, match="no space left for the checkpoint"):
        desk.publish(desk.shelf)


def test_the_folder_is_in_the_store_of_evidence(tmp_path: Path) -> None:
    evidence = DirectoryStore(root=str(tmp_path)).beside("evidence")
    assert shelf(evidence, "shop") == tmp_path / "evidence" / "checkpoints" / "shop"


def test_a_checkpoint_is_verified_with_the_standard_library_and_a_key(desk: Desk) -> None:
    """As the page on the log shows it to people who do not trust our code."""
    text = publish(desk.ledger, desk.signer, "shop", desk.places).text
    body, _, line = text.partition("\n\n")
    signature = base64.b64decode(line.split(" ")[2])[4:]
    raw = base64.b64decode(desk.signer.vkey(SHOP).split("+", 2)[2])[1:]
    Ed25519PrivateKey.from_private_bytes(b"s" * 32).public_key().verify(signature, f"{body}\n".encode())
    assert raw == Ed25519PrivateKey.from_private_bytes(b"s" * 32).public_key().public_bytes_raw()
