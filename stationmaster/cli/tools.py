"""The toolbox, imported when a command is carried out: `--help` never pays for databases, Slack or git."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stationmaster.blocks.toolbox import Toolbox
    from stationmaster.ledger.store import Ledger


def open_ledger(product: str | None = None) -> "Ledger":
    from stationmaster.blocks import toolbox  # noqa: PLC0415 - what this module is for

    return toolbox.open_ledger(product)


def only_product() -> str:
    from stationmaster.blocks import toolbox  # noqa: PLC0415

    return toolbox.only_product()


def recall(kind: str, product: str) -> Any:  # noqa: ANN401 - one of the tools
    from stationmaster.blocks import toolbox  # noqa: PLC0415

    return toolbox.recall(kind, product)


def remembered(product: str) -> "Toolbox":
    from stationmaster.blocks import toolbox  # noqa: PLC0415

    return toolbox.remembered(product)
