"""Keys: what we sign verifies, and everything wrong with a key file is said without showing it."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr, ValidationError
from securesystemslib.signer import _vault_signer

from stationmaster.blocks.signer import (
    FileSigner,
    KeyFileError,
    SignerAwayError,
    load_person_key,
    public_key_id,
    sign_with,
)
from stationmaster.domain.approval_statement import statement
from stationmaster.domain.checkpoint import Checkpoint, CheckpointError, opened
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.dsse import key_id, parse, verified
from stationmaster.domain.errors import OutsideError
from tests.questions import DIGEST, MANDATE, decided_on

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
RAW = KEY.public_key().public_bytes_raw()


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def pem(
    key: Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY,
    form: PrivateFormat = PrivateFormat.PKCS8,
    lock: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, form, lock or NoEncryption())


APPROVERS = f"""\
people:
  - {{id: ana, name: Ana}}
  - id: rosa
    name: Rosa
    roles: [approver]
    keys: [{{ed25519: "{base64.b64encode(RAW).decode()}"}}]
"""


def signer(tmp_path: Path, text: str = APPROVERS) -> FileSigner:
    path = tmp_path / "approvers.yaml"
    path.write_text(text)
    return FileSigner(key=SecretStr(pem().decode()), approvers=str(path))


def test_what_the_service_signs_verifies_and_carries_the_derived_keyid(tmp_path: Path) -> None:
    envelope = parse(signer(tmp_path).sign(b"said"))
    assert envelope.payload == b"said"
    assert verified(envelope, envelope.signatures[0], [RAW]) == RAW
    assert envelope.signatures[0].keyid == key_id(RAW) == public_key_id(KEY)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.OpenSSH])
def test_an_approval_signed_with_a_persons_key_counts(tmp_path: Path, form: PrivateFormat) -> None:
    key = load_person_key(written(tmp_path / "id_ed25519", pem(form=form)))
    signed = sign_with(key, statement("r1", DIGEST, MANDATE))
    assert decided_on([signed], signer(tmp_path).people(), datetime(2026, 1, 1, tzinfo=UTC)).satisfied


def test_an_encrypted_key_wants_its_passphrase(tmp_path: Path) -> None:
    path = written(tmp_path / "key", pem(lock=BestAvailableEncryption(b"open")))
    assert public_key_id(load_person_key(path, "open")) == key_id(RAW)
    with pytest.raises(KeyFileError, match="the key is encrypted"):
        load_person_key(path)
    with pytest.raises(KeyFileError, match="cannot be decrypted"):
        load_person_key(path, "wrong")


def test_an_encrypted_openssh_key_without_bcrypt_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_content: bytes, _passphrase: bytes | None) -> None:
        raise UnsupportedAlgorithm("Need bcrypt module")

    monkeypatch.setattr("stationmaster.blocks.signer.load_ssh_private_key", load)
    with pytest.raises(KeyFileError) as caught:
        load_person_key(written(tmp_path / "key", pem(form=PrivateFormat.OpenSSH)), "open")
    assert caught.value.hint == "pip install 'cryptography[ssh]'"


def test_a_passphrase_for_an_open_key_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="not encrypted"):
        load_person_key(written(tmp_path / "key", pem()), "secret")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_key_that_others_can_read_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "key", pem(), mode)
    with pytest.raises(KeyFileError) as caught:
        load_person_key(path)
    assert (caught.value.hint, caught.value.file) == (f"chmod 600 {path}", str(path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello", "no private key"),
        (b"", "no private key"),
        (KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "a public key"),
        (KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), "a public key"),
        (pem(rsa.generate_private_key(65537, 2048)), "an RSA key; approvals need ed25519"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "approvals need ed25519"),
        (pem()[:60] + b"\n-----END PRIVATE KEY-----\n", "damaged"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(KeyFileError, match=said):
        load_person_key(written(tmp_path / "key", content))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(KeyFileError, match="cannot be read"):
            load_person_key(path)


def test_a_checkpoint_is_signed_under_its_origin_and_verifies_with_the_vkey(tmp_path: Path) -> None:
    block, made = signer(tmp_path), Checkpoint("log.example/shop", 3, b"r" * 32)
    note = block.checkpoint(made)
    assert opened(note, [block.vkey("log.example/shop")]) == made
    assert note == block.checkpoint(made)
    assert "PRIVATE" not in note
    with pytest.raises(CheckpointError, match="no known key"):
        opened(note, [block.vkey("log.example/other")])
    assert block.public_key() == RAW


def test_a_key_that_is_none_is_told_without_showing_it(tmp_path: Path) -> None:
    block = signer(tmp_path).model_copy(update={"key": SecretStr("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n")})
    with pytest.raises(KeyFileError) as caught:
        block.checkpoint(Checkpoint("log.example/shop", 3, b"r" * 32))
    assert (caught.value.file, "c2VjcmV0" in str(caught.value)) == ("the signer block", False)


def test_the_key_of_the_block_is_not_shown(tmp_path: Path) -> None:
    shown = repr(signer(tmp_path)) + signer(tmp_path).model_dump_json()
    assert "PRIVATE" not in shown


PUBLIC = base64.b64encode(RAW).decode()


def by_uri(uri: str, public: str = PUBLIC) -> FileSigner:
    return FileSigner(uri=uri, public=public, approvers="/a")


def test_a_key_by_its_address_signs_the_same_as_one_in_the_block(tmp_path: Path) -> None:
    block = by_uri(f"file2:{written(tmp_path / 'key', pem())}")
    assert block.sign(b"said") == signer(tmp_path).sign(b"said")
    assert block.public_key() == RAW
    assert block.vkey("shop") == signer(tmp_path).vkey("shop")
    at = Checkpoint("shop", 3, bytes(32))
    assert block.checkpoint(at) == signer(tmp_path).checkpoint(at)


class Vault:
    """As hvac's client answers: no Vault was asked."""

    def __init__(self, answer: Exception | bytes) -> None:
        self.answer = answer
        self.secrets = SimpleNamespace(transit=self)

    def sign_data(self, name: str, hash_input: str, key_version: int) -> dict[str, Any]:
        assert (name, key_version) == ("stationmaster", 1)
        if isinstance(self.answer, Exception):
            raise self.answer
        made = Ed25519PrivateKey.from_private_bytes(self.answer).sign(base64.b64decode(hash_input))
        return {"data": {"signature": f"vault:v1:{base64.b64encode(made).decode()}"}}


