"""Which text a file holds, and which lines of it a change adds. What is no text is told by its bytes, not its name."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

_MARKED = (  # the longer marks first: that of UTF-32 begins as that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_ODD = bytes({*range(32), 127} - {*b"\b\t\n\v\f\r\x1b"})  # what no text is written with
_SPACED = dict.fromkeys(_ODD, " ")
_STRAY = 2  # odd bytes that any text may have
_SHARE = 20  # of so many bytes one may be odd; what is compressed has two


@dataclass(frozen=True)
class Text:
    """The lines of a file, and the numbers from 1 of those that are added."""

    lines: tuple[str, ...]
    added: frozenset[int]


def text_of(raw: bytes, added: frozenset[int]) -> Text | None:
    """A file as UTF-16 or UTF-32 by its mark, else as UTF-8, else as Latin-1; None when it is no text. Control
    characters are blanks. `added` counts line feeds as git does: byte by byte.
    """
    for mark, encoding in _MARKED:
        if raw.startswith(mark) and (wide := _decoded(raw[len(mark) :], encoding)) is not None:
            lines = wide.split("\n")
            return Text(_plain(lines), frozenset(_moved(lines, encoding, added)))
    if len(raw) - len(raw.translate(None, _ODD)) > max(_STRAY, len(raw) // _SHARE):
        return None
    narrow = _decoded(raw, "utf-8-sig")
    return Text(_plain((raw.decode("latin-1") if narrow is None else narrow).split("\n")), added)


def _plain(lines: list[str]) -> tuple[str, ...]:
    return tuple(line.translate(_SPACED) for line in lines)


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _moved(lines: list[str], encoding: str, added: frozenset[int]) -> Iterator[int]:
    """Lines that have bytes of an added one. Other wide characters than a line feed may hold its byte."""
    at = 1
    for number, line in enumerate(lines, start=1):
        last = at + line.encode(encoding).count(b"\n")
        if not added.isdisjoint(range(at, last + 1)):
            yield number
        at = last + 1
