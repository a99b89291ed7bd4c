"""A code survives what terminals, mails and forms do to it, and nothing else is one."""

import base64
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.approval_code import ApprovalCodeError, code_of, envelope_in
from stationmaster.domain.approval_statement import PAYLOAD_TYPE
from stationmaster.domain.entries import canonical

ENVELOPE = {
    "payload": base64.b64encode(b'{"a":"\xc3\xa4"}').decode(), "payloadType": PAYLOAD_TYPE,
    "signatures": [{"keyid": "k" * 64, "sig": base64.b64encode(bytes(64)).decode()}],
}  # fmt: skip
CODE = code_of(ENVELOPE)


def test_it_comes_back_as_it_was() -> None:
    assert envelope_in(CODE) == ENVELOPE
    assert CODE.startswith("stm1.")
    assert not set("+/= \n") & set(CODE)


@given(st.integers(5, 80), st.sampled_from([" ", "\n", "\r\n  ", "\t"]))
def test_it_may_be_wrapped_anywhere(width: int, between: str) -> None:
    assert envelope_in(f"\n {between.join(textwrap.wrap(CODE, width))} ") == ENVELOPE


@given(st.integers(0, len(CODE) - 1), st.sampled_from("abcXYZ019-_."))
def test_one_wrong_letter_is_seen(at: int, letter: str) -> None:
    changed = CODE[:at] + letter + CODE[at + 1 :]
    if changed != CODE:
        with pytest.raises(ApprovalCodeError):
            envelope_in(changed)


@pytest.mark.parametrize("length", [0, 1, 5, 40, len(CODE) - 1])
def test_a_code_that_was_cut_is_seen(length: int) -> None:
    with pytest.raises(ApprovalCodeError):
        envelope_in(CODE[:length])


@pytest.mark.parametrize(
    "text", ["", "hello", "stm1", "stm1..", "stm2." + CODE[5:], CODE + "x", CODE + CODE, "stm1.\u0661."]
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(ApprovalCodeError):
        envelope_in(text)


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b'{"payload": 1}', b"\xff", b"null", b"[" * 5000, canonical(ENVELOPE) + b" "]
)
def test_a_right_checksum_does_not_make_an_envelope(content: bytes) -> None:
    from stationmaster.domain.approval_code import _sum  # noqa: PLC0415 - as whoever forges one would

    body = base64.urlsafe_b64encode(content).decode().rstrip("=")
    with pytest.raises(ApprovalCodeError, match="holds no DSSE envelope"):
        envelope_in(f"stm1.{body}.{_sum(content)}")
