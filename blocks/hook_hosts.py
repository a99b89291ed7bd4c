"""Which code host a hook's deliveries come from: the block of the hook's name, else of its product's.

Mirrors of one product have a hook and a block each. When the Prefect server is away, the last good copy does.
"""

from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.toolbox import BlockInvalidError, BlockMissingError, optional
from stationmaster.domain.hooks import Hook


def host_of(name: str, hook: Hook) -> CodeHost:
    """The code host of the hook of that name.

    Raises:
        BlockMissingError: neither block is there.
        BlockInvalidError: it lacks a field, or is for a host of another kind than the hook.
        PrefectAwayError: the server does not answer and there is no copy.
    """
    found = _named(name) or _named(hook.product)
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


def _named(name: str) -> CodeHost | None:
    try:
        found: CodeHost = optional("code-host", name)
    except BlockMissingError:
        return None
    return found
