"""A person's ed25519 key in an SSH agent: which are there, and a signature by one of them. The key never leaves it.

The protocol is draft-ietf-sshm-ssh-agent, of which two questions are asked. Whatever answers is not trusted: replies
are bounded in time and size, read strictly, and a signature is verified before it is used.
"""

import base64
import contextlib
import hashlib
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from stationmaster.blocks.ssh_wire import Reader, exactly, string
from stationmaster.domain.approval_statement import PAYLOAD_TYPE
from stationmaster.domain.dsse import ED25519_BYTES, key_id, pae
from stationmaster.domain.errors import InputError, OutsideError

_LIST, _LISTED, _SIGN, _SIGNED, _FAILED = 11, 12, 13, 14, 5
_KIND, _SK = b"ssh-ed25519", b"sk-ssh-ed25519@openssh.com"
_LONGEST = 256 << 10  # bytes of a message, as OpenSSH has it


class AgentAwayError(OutsideError):
    """There is no SSH agent, or it did not answer."""

    code = "agent_away"


class AgentRefusedError(OutsideError):
    """The SSH agent would not sign."""

    code = "agent_refused"


class AgentKeyError(InputError):
    """The SSH agent has no key, not that one, or none that can approve."""

    code = "agent_key"


@dataclass(frozen=True)
class AgentKey:
    """A key in the agent. `blob` is the public key as SSH writes it."""

    blob: bytes
    comment: str

    @property
    def kind(self) -> bytes:
        return Reader(self.blob).string()

    @property
    def fingerprint(self) -> str:
        """As `ssh-add -l` shows it."""
        return f"SHA256:{base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip('=')}"

    @property
    def raw(self) -> bytes:
        """The 32 bytes of an ed25519 key.

        Raises:
            AgentKeyError: it is of another type.
        """
        if self.kind == _SK:
            raise AgentKeyError(
                f"{self} lies in a security key, which signs a counter and flags beside what it is given: no verifier "
                "of DSSE knows such a signature",
                hint="approve with an ed25519 key that does not begin with sk-",
            )
        raw = self.blob[len(string(_KIND)) + 4 :]
        if self.blob != string(_KIND) + string(raw) or len(raw) != ED25519_BYTES:
            raise AgentKeyError(f"{self}: approvals need ed25519", hint="ssh-keygen -t ed25519, then ssh-add")
        return raw

    def __str__(self) -> str:
        return f"{ascii(self.kind.decode('latin-1'))[1:-1]} {self.fingerprint} {ascii(self.comment)[1:-1]}"


