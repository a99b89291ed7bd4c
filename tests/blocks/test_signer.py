"""Keys: what we sign verifies, and everything wrong with a key file is said without showing it."""

import base64
from datetime import UTC, datetime
from pathlib import Path

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
from pydantic import SecretStr

from stationmaster.blocks.signer import FileSigner, KeyFileError, load_person_key, public_key_id, sign_with
from stationmaster.domain.approval import decide, statement
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.dsse import key_id, parse, verified
from stationmaster.domain.errors import OutsideError

DIGEST = f"sha256:{'a' * 64}"
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
    decision = decide(
        required={"approver": 1},
        approvers=signer(tmp_path).people(),
        starter="ana",
        envelopes=[sign_with(key, statement("r1", DIGEST))],
        release="r1",
        digest=DIGEST,
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert decision.satisfied


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


def test_the_key_of_the_block_is_not_shown(tmp_path: Path) -> None:
    shown = repr(signer(tmp_path)) + signer(tmp_path).model_dump_json()
    assert "PRIVATE" not in shown


def test_approvers_are_read_anew_and_their_problems_told(tmp_path: Path) -> None:
    block = signer(tmp_path)
    assert [person.id for person in block.people().people] == ["ana", "rosa"]
    Path(block.approvers).write_text(APPROVERS.replace("roles", "rolls"))
    with pytest.raises(DocumentError, match="unknown key 'rolls'"):
        block.people()
    Path(block.approvers).unlink()
    with pytest.raises(OutsideError, match="approvers cannot be read"):
        block.people()
