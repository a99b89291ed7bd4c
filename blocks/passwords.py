"""Takes passwords out of what a process said, knowing the environment it was given. It does not guess others."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote, urlsplit

from stationmaster.domain.masking import Mask

_IN_DSN = re.compile(r"\bpassword\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]+)")


def without_passwords(text: str, environment: Mapping[str, str]) -> str:
    """The text with every password hidden that stands in an address or a DSN of the environment."""
    return passwords(environment).text(text)


def passwords(environment: Mapping[str, str]) -> Mask:
    """What hides them, for many texts."""
    words = {word for value in environment.values() for word in _passwords(value)}
    return Mask.of({form for word in words for form in (word, unquote(word))})


def _passwords(value: str) -> set[str]:
    return _in_address(value) | {match.strip("'") for match in _IN_DSN.findall(value)}


def _in_address(value: str) -> set[str]:
    try:
        address = urlsplit(value)
    except ValueError:  # it only looked like one
        return set()
    return {address.password or "", *parse_qs(address.query).get("password", [])}