@dataclass(frozen=True)
class SshAgent:
    """The agent that listens at a path."""

    path: str
    patience: float = 10.0  # seconds for an answer
    confirming: float = 90.0  # seconds for one that a person may have to confirm

    def keys(self) -> tuple[AgentKey, ...]:
        """What it lists, in its order; nothing when it is locked.

        Raises:
            AgentAwayError: it does not answer, or not as an agent does.
        """
        kind, answer = self._ask(bytes([_LIST]), self.patience)
        if kind != _LISTED:
            raise self._garbled(f"type {kind}")
        with self._understood():
            listed = tuple(
                AgentKey(answer.string(), answer.string().decode(errors="replace")) for _ in range(answer.number())
            )
            answer.must_be_over()
            if not all(key.kind for key in listed):
                raise ValueError("a key of no type")
            return listed

    def sign(self, key: AgentKey, content: bytes) -> bytes:
        """The 64 bytes of an ed25519 signature over exactly `content`. A person may have to confirm it at the agent.

        Raises:
            AgentKeyError: the key is of another type.
            AgentRefusedError: it would not.
            AgentAwayError: it does not answer, or with what is no signature of this key.
        """
        raw = key.raw
        asked = bytes([_SIGN]) + string(key.blob) + string(content) + bytes(4)
        kind, answer = self._ask(asked, self.confirming)
        if kind == _FAILED:
            raise AgentRefusedError(
                f"the SSH agent would not sign with {key}", hint="is it locked (ssh-add -X), or did you not confirm?"
            )
        if kind != _SIGNED:
            raise self._garbled(f"type {kind}")
        with self._understood():
            blob = Reader(answer.string())
            answer.must_be_over()
            algorithm, signature = blob.string(), blob.string()
            blob.must_be_over()
        if algorithm != _KIND or not _made(raw, signature, content):
            raise self._garbled("what it gave is no signature of that key")
        return signature

    def _ask(self, message: bytes, patience: float) -> tuple[int, Reader]:
        deadline = time.monotonic() + patience
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
                agent.settimeout(patience)
                agent.connect(self.path)
                agent.sendall(string(message))
                length = int.from_bytes(exactly(agent, 4, deadline))
                if not 0 < length <= _LONGEST:
                    raise self._garbled(f"a message of {length} bytes")
                answer = exactly(agent, length, deadline)
        except TimeoutError:
            raise AgentAwayError(f"the SSH agent at {self.path} did not answer within {patience:.0f} s") from None
        except OSError as error:
            raise AgentAwayError(
                f"the SSH agent at {self.path} does not answer: {error.strerror or error}",
                hint="eval $(ssh-agent), then ssh-add",
            ) from None
        return answer[0], Reader(answer[1:])

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise self._garbled(str(error)) from None

    def _garbled(self, what: str) -> AgentAwayError:
        return AgentAwayError(f"what listens at {self.path} does not answer as an SSH agent: {what}")


def own_agent(environment: Mapping[str, str] = os.environ) -> SshAgent:
    """The person's own agent.

    Raises:
        AgentAwayError: SSH_AUTH_SOCK names none.
    """
    path = environment.get("SSH_AUTH_SOCK")
    if not path:
        raise AgentAwayError("there is no SSH agent: SSH_AUTH_SOCK is not set", hint="eval $(ssh-agent), then ssh-add")
    return SshAgent(path)


def chosen(keys: Sequence[AgentKey], identity: str | None) -> AgentKey:
    """The key that somebody means: by comment, fingerprint or public key file; when they name none, the only one.

    Raises:
        AgentKeyError: there is none, or several, with those that are there.
    """
    if not keys:
        raise AgentKeyError("the SSH agent lists no key: it is empty, or locked", hint="ssh-add, or ssh-add -X")
    if identity is None:
        found = [key for key in keys if key.kind == _KIND]
        why = "the SSH agent has no ed25519 key" if not found else "the SSH agent has several ed25519 keys"
    else:
        blob = _public_file(identity)
        found = [key for key in keys if identity in {key.comment, key.fingerprint} or key.blob == blob]
        why = f"{identity!r} is {'several keys' if found else 'no key'} of the SSH agent"
    if len(found) != 1:
        raise AgentKeyError(f"{why}; it has {'; '.join(map(str, keys))}", hint="name one with --identity FINGERPRINT")
    return found[0]


def sign_with_agent(holder: SshAgent, key: AgentKey, statement: bytes) -> dict[str, Any]:
    """A DSSE envelope over an in-toto statement. Errors as `SshAgent.sign`."""
    signature = holder.sign(key, pae(PAYLOAD_TYPE, statement))
    return {
        "payload": base64.b64encode(statement).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key_id(key.raw), "sig": base64.b64encode(signature).decode()}],
    }


def _public_file(identity: str) -> bytes | None:
    """The key in an OpenSSH public key file; None where there is no such file."""
    path = Path(identity).expanduser()
    try:
        words = path.read_text(encoding="utf-8").split()
        return base64.b64decode(words[1], validate=True)
    except (OSError, ValueError, IndexError):
        return None


def _made(raw: bytes, signature: bytes, content: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, content)
    except InvalidSignature:
        return False
    return True
