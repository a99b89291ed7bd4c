"""Signing keys: the service's own, and a person's key file read with a clear word for everything wrong with it.

What is signed and what a signature counts for is `domain/approval.py`.
"""

import stat
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from pydantic import BaseModel, Field, SecretStr
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined] # their public names, without __all__

from stationmaster.domain.approval import PAYLOAD_TYPE
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.documents import read
from stationmaster.domain.dsse import key_id
from stationmaster.domain.errors import InputError, OutsideError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyFileError(InputError):
    """A private key that cannot be used, with the reason. Its content is never part of the message."""

    code = "key"


class FileSigner(BaseModel):
    """The service's own signing key, and the file that says who may approve."""

    key: SecretStr = Field(description="Ed25519 private key, PKCS#8 in PEM, not encrypted.")
    approvers: str = Field(description="Path of approvers.yaml.")

    def sign(self, statement: bytes) -> dict[str, Any]:
        """A DSSE envelope over an in-toto statement, signed with the service's key."""
        return sign_with(_parsed(self.key.get_secret_value().encode(), "the signer block", None), statement)

    def people(self) -> Approvers:
        """Who may approve, read anew at every question.

        Raises:
            DocumentError: with every problem of the file.
            OutsideError: the file cannot be read.
        """
        try:
            text = Path(self.approvers).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OutsideError(
                f"approvers cannot be read: {error}", file=self.approvers, hint="correct the path in the signer block"
            ) from None
        return read(Approvers, text, self.approvers).value


def sign_with(key: Ed25519PrivateKey, statement: bytes) -> dict[str, Any]:
    """A DSSE envelope over an in-toto statement; its keyid is `dsse.key_id` of the public key."""
    envelope = Envelope(statement, PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(key, SSlibKey.from_crypto(key.public_key(), keyid=public_key_id(key), scheme="ed25519")))
    made: dict[str, Any] = envelope.to_dict()
    return made


def public_key_id(key: Ed25519PrivateKey) -> str:
    """The keyid under which approvals of this key are recorded."""
    return key_id(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def load_person_key(path: str | Path, passphrase: str | None = None) -> Ed25519PrivateKey:
    """A person's ed25519 key from a PKCS#8 PEM or OpenSSH file that nobody else can read.

    Raises:
        KeyFileError: no such file, readable by others, a public key, another type, or a passphrase is needed.
    """
    file = Path(path).expanduser()
    try:
        mode, content = file.stat().st_mode, file.read_bytes()
    except OSError as error:
        raise KeyFileError(f"the key cannot be read: {error.strerror}", file=str(file)) from None
    if mode & _OTHERS:
        raise KeyFileError("the private key can be read by others", file=str(file), hint=f"chmod 600 {file}")
    return _parsed(content, str(file), passphrase)


def _parsed(content: bytes, file: str, passphrase: str | None) -> Ed25519PrivateKey:
    if b"PRIVATE KEY-----" not in content:
        public = b"PUBLIC KEY-----" in content or content.startswith((b"ssh-", b"ecdsa-", b"sk-"))
        what = "this is a public key" if public else "this is no private key in PEM or OpenSSH format"
        raise KeyFileError(what, file=file, hint="give the private key, e.g. ~/.ssh/id_ed25519")
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in content else load_pem_private_key
    try:
        key = load(content, passphrase.encode() if passphrase else None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable(error, file, passphrase) from None
    if not isinstance(key, Ed25519PrivateKey):
        kind = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
        raise KeyFileError(f"an {kind} key; approvals need ed25519", file=file, hint="ssh-keygen -t ed25519")
    return key


def _unreadable(error: Exception, file: str, passphrase: str | None) -> KeyFileError:
    if isinstance(error, TypeError) and passphrase:
        return KeyFileError("the key is not encrypted, but a passphrase was given", file=file)
    if "assword" in str(error) and not passphrase:
        return KeyFileError("the key is encrypted", file=file, hint="give its passphrase")
    if isinstance(error, UnsupportedAlgorithm) and "bcrypt" in str(error):
        return KeyFileError("an encrypted OpenSSH key needs bcrypt", file=file, hint="pip install 'cryptography[ssh]'")
    if passphrase:
        return KeyFileError("the key cannot be decrypted", file=file, hint="is the passphrase right?")
    return KeyFileError("the key is damaged or of a kind that is not known", file=file)
