"""Which words of a toolbox nobody may read, so that a message that quotes one can be told without it."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, SecretStr

from stationmaster.domain.masking import Mask, is_private
from stationmaster.ledger.store import Ledger

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
    elif isinstance(value, Ledger):  # once it is open nobody has its block any more
        address = value.engine.url.render_as_string(hide_password=False)
        if any(_passwords(address)):  # without one, an error may say where it is
            yield address


def _words(secret: str) -> Iterator[str]:
    yield secret
    yield from (line for line in secret.splitlines() if line != secret)  # of a key in PEM, each line says enough
    yield from _passwords(secret)


def _passwords(secret: str) -> Iterator[str]:
    """Those inside an address, as they stand there and as they are: before the host, or behind a question mark."""
    try:
        address = urlsplit(secret)
        password, asked = address.password, parse_qsl(address.query)
    except ValueError:  # no address
        return
    if password:
        yield from (password, unquote(password))
    yield from (value for name, value in asked if is_private(name))