def in_vault(monkeypatch: pytest.MonkeyPatch, answer: Exception | bytes) -> FileSigner:
    monkeypatch.setattr(_vault_signer, "VAULT_IMPORT_ERROR", None)
    monkeypatch.setattr(_vault_signer, "hvac", SimpleNamespace(Client=lambda: Vault(answer)), raising=False)
    return by_uri("hv:stationmaster/1")


def test_a_key_in_vault_signs_what_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = parse(in_vault(monkeypatch, b"k" * 32).sign(b"said"))
    assert verified(envelope, envelope.signatures[0], [RAW]) == RAW
    assert envelope.signatures[0].keyid == key_id(RAW)


def test_a_vault_that_is_away_may_be_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SignerAwayError, match="hv:stationmaster/1 does not sign: ConnectionError: refused"):
        in_vault(monkeypatch, ConnectionError("refused")).sign(b"said")


def test_what_another_key_signed_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyFileError, match="does not verify with `public`"):
        in_vault(monkeypatch, b"x" * 32).sign(b"said")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("file2:/nowhere/key", "cannot be used: .*not found"),
        ("s3:bucket/key", "Unsupported private key scheme s3"),
        ("hv:no-version", "cannot be used"),
    ],
)
def test_an_address_that_leads_to_no_key_says_so(monkeypatch: pytest.MonkeyPatch, uri: str, said: str) -> None:
    in_vault(monkeypatch, b"k" * 32)
    with pytest.raises(KeyFileError, match=said) as wrong:
        by_uri(uri).sign(b"said")
    assert wrong.value.file == uri


def test_without_its_library_a_scheme_says_what_is_missing() -> None:
    with pytest.raises(KeyFileError, match="requires hvac") as wrong:
        by_uri("hv:stationmaster/1").sign(b"said")
    assert wrong.value.hint == "install it beside stationmaster"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "either `key` or `uri`"),
        ({"key": "k", "uri": "file2:/k", "public": PUBLIC}, "either `key` or `uri`"),
        ({"uri": "file2:/k"}, "belong together"),
        ({"key": "k", "public": PUBLIC}, "belong together"),
        ({"uri": "file2:/k", "public": "AAAA"}, "has 3 bytes"),
        ({"uri": "file2:/k", "public": "é"}, "not base64"),
    ],
)
def test_a_block_has_one_key_and_says_so(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FileSigner(**given, approvers="/a")


def test_approvers_are_read_anew_and_their_problems_told(tmp_path: Path) -> None:
    block = signer(tmp_path)
    assert [person.id for person in block.people().people] == ["ana", "rosa"]
    Path(block.approvers).write_text(APPROVERS.replace("roles", "rolls"))
    with pytest.raises(DocumentError, match="unknown key 'rolls'"):
        block.people()
    Path(block.approvers).unlink()
    with pytest.raises(OutsideError, match="approvers cannot be read"):
        block.people()
