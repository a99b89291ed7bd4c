"""Signatures by an SSH agent: OpenSSH's own, and one that answers what no agent should."""

import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.blocks.ssh_agent import (
    AgentAwayError,
    AgentKey,
    AgentKeyError,
    AgentRefusedError,
    SshAgent,
    chosen,
    own_agent,
    sign_with_agent,
)
from stationmaster.blocks.ssh_wire import Reader, string
from stationmaster.domain import dsse
from tests.openssh import OpenSsh, openssh

__all__ = ["openssh"]  # a fixture

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\1")
RAW = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
BLOB = string(b"ssh-ed25519") + string(RAW)
MINE = AgentKey(BLOB, "mine")
SK = AgentKey(string(b"sk-ssh-ed25519@openssh.com") + string(RAW) + string(b"ssh:"), "token")
RSA = AgentKey(string(b"ssh-rsa") + string(b"\1\0\1") + string(bytes(256)), "old")


def test_a_real_agent_signs_what_an_approver_signs(openssh: OpenSsh) -> None:
    openssh.add("work")
    key = chosen(openssh.agent.keys(), None)
    envelope = dsse.parse(sign_with_agent(openssh.agent, key, b'{"a":1}'))
    assert envelope.payload == b'{"a":1}'
    assert dsse.verified(envelope, envelope.signatures[0], [RAW, key.raw]) == key.raw
    assert envelope.signatures[0].keyid == dsse.key_id(key.raw)


def test_a_key_is_named_in_three_ways(openssh: OpenSsh) -> None:
    work, home = openssh.add("work"), openssh.add("home")
    openssh.add("old", "ecdsa")
    keys = openssh.agent.keys()
    shown = subprocess.run(["ssh-keygen", "-lf", work], capture_output=True, text=True, check=True, timeout=20).stdout
    for identity in ("work", shown.split()[1], str(work)):
        assert chosen(keys, identity).comment == "work"
    assert chosen(keys, str(home)).comment == "home"
    with pytest.raises(AgentKeyError, match=r"several ed25519 keys; it has ssh-ed25519 SHA256:.* work; .* home; ecdsa"):
        chosen(keys, None)
    with pytest.raises(AgentKeyError, match="'wrok' is no key of the SSH agent; it has ssh-ed25519 SHA256:"):
        chosen(keys, "wrok")
    with pytest.raises(AgentKeyError, match=r"ecdsa-sha2-nistp256 .* old: approvals need ed25519"):
        openssh.agent.sign(chosen(keys, "old"), b"x")


def test_an_agent_that_is_empty_or_locked_lists_nothing(openssh: OpenSsh) -> None:
    with pytest.raises(AgentKeyError, match="empty, or locked"):
        chosen(openssh.agent.keys(), None)
    openssh.add("work")
    (key,) = openssh.agent.keys()
    openssh.lock("secret")
    assert openssh.agent.keys() == ()
    with pytest.raises(AgentRefusedError, match="would not sign with ssh-ed25519 SHA256:") as refused:
        openssh.agent.sign(key, b"x")
    assert "ssh-add -X" in str(refused.value.hint)


def test_a_key_that_was_taken_away_meanwhile_signs_nothing(openssh: OpenSsh) -> None:
    openssh.add("work")
    (key,) = openssh.agent.keys()
    openssh.run("ssh-add", "-q", "-D")
    with pytest.raises(AgentRefusedError):
        openssh.agent.sign(key, b"x")


def test_there_may_be_no_agent(tmp_path: Path) -> None:
    with pytest.raises(AgentAwayError, match="SSH_AUTH_SOCK is not set"):
        own_agent({})
    with pytest.raises(AgentAwayError, match="No such file"):
        own_agent({"SSH_AUTH_SOCK": str(tmp_path / "none")}).keys()
    (tmp_path / "file").touch()
    with pytest.raises(AgentAwayError, match="Connection refused"):
        SshAgent(str(tmp_path / "file")).keys()
    with pytest.raises(AgentAwayError, match="too long"):
        SshAgent(str(tmp_path / ("x" * 200))).keys()


@contextmanager
def answering(answer: bytes | Callable[[bytes], bytes], *, stay: bool = False) -> Iterator[SshAgent]:
    """An agent of our own, for one question. `stay`: it says no more and does not hang up."""
    with tempfile.TemporaryDirectory(prefix="stm-") as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/agent")
        listener.listen()
        done = threading.Event()

        def serve() -> None:
            with listener.accept()[0] as peer:
                asked = peer.recv(1 << 16)
                peer.sendall(answer(asked[4:]) if callable(answer) else answer)
                if stay:
                    done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield SshAgent(f"{folder}/agent", patience=0.3, confirming=0.3)
        finally:
            done.set()
            thread.join()


