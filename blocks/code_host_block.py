"""The code host as a Prefect block, so that the UI can show and edit it. It imports prefect."""

from typing import ClassVar

from prefect.blocks.core import Block

from stationmaster.blocks.code_host import CodeHost


class CodeHostBlock(CodeHost, Block):
    __doc__ = CodeHost.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster code host"
    _block_type_slug: ClassVar[str] = "stationmaster-code-host"
