"""Which code host a hook's deliveries come from: the block of the hook's name, else of its product's.

Mirrors of one product have a hook and a block each. When the Prefect server is away, the last good copy does.
"""

import contextlib
from pathlib import Path

from pydantic import ValidationError

from stationmaster.blocks import copies
from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.home import home
from stationmaster.blocks.toolbox import BlockInvalidError, BlockMissingError, PrefectAwayError
from stationmaster.domain.hooks import Hook


def host_of(name: str, hook: Hook) -> CodeHost:
    """The code host of the hook of that name.

    Raises:
        BlockMissingError: neither block is there.
        BlockInvalidError: it lacks a field, or is for a host of another kind than the hook.
        PrefectAwayError: the server does not answer and there is no copy.
    """
    found = _load(name) or _load(hook.product)
    if found is None:
        raise BlockMissingError(
            f"the Prefect server has no block stationmaster-code-host named {name!r} or {hook.product!r}",
            hint="create it in the UI under Blocks, so that the host can be asked what was merged",
        )
    if found.host != hook.host:
        raise BlockInvalidError(
            f"the block stationmaster-code-host of hook {name} is for {found.host}, and the hook for {hook.host}",
            hint=f"create a block stationmaster-code-host named {name!r}",
        )
    return found


def _load(name: str) -> CodeHost | None:
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415 - prefect costs 3 s; help never pays them

    from stationmaster.blocks.code_host_block import CodeHostBlock  # noqa: PLC0415 - as above

    try:
        block = CodeHostBlock.load(name)
    except Exception as error:  # noqa: BLE001 - whatever keeps the server from answering, the last good copy will do
        if isinstance(error.__cause__, ObjectNotFound):
            return None
        if isinstance(error.__cause__, ValidationError):
            wrong = copies.wrong_fields(error.__cause__)
            raise BlockInvalidError(
                f"the block stationmaster-code-host named {name!r} is not valid: {wrong}", hint="mend it in the UI"
            ) from None
        return _copied(name, error)
    assert isinstance(block, CodeHost)  # noqa: S101 - no loop runs here, so no coroutine
    found = CodeHost.model_validate({field: getattr(block, field) for field in CodeHost.model_fields})
    with contextlib.suppress(OSError):  # a full disk must not stop us here
        copies.write(CodeHost, _copy(name), found)
    return found


def _copied(name: str, error: Exception) -> CodeHost:
    try:
        return copies.read(CodeHost, _copy(name))
    except FileNotFoundError:
        raise PrefectAwayError(
            f"the Prefect server does not answer ({type(error).__name__}), and there is no copy of the block "
            f"stationmaster-code-host named {name!r}",
            hint="stationmaster doctor",
        ) from None


def _copy(name: str) -> Path:
    return home() / "blocks" / "code-host" / f"{name}.json"
