"""What of a request, its answer or a log may be stored: secrets and what is named like one are replaced by `***`."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

HIDDEN = "***"
_CODED = 6  # bytes; what shorter secrets look like in base64 or hex may be a part of any text
_PRIVATE = re.compile(r"authorization|cookie|credential|key|password|secret|session|token", re.IGNORECASE)


def is_private(name: str) -> bool:
    """Whether a header, JSON key or captured name says that its value is nobody's business."""
    return _PRIVATE.search(name) is not None


@dataclass(frozen=True)
class Mask:
    """Hides known values wherever they stand, and every value under a private name."""

    words: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Iterable[str]) -> "Mask":
        """Also as they look inside JSON, in an address, in base64 and in hex; the longest first, so that none leaves a
        remainder.
        """
        spellings = {spelled for value in values for spelled in _spellings(value)}
        return cls(tuple(sorted(spellings - {""}, key=lambda word: (-len(word), word))))

    @property
    def longest(self) -> int:
        """Bytes of the longest word; a part of a text that is no shorter may hold a whole one."""
        return max((len(_bytes(word)) for word in self.words), default=0)

    def text(self, text: str) -> str:
        for word in self.words:
            text = text.replace(word, HIDDEN)
        return text

    def bytes(self, content: bytes) -> bytes:
        """The same of bytes that may be no text at all."""
        for word in self.words:
            content = content.replace(_bytes(word), HIDDEN.encode())
        return content

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {name: HIDDEN if is_private(name) else self.text(value) for name, value in headers.items()}

    def json(self, value: Any) -> Any:  # noqa: ANN401 JSON
        """A JSON value with its private leaves hidden, and secrets in its keys, which stay apart all the same."""
        if isinstance(value, dict):
            found: dict[str, Any] = {}
            for key, inner in value.items():
                name = self.text(key)
                while name in found:
                    name += HIDDEN
                found[name] = HIDDEN if is_private(key) else self.json(inner)
            return found
        if isinstance(value, list):
            return [self.json(inner) for inner in value]
        # A secret of digits may come back as a number.
        hidden = self.text(value if isinstance(value, str) else json.dumps(value))
        return hidden if isinstance(value, str) or hidden != json.dumps(value) else value


def _spellings(value: str) -> Iterator[str]:
    yield from (value, json.dumps(value)[1:-1], quote(value, safe=""))
    raw = _bytes(value)
    if len(raw) >= _CODED:
        yield from (raw.hex(), raw.hex().upper())
        yield from _in_base64(raw)


def _in_base64(raw: bytes) -> Iterator[str]:
    """What every base64 text that holds the bytes has in it, wherever they begin: three bytes become four characters,
    and the first and last of them may have bits of what stands beside the bytes.
    """
    for before in range(3):
        first, last = -(-8 * before // 6), 8 * (before + len(raw)) // 6
        padded = bytes(before) + raw + bytes(2)
        yield from {encode(padded)[first:last].decode() for encode in (base64.b64encode, base64.urlsafe_b64encode)}


def _bytes(word: str) -> bytes:
    return word.encode(errors="surrogatepass")
