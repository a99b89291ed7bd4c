"""The tools of one product, loaded by name: the only place that does.

A block is loaded from the Prefect server when it answers, else from the last good copy under the home folder.
Questions of the command line (`remembered`) read the copies alone and never import prefect.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from stationmaster.blocks import copies
from stationmaster.blocks.artifact_store import DirectoryStore
from stationmaster.blocks.chat import SlackChat
from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.database import ProductDatabase
from stationmaster.blocks.deploy_target import SandboxTarget
from stationmaster.blocks.flag_store import FileFlags
from stationmaster.blocks.home import home
from stationmaster.blocks.metrics import HAProxyMetrics
from stationmaster.blocks.settings import LedgerDatabase, ProductSecrets
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.source import GitRepository
from stationmaster.blocks.tenant_directory import YamlDirectory
from stationmaster.blocks.tenant_http import HttpDirectory
from stationmaster.blocks.tenant_sql import SqlDirectory
from stationmaster.domain.errors import InputError, OutsideError, StationmasterError, nearest
from stationmaster.ledger.store import Ledger

_log = logging.getLogger("stationmaster.toolbox")

TOOLS: dict[str, type[BaseModel]] = {
    "source": GitRepository,
    "ledger": LedgerDatabase,
    "artifacts": DirectoryStore,
    "target": SandboxTarget,
    "database": ProductDatabase,
    "metrics": HAProxyMetrics,
    "chat": SlackChat,
    "signer": FileSigner,
    "tenants": YamlDirectory,
    "flags": FileFlags,
    "secrets": ProductSecrets,
}
OPTIONAL: dict[str, type[BaseModel]] = {"code-host": CodeHost}  # no release needs them; a product may have none
# A product has one block of these types, whichever. A copy that names no type is of the first.
EITHER: dict[str, tuple[str, ...]] = {"tenants": ("tenants", "tenants-sql", "tenants-http")}
ALTERNATIVES: dict[str, type[BaseModel]] = {"tenants-sql": SqlDirectory, "tenants-http": HttpDirectory}
KINDS = TOOLS | OPTIONAL | ALTERNATIVES  # every block type

TenantDirectory = YamlDirectory | SqlDirectory | HttpDirectory


class BlockMissingError(InputError):
    """No block of that kind has the product's name."""

    code = "block_missing"


class BlockInvalidError(InputError):
    """A block's fields are not what its tool needs."""

    code = "block_invalid"


class BlockAmbiguousError(InputError):
    """A product has several blocks where it may have one."""

    code = "block_ambiguous"


class PrefectAwayError(OutsideError):
    """The Prefect server does not answer."""

    code = "prefect_away"


@dataclass(frozen=True)
class Toolbox:
    """Everything a task may touch outside itself, the clock included."""

    ledger: Ledger
    source: GitRepository
    artifacts: DirectoryStore
    target: SandboxTarget
    database: ProductDatabase
    metrics: HAProxyMetrics
    chat: SlackChat
    signer: FileSigner
    tenants: TenantDirectory
    flags: FileFlags
    secrets: ProductSecrets
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    work: Path  # exports and logs, a folder per release

    @property
    def evidence(self) -> DirectoryStore:
        """Attestations, logs, reports and scans by digest, beside the artifacts."""
        return self.artifacts.beside("evidence")


def load(product: str) -> Toolbox:
    """The tools of a product from the Prefect server, or from their last good copies when it is away.

    Raises:
        BlockMissingError: the server knows no such block.
        BlockInvalidError: a block lacks a field, or has one of the wrong kind.
        BlockAmbiguousError: the server knows several that say where the tenants are.
        PrefectAwayError: the server does not answer and there is no copy.
    """
    try:
        return assemble({kind: _from_server(kind, product) for kind in TOOLS})
    except PrefectAwayError as away:  # asked once, not for each block: every question may take its whole time limit
        try:
            tools = remembered(product)
        except BlockMissingError as missing:
            raise PrefectAwayError(f"{away.message}, and there is {missing.message}", hint=missing.hint) from away
        _log.warning("%s: using the copies of the blocks, %.0f s old", away.message, age("ledger", product))
        return tools


def optional(kind: str, product: str) -> Any:  # noqa: ANN401 - one of OPTIONAL
    """A tool that a product may have, from the Prefect server, or its last good copy when that is away.

    Raises:
        BlockMissingError, BlockInvalidError, CopyDamagedError: it has none, or one that cannot be used.
        PrefectAwayError: the server does not answer and there is no copy.
    """
    try:
        return _from_server(kind, product)
    except PrefectAwayError as away:
        with contextlib.suppress(BlockMissingError):
            return recall(kind, product)
        raise away from None


def remembered(product: str) -> Toolbox:
    """The tools of a product from their last good copies alone."""
    return assemble({kind: recall(kind, product) for kind in TOOLS})


