"""Signing keys: the service's own, and a person's key file read with a clear word for everything wrong with it.

What is signed and what a signature counts for is `domain/approval.py`.
"""

import stat
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from pydantic import BaseModel, Field, SecretStr, model_validator
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import (  # type: ignore[attr-defined] # their public names, without __all__
    CryptoSigner,
    Signature,
    Signer,
    SSlibKey,
)

from stationmaster.domain.approval_statement import PAYLOAD_TYPE
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.checkpoint import Checkpoint
from stationmaster.domain.documents import read
from stationmaster.domain.dsse import ED25519_BYTES, key_id, made_by, strict_base64
from stationmaster.domain.errors import InputError, OutsideError
from stationmaster.domain.signed_note import Key, write

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyFileError(InputError):
    """A private key that cannot be used, with the reason. Its content is never part of the message."""

    code = "key"


class SignerAwayError(OutsideError):
    """What holds the service's key does not sign."""

    code = "signer_away"

    def __init__(self, uri: str, error: Exception) -> None:
        super().__init__(
            f"the key {uri} does not sign: {type(error).__name__}: {error}", hint="see whether its service answers"
        )


class FileSigner(BaseModel):
    """The service's own signing key, or where it is, and the file that says who may approve."""

    key: SecretStr | None = Field(default=None, description="Ed25519 private key, PKCS#8 in PEM, not encrypted.")
    uri: str | None = Field(
        default=None,
        description="Instead of `key`: where securesystemslib finds it, by file2: or hv: (Vault). It must be ed25519.",
        examples=["hv:stationmaster/1"],
    )
    public: str | None = Field(
        default=None, description="Of a key by `uri`: the raw public key in base64, as approvers.yaml has keys."
    )
    approvers: str = Field(description="Path of approvers.yaml.")

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if (self.key is None) == (self.uri is None):
            raise ValueError("give either `key` or `uri`")
        if (self.public is None) != (self.uri is None):
            raise ValueError("`uri` and `public` belong together")
        if self.public is not None:
            _raw(self.public)
        return self

    def sign(self, statement: bytes) -> dict[str, Any]:
        """A DSSE envelope over an in-toto statement, signed with the service's key.

        Raises:
            KeyFileError: the key cannot be used, or is not the one of `public`.
            SignerAwayError: what holds the key does not answer.
        """
        envelope = Envelope(statement, PAYLOAD_TYPE, {})
        envelope.signatures[self._keyid] = Signature(self._keyid, self._signature(envelope.pae()).hex())
        made: dict[str, Any] = envelope.to_dict()
        return made

    def checkpoint(self, checkpoint: Checkpoint) -> str:
        """The checkpoint as a note signed with the service's key, under the name of its origin. The same checkpoint is
        always the same text.
        """
        body = checkpoint.body()
        return write(body, self._named(checkpoint.origin).line(self._signature(body.encode())))

    def public_key(self) -> bytes:
        """The service's raw public key."""
        return raw_public_key(self._private()) if self.public is None else _raw(self.public)

    def vkey(self, origin: str) -> str:
        """What verifies our checkpoints of a ledger; approvers.yaml lists it under `logs`."""
        return self._named(origin).vkey()

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

    @property
    def _keyid(self) -> str:
        return key_id(self.public_key())

    def _signature(self, signed: bytes) -> bytes:
        """Of these very bytes. One that another key made is found here, and not by whoever is handed the evidence."""
        if self.uri is None:
            return self._private().sign(signed)
        made = _signed_by(self.uri, self.public_key(), signed)
        if not made_by(self.public_key(), made, signed):
            raise KeyFileError(
                "what it signs does not verify with `public`", file=self.uri, hint="mend the signer block"
            )
        return made

    def _private(self) -> Ed25519PrivateKey:
        key = self.key.get_secret_value() if self.key else ""
        return _parsed(key.encode(), "the signer block", None)

    def _named(self, origin: str) -> Key:
        return Key(origin, self.public_key())


def _signed_by(uri: str, public: bytes, signed: bytes) -> bytes:
    """By the key that a URI names. Whatever a signer of theirs raises is told as what it is about."""
    try:
        known = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(public), keyid=key_id(public), scheme="ed25519")
        return bytes.fromhex(Signer.from_priv_key_uri(uri, known).sign(signed).signature)
    except UnsupportedLibraryError as error:
        raise KeyFileError(f"a library is missing: {error}", file=uri, hint="install it beside stationmaster") from None
    except (ValueError, TypeError, FileNotFoundError, UnsupportedAlgorithm) as error:
        raise KeyFileError(
            f"the key cannot be used: {error}", file=uri, hint="mend `uri` of the signer block"
        ) from None
    except Exception as error:
        raise SignerAwayError(uri, error) from error


def _raw(public: str) -> bytes:
    raw = strict_base64(public)
    if len(raw) != ED25519_BYTES:
        raise ValueError(f"`public` has {len(raw)} bytes, and an ed25519 key {ED25519_BYTES}")
    return raw


def sign_with(key: Ed25519PrivateKey, statement: bytes) -> dict[str, Any]:
    """A DSSE envelope over an in-toto statement; its keyid is `dsse.key_id` of the public key."""
    envelope = Envelope(statement, PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(key, SSlibKey.from_crypto(key.public_key(), keyid=public_key_id(key), scheme="ed25519")))
    made: dict[str, Any] = envelope.to_dict()
    return made


def public_key_id(key: Ed25519PrivateKey) -> str:
    """The keyid under which approvals of this key are recorded."""
    return key_id(raw_public_key(key))


def raw_public_key(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


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