def listed(*keys: AgentKey) -> bytes:
    rows = b"".join(string(key.blob) + string(key.comment.encode()) for key in keys)
    return string(b"\x0c" + len(keys).to_bytes(4) + rows)


def signed(signature: bytes, kind: bytes = b"ssh-ed25519", more: bytes = b"") -> bytes:
    return string(b"\x0e" + string(string(kind) + string(signature)) + more)


GARBAGE = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\0\0\0\0", b"\0\0\0", b"\xff\xff\xff\xff", string(b"\x05"),
    string(b"\x0c"), string(b"\x0c\0\0\0\1"), string(b"\x0c\xff\xff\xff\xff"), string(b"\x0c\0\0\0\0more"),
    string(b"\x0c\0\0\0\1" + string(b"") + string(b"")), string(b"\x0c\0\0\0\1" + string(string(b"")) + string(b"")),
    listed(MINE)[:-1] + b"", listed(MINE)[:40],
]  # fmt: skip


@pytest.mark.parametrize("answer", GARBAGE)
def test_what_does_not_answer_as_an_agent_is_named(answer: bytes) -> None:
    with answering(answer) as agent, pytest.raises(AgentAwayError):
        agent.keys()


@pytest.mark.parametrize("answer", [b"", b"\0\0\0\5", listed(MINE)[:20]])
def test_an_agent_that_is_silent_is_not_waited_for(answer: bytes) -> None:
    with answering(answer, stay=True) as agent, pytest.raises(AgentAwayError, match="did not answer within"):
        agent.keys()


@pytest.mark.parametrize(
    "answer",
    [
        signed(b""), signed(bytes(64)), signed(KEY.sign(b"other")), signed(KEY.sign(b"x"), b"ssh-rsa"),
        signed(KEY.sign(b"x"), more=b"!"), signed(KEY.sign(b"x")[:63]), string(b"\x0c\0\0\0\0"), string(b"\x0e"),
        signed(OTHER.sign(b"x")), *GARBAGE[:5],
    ],
)  # fmt: skip
def test_what_is_no_signature_of_that_key_is_refused(answer: bytes) -> None:
    with answering(answer) as agent, pytest.raises(AgentAwayError):
        agent.sign(MINE, b"x")


def test_exactly_what_is_given_is_asked_to_be_signed() -> None:
    asked: list[bytes] = []

    def answer(question: bytes) -> bytes:
        asked.append(question)
        return signed(KEY.sign(b"x"))

    with answering(answer) as agent:
        assert agent.sign(MINE, b"x") == KEY.sign(b"x")
    assert asked == [b"\x0d" + string(BLOB) + string(b"x") + bytes(4)]


def test_a_security_key_is_refused_with_the_reason_and_is_not_asked() -> None:
    with answering(listed(SK, MINE)) as agent:
        keys = agent.keys()
    assert [str(key).split()[0] for key in keys] == ["sk-ssh-ed25519@openssh.com", "ssh-ed25519"]
    assert chosen(keys, None) == MINE  # of those that can approve, the only one
    with pytest.raises(AgentKeyError, match="signs a counter and flags beside what it is given"):
        SshAgent("/nowhere").sign(chosen(keys, "token"), b"x")
    with pytest.raises(AgentKeyError, match="has no ed25519 key; it has sk-ssh-ed25519"):
        chosen([SK, RSA], None)


@pytest.mark.parametrize(
    "blob", [BLOB[:-1], BLOB + b"\0", string(b"ssh-ed25519"), string(b"ssh-ed25519") + string(b"x")]
)
def test_a_key_that_is_cut_is_no_ed25519_key(blob: bytes) -> None:
    with pytest.raises(AgentKeyError):
        _ = AgentKey(blob, "cut").raw


def test_nothing_that_a_comment_says_reaches_a_terminal_as_it_is() -> None:
    assert "\x1b" not in str(AgentKey(BLOB, "\x1b[2Jmine\n"))


@given(st.binary(max_size=60))
def test_no_bytes_are_read_past_their_end(content: bytes) -> None:
    reader = Reader(content)
    try:
        found = reader.string()
        reader.must_be_over()
    except ValueError:
        return
    assert string(found) == content