def assemble(tools: dict[str, Any]) -> Toolbox:
    """A toolbox of these tools, with the real clock."""
    others = {kind: tool for kind, tool in tools.items() if kind != "ledger"}
    ledger = tools["ledger"].open()
    return Toolbox(ledger=ledger, **others, now=lambda: datetime.now(UTC), sleep=time.sleep, work=home() / "work")


def open_ledger(product: str | None = None) -> Ledger:
    """The ledger alone: $STATIONMASTER_LEDGER, else the copy of the product's (or the only product's) block."""
    if url := os.environ.get("STATIONMASTER_LEDGER"):
        return Ledger.open(url)
    tool = recall("ledger", product or only_product())
    assert isinstance(tool, LedgerDatabase)  # noqa: S101 - recall answers the kind that was asked for
    return tool.open()


def only_product() -> str:
    """The product whose blocks were copied here, when there is exactly one."""
    known = sorted(path.stem for path in (home() / "blocks" / "ledger").glob("*.json"))
    if len(known) == 1:
        return known[0]
    if not known:
        raise InputError("no product is known here", hint="`stationmaster demo`, or `stationmaster up` and its blocks")
    raise InputError(f"several products are known here: {', '.join(known)}", hint="name one with --product")


def block_type(kind: str, tool: BaseModel) -> str:
    """Which of the block types of a kind a tool has, without `stationmaster-`."""
    return next((one for one in EITHER.get(kind, ()) if isinstance(tool, KINDS[one])), kind)


def remember(kind: str, product: str, tool: BaseModel) -> None:
    """Keep a tool's last good copy, readable by its owner alone."""
    block = block_type(kind, tool)
    copies.write(KINDS[block], _copy(kind, product), tool, block if block != kind else None)


def recall(kind: str, product: str) -> Any:  # noqa: ANN401 - one of KINDS
    """A tool from its last good copy.

    Raises:
        BlockMissingError: there is none, with the nearest product that has one.
        CopyDamagedError: it cannot be read.
    """
    path = _copy(kind, product)
    block = copies.block_of(path) or kind
    if block not in KINDS:
        raise copies.CopyDamagedError(
            f"a block's copy is of type {block!r}, which this version does not know",
            file=str(path),
            hint="a newer version wrote it: upgrade stationmaster",
        )
    try:
        return copies.read(KINDS[block], path)
    except FileNotFoundError:
        known = [other.stem for other in path.parent.glob("*.json")]
        raise BlockMissingError(
            f"no copy of the {kind} block of product {product!r} in {path.parent}",
            hint=nearest(product, known) or "`stationmaster up` leaves one, and so does the first release",
        ) from None


def age(kind: str, product: str) -> float:
    """Seconds since a copy was made."""
    return time.time() - _copy(kind, product).stat().st_mtime


def _from_server(kind: str, product: str) -> Any:  # noqa: ANN401 - one of KINDS
    """The one block of that kind, and a copy of it kept."""
    blocks, found = EITHER.get(kind, (kind,)), dict[str, Any]()
    for block in blocks:
        with contextlib.suppress(BlockMissingError):
            found[block] = _loaded(block, product)
    if not found:
        names = " or ".join(f"stationmaster-{block}" for block in blocks)
        raise BlockMissingError(
            f"the Prefect server has no block {names} named {product!r}",
            hint="create it in the UI under Blocks, or run `stationmaster up`",
        )
    if len(found) > 1:
        names = " and ".join(f"stationmaster-{block}" for block in found)
        raise BlockAmbiguousError(
            f"the Prefect server has {names} named {product!r}; a product has one of them",
            hint="delete the others in the UI under Blocks",
        )
    (tool,) = found.values()
    with contextlib.suppress(OSError):  # a full disk must not stop a release here
        remember(kind, product, tool)
    return tool


def _loaded(kind: str, product: str) -> Any:  # noqa: ANN401 - as above
    from stationmaster.blocks.collection import BLOCKS  # noqa: PLC0415 - prefect costs 3 s; questions never pay them

    try:
        block: Any = BLOCKS[kind].load(product)
    except Exception as error:  # noqa: BLE001 - whatever keeps the server from answering, the last good copy will do
        raise _why(kind, product, error) from None
    return KINDS[kind].model_validate({name: getattr(block, name) for name in KINDS[kind].model_fields})


def _why(kind: str, product: str, error: Exception) -> StationmasterError:
    """Prefect's error under our name. Its cause tells the kinds apart; its text may repeat a block's values."""
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415 - as above

    block = f"block stationmaster-{kind} named {product!r}"
    if isinstance(error.__cause__, ObjectNotFound):
        return BlockMissingError(f"the Prefect server has no {block}")
    if isinstance(error.__cause__, ValidationError):
        return BlockInvalidError(
            f"the {block} is not valid: {copies.wrong_fields(error.__cause__)}", hint="mend it in the UI"
        )
    return PrefectAwayError(f"the Prefect server does not answer ({type(error).__name__})", hint="stationmaster doctor")


def _copy(kind: str, product: str) -> Path:
    return home() / "blocks" / kind / f"{product}.json"
