"""What of a request and its answer may be stored: secrets and whatever is named like one are replaced by `***`."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

HIDDEN = "***"
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
        """Also as they look inside JSON and in an address; the longest first, so that none leaves a remainder."""
        spellings = {spelled for value in values for spelled in (value, json.dumps(value)[1:-1], quote(value, safe=""))}
        return cls(tuple(sorted(spellings - {""}, key=lambda word: (-len(word), word))))

    def text(self, text: str) -> str:
        for word in self.words:
            text = text.replace(word, HIDDEN)
        return text

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {name: HIDDEN if is_private(name) else self.text(value) for name, value in headers.items()}

    def json(self, value: Any) -> Any:  # noqa: ANN401 JSON
        """A JSON value with its private leaves hidden."""
        if isinstance(value, dict):
            return {key: HIDDEN if is_private(key) else self.json(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.json(inner) for inner in value]
        # A secret of digits may come back as a number.
        hidden = self.text(value if isinstance(value, str) else json.dumps(value))
        return hidden if isinstance(value, str) or hidden != json.dumps(value) else value
