"""Whether a text names a tenant other than the one it is for, and logs without the lines that do.

A word is looked for in every usual spelling, whatever its case and width and however its lines are broken, also
percent-encoded and inside base64. The longest word at a place counts, so that `acme` is not found in its neighbour's
`acme-two`. Rather too much is found than too little: what is found is left out. A short word inside a longer one is not
found, as `acme` in `acmedb`.
"""

import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, unquote

from stationmaster.domain.tenants import Tenant

_LONG = 6  # from here on a word is found inside others too: chance does not write it
_SHORT = 3  # from here on a digit ends a short word, in a run of letters and digits of at most _RUN: keys are longer
_RUN = 16
_HEX = re.compile(r"[0-9a-f]+")  # digests are full of these
_LENGTHS = (3, 2, 1)  # beginnings by which words are looked up
_URLSAFE = str.maketrans("-_", "+/")
_LEAST = 8  # characters of base64
_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{_LEAST},}}")
_PRINTED = re.compile(r"[^\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd]{12,}")  # as no key says by chance
_BROKEN = re.compile(r"\\+(?:[nrt]|u00a0)")  # white space in JSON
_DEEP = 3  # base64 in base64 in base64


@dataclass(frozen=True)
class Others:
    """Words of all tenants but one."""

    own: frozenset[str]
    words: frozenset[str]

    @classmethod
    def of(cls, tenant: str, directory: Iterable[Tenant], seen: Iterable[str]) -> "Others":
        """`seen` are ids of every tenant that the ledger ever told of, whether the directory has it still or not."""
        own, words = {tenant}, set(seen)
        for one in directory:
            (own if one.id == tenant else words).update(words_of(one))
        return cls(frozenset(own), frozenset(words - own))

    def named_in(self, content: bytes) -> bool:
        """Whether another tenant is named."""
        return self.word_in(content) is not None

    def word_in(self, content: bytes) -> str | None:
        """The word of another that is found first, as it is looked for."""
        return self._found(content.decode("utf-8", "replace"), _DEEP) if self.words else None

    def cut(self, log: bytes) -> tuple[bytes, int]:
        """The log without the lines that name another, alone or together, and how many those were."""
        lines = log.splitlines(keepends=True)
        kept, size = [line for line in lines if not self.named_in(line)], 2
        while kept and self.named_in(b"".join(kept)):
            kept, size = self._apart(kept, size), size * 3 // 2
        return b"".join(kept), len(lines) - len(kept)

    def _apart(self, lines: list[bytes], size: int) -> list[bytes]:
        """Without so many lines in a row that name another together; each half of so many is looked at twice."""
        starts = (at for at in range(0, len(lines), size // 2) if self.named_in(b"".join(lines[at : at + size])))
        gone = {line for at in starts for line in range(at, at + size)}
        return [line for at, line in enumerate(lines) if at not in gone]

    def _found(self, given: str, deep: int) -> str | None:
        text = unicodedata.normalize("NFKC", given)
        if (word := self._in(_folded(text))) is not None:
            return word
        inner = (self._found(hidden, deep - 1) for hidden in _decoded(text)) if deep else iter(())
        return next((word for word in inner if word is not None), None)

    def _in(self, text: str) -> str | None:
        """The first word of another. A dictionary of beginnings, since a thousand tenants have thousands of words."""
        at, beginnings = 0, self._beginnings
        while at < len(text):
            listed = (word for length in _LENGTHS for word in beginnings.get(text[at : at + length], ()))
            longest = next((one for one in listed if text.startswith(one, at) and _stands(one, text, at)), None)
            if longest is not None and longest not in self._own:
                return longest
            at += len(longest or " ")
        return None

    @cached_property
    def _own(self) -> frozenset[str]:
        return frozenset(spelled for word in self.own for spelled in _spellings(word))

    @cached_property
    def _beginnings(self) -> dict[str, list[str]]:
        """Beginning of a spelling to the spellings, the longest first."""
        found: dict[str, list[str]] = {}
        spelled = {one for word in self.words for one in _spellings(word)} | self._own
        for word in sorted(spelled, key=lambda one: (-len(one), one)):
            found.setdefault(word[: _LENGTHS[0]], []).append(word)
        return found


def words_of(tenant: Tenant) -> set[str]:
    """What names a tenant: id (a dedicated one's instance has it too), name, sites, contacts and their hosts."""
    addresses = {*tenant.contacts.values(), *(tenant.approval.contacts if tenant.approval else ())}
    hosts = {address.partition("@")[2] for address in addresses}
    return {tenant.id, tenant.name, *tenant.sites, *addresses, *hosts} - {""}


def _spellings(word: str) -> set[str]:
    """As it stands in plain text, JSON, an address and HTML."""
    plain = unicodedata.normalize("NFKC", word)
    return {_folded(one) for one in (plain, json.dumps(plain)[1:-1], quote(plain, safe=""), html.escape(plain))} - {""}


def _folded(text: str) -> str:
    """As words are compared: in one case, with one space where there is any white space."""
    return " ".join(text.casefold().split())


def _stands(word: str, text: str, at: int) -> bool:
    """Whether a word found there is meant: a short one, or one of hexadecimal digits, only when it stands alone."""
    if len(word) >= _LONG and not _HEX.fullmatch(word):
        return True
    end = at + len(word)
    before, after = text[at - 1 : at] if at else "", text[end : end + 1]
    if not (before.isalnum() or after.isalnum()):
        return True
    glued = (before.isalnum() and not _ends(word[0], before)) or (after.isalnum() and not _ends(word[-1], after))
    return not glued and len(word) >= _SHORT and not _HEX.fullmatch(word) and _run(text, at, end) <= _RUN


def _ends(edge: str, beside: str) -> bool:
    """Whether a digit beside a word ends it: not that of a number which goes on."""
    return beside.isdigit() and not edge.isdigit()


def _run(text: str, at: int, end: int) -> int:
    """How many letters and digits there are in a row around a place, as far as that matters."""
    while at and text[at - 1].isalnum() and end - at <= _RUN:
        at -= 1
    while text[end : end + 1].isalnum() and end - at <= _RUN:
        end += 1
    return end - at


def _decoded(text: str) -> Iterator[str]:
    """What is percent-encoded in it, what has its lines broken as JSON does it, and what any base64 says. Keys and
    signatures say nothing: they are no text but by chance.
    """
    yield from sorted({unquote(text), _BROKEN.sub(" ", text)} - {text})
    for match in _BASE64.finditer(text):
        run = match[0].translate(_URLSAFE)
        whole = _text(run)
        yield from _parts(run) if whole is None else (whole,)


def _text(run: str) -> str | None:
    try:
        return base64.b64decode(run + "=" * (-len(run) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None  # no base64, or no text


def _parts(run: str) -> Iterator[str]:
    """What base64 says that has a path in front: between slashes, or in long text from any of its four offsets."""
    parts = (part for part in run.split("/") if _LEAST <= len(part) < len(run))
    yield from (said for said in map(_text, parts) if said is not None)
    for offset in range(4 if len(run) > _RUN else 0):
        rest = run[offset : len(run) - (len(run) - offset) % 4]
        yield from _PRINTED.findall(base64.b64decode(rest).decode("utf-8", "replace"))
