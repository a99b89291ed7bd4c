"""Which words of a toolbox nobody may read, so that a message that quotes one can be told without it."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from stationmaster.domain.masking import Mask

if TYPE_CHECKING:
    from stationmaster.blocks.toolbox import Toolbox

_SHORTEST = 6  # characters; hiding shorter words would make every message unreadable


def mask_of(tools: "Toolbox") -> Mask:
    """Hides every secret that a tool holds, and the passwords inside addresses by themselves."""
    held = [secret for tool in fields(tools) for secret in _secrets(getattr(tools, tool.name))]
    return Mask.of(word for secret in held for word in _words(secret) if len(word) >= _SHORTEST)


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from _secrets(value.model_dump())
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets(inner)


def _words(secret: str) -> Iterator[str]:
    yield secret
    yield from (line for line in secret.splitlines() if line != secret)  # of a key in PEM, each line says enough
    password = _password(secret)
    if password:
        yield password
        yield unquote(password)


def _password(secret: str) -> str | None:
    try:
        return urlsplit(secret).password
    except ValueError:  # no address
        return None
