"""A signed envelope as a code: what `approve --print` gives and a form takes. It may be wrapped and indented.

The code proves nothing by itself: its checksum tells a slip of the hand from a signature that does not hold.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from stationmaster.domain import dsse
from stationmaster.domain.entries import canonical
from stationmaster.domain.errors import InputError

_PREFIX = "stm1"  # of what it is written in; another way of writing gets another number
_CHECK = 8  # hex digits


class ApprovalCodeError(InputError):
    """What was given is no whole code of `approve --print`."""

    code = "approval_code"


def code_of(envelope: Mapping[str, Any]) -> str:
    """The one code of a DSSE envelope."""
    content = canonical(dict(envelope))
    return f"{_PREFIX}.{base64.urlsafe_b64encode(content).decode().rstrip('=')}.{_sum(content)}"


def envelope_in(code: str) -> dict[str, Any]:
    """The envelope that a code holds, whatever white space is in it.

    Raises:
        ApprovalCodeError: it is another thing, was cut, or has a letter wrong.
    """
    plain = "".join(code.split())
    prefix, _, rest = plain.partition(".")
    body, _, check = rest.partition(".")
    if prefix != _PREFIX:
        raise ApprovalCodeError("this is no code of `approve --print`", hint=f"it begins with {_PREFIX}.")
    try:
        content = base64.urlsafe_b64decode(body.encode("ascii") + b"=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        content = b""
    if _sum(content) != check:
        raise ApprovalCodeError(
            "the code is not whole, or a letter is wrong", hint="copy all of it, to its last letter"
        )
    return _read(content, plain)


def _read(content: bytes, plain: str) -> dict[str, Any]:
    """The checksum holds, so whoever made it made this."""
    try:
        envelope = json.loads(content)
        dsse.parse(envelope)
        if code_of(envelope) == plain:
            return dict(envelope)
    except (ValueError, TypeError, RecursionError):
        pass
    raise ApprovalCodeError("the code holds no DSSE envelope in its canonical form")


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_CHECK]
