"""`evidence bundle`: a release's evidence in one file that others can check."""

from pathlib import Path
from typing import TYPE_CHECKING

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.cli.tools import only_product, remembered
from stationmaster.domain.bundle import absences
from stationmaster.domain.errors import Exit, InputError, OutsideError, nearest
from stationmaster.domain.release import UnknownReleaseError

if TYPE_CHECKING:
    from stationmaster.blocks.bundling import Bundle
    from stationmaster.blocks.toolbox import Toolbox


class NotWritableError(OutsideError):
    """The file cannot be written."""

    code = "not_writable"


def bundle(
    release: str, *, out: Path, tenant: str | None = None, product: str | None = None, json: Flag = False
) -> int:
    """Write what proves a release into a ZIP file: its entries of the ledger with their proofs, approvals,
    attestations, logs without secrets, reports, notes. A release that is under way bundles too, as it is now.

    Parameters
    ----------
    release
        Its name.
    out
        The file. One that is there is replaced, at once and as a whole.
    tenant
        Only what concerns this tenant; no other is named in it.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise InputError("--out must be a file in a folder that exists", file=str(out))
    product = product or only_product()
    tools = remembered(product)
    with tools.ledger:
        made = _made(tools, release, tenant)
    if made.index.product != product:  # another product's ledger is the same, and its key and tenants are not
        raise InputError(f"{release} is a release of {made.index.product}", hint=f"--product {made.index.product}")
    _write(out, made.raw)
    told = _record(made, out)
    answer(told, as_json=json, text=_said(made, out))
    return Exit.YES


def _made(tools: "Toolbox", release: str, tenant: str | None) -> "Bundle":
    from stationmaster.blocks.bundling import make  # noqa: PLC0415 - imports the database

    try:
        return make(tools, release, tenant)
    except UnknownReleaseError as error:
        raise UnknownReleaseError(release, hint=nearest(release, tools.ledger.releases()) or error.hint) from None


def _write(out: Path, raw: bytes) -> None:
    from stationmaster.blocks.durable import draft, settle  # noqa: PLC0415

    try:
        with draft(out.absolute().parent) as file:
            file.write(raw)
            settle(file, out, 0o644)
    except OSError as error:
        raise NotWritableError(
            f"the bundle cannot be written: {error.strerror}", file=str(out), hint="nothing was changed there"
        ) from None


def _record(made: "Bundle", out: Path) -> dict[str, object]:
    from stationmaster.domain.entries import digest  # noqa: PLC0415

    index = made.index
    return {
        "file": str(out), "digest": digest(made.raw), "size": len(made.raw), "release": index.release,
        "product": index.product, "state": index.state, "tenant": index.tenant, "files": len(index.files) + 2,
        "entries": len(index.entries), "hidden": len(index.hidden), "checkpoint": index.checkpoint.model_dump(),
        "absent": [one.model_dump() for one in index.absent],
    }  # fmt: skip


def _said(made: "Bundle", out: Path) -> str:
    index = made.index
    hidden = f", {len(index.hidden)} more of others as hashes alone" if index.tenant else ""
    whole = f"{len(index.files) + 2} files, {len(index.entries)} entries{hidden}"
    lines = [
        f"{out}: {index.release} of {index.product}, {index.state}" + (f", for {index.tenant}" if index.tenant else ""),
        f"{whole}, under a checkpoint of {index.checkpoint.size:,} entries",
        *absences(index),
        f"check it with: stationmaster evidence verify {out} --keys approvers.yaml",
    ]
    return "\n".join(lines)
