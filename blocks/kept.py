"""Keeps what a process printed among the evidence, by digest and without secrets. The log itself stays where it is."""

from pathlib import Path
from typing import TYPE_CHECKING

from stationmaster.blocks.printed import read_printed
from stationmaster.blocks.secrecy import mask_of
from stationmaster.domain.printed import Printed

if TYPE_CHECKING:
    from stationmaster.blocks.toolbox import Toolbox


def keep_printed(tools: "Toolbox", printed: Printed) -> str:
    """Digest of the masked bytes, kept in `tools.evidence`; keeping the same again changes nothing."""
    return tools.evidence.keep(printed.masked(mask_of(tools)))


def keep_log(tools: "Toolbox", log: Path) -> str:
    """The same of a whole log file."""
    return keep_printed(tools, read_printed(log))
