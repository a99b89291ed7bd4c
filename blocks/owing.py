"""What a product owes from before: hotfixes that the release branch lacks, and emergencies at which nobody else looked.
What is overdue stops the next train; all of it is told with every release until it is done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from stationmaster.blocks import emergencies, merge_backs
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.source import GitRepository
from stationmaster.domain.product import Product
from stationmaster.domain.train import Owed

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger

MAIN = "main"  # where stationmaster.yaml says which branch the trains are cut from


class Books(merge_backs.Books, Protocol):
    """The same, and who may sign."""

    @property
    def signer(self) -> FileSigner: ...


@dataclass(frozen=True)
class Opened:
    """The books as a question has them that needs nothing else of a toolbox."""

    ledger: "Ledger"
    source: GitRepository
    signer: FileSigner
    now: Callable[[], datetime]


def owed(tools: Books, product: Product) -> list[Owed]:
    """What is owed now, the oldest of each kind first."""
    into, now = product.train.branch if product.train else MAIN, tools.now()
    looks = emergencies.emergencies(tools.ledger, tools.signer, product.product)
    return [*merge_backs.owed(tools, product, into), *(one for one in looks if one.owed(now))]


def said(tools: Books, product: Product) -> list[str]:
    """The same in words for people."""
    return [one.said(tools.now()) for one in owed(tools, product)]
