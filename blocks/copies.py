"""A tool in a file, with its secrets, for the time when the Prefect server is away. Which file is `toolbox.py`'s."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from stationmaster.blocks import durable
from stationmaster.domain.errors import OutsideError

M = TypeVar("M", bound=BaseModel)

_BLOCK = "block type"  # no tool has a field of that name


class CopyDamagedError(OutsideError):
    """The last good copy of a block cannot be read."""

    code = "copy_damaged"


def write(model: type[M], path: Path, tool: BaseModel, block: str | None = None) -> None:
    """Keep the fields that `model` has, readable by the owner alone. `block` is which of several block types it is."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fields = {name: getattr(tool, name) for name in model.model_fields}
    marked = {_BLOCK: block, **fields} if block else fields
    durable.write(path, json.dumps(marked, default=_plain), mode=0o600)


def block_of(path: Path) -> str | None:
    """What `write` was told as `block`; None where it was told nothing, or where no copy can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return str(found[_BLOCK]) if isinstance(found, dict) and _BLOCK in found else None


def read(model: type[M], path: Path) -> M:
    """The tool.

    Raises:
        FileNotFoundError: there is no copy.
        CopyDamagedError: it cannot be read, or is not this tool.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CopyDamagedError(f"a block's copy cannot be read: {error.strerror}", file=str(path)) from None
    except ValidationError as error:
        raise CopyDamagedError(
            f"a block's copy is damaged: {wrong_fields(error)}",
            file=str(path),
            hint="the next release that reaches the Prefect server writes it anew, and so does `stationmaster up`",
        ) from None


def wrong_fields(error: ValidationError) -> str:
    """What is wrong with each field, without what stands in it."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(str(part) for part in one['loc']) or 'content'}: {one['msg']}" for one in found)


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    raise TypeError(f"a block field of type {type(value).__name__} cannot be copied")
