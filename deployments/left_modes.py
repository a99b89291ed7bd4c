"""Serves in full again whom a release left in a mode whose process died. It needs no Prefect, and no next leg."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from stationmaster.blocks.modes import set_back
from stationmaster.blocks.supervisor import Fence
from stationmaster.blocks.workers import take_over, worker_of
from stationmaster.deployments.open_releases import OpenReleases
from stationmaster.domain.interruption import in_mode
from stationmaster.ledger.leases import LeaseHeldError

if TYPE_CHECKING:
    from stationmaster.blocks.deploy_target import SandboxTarget

WHY = "whoever limited it died"


def end_left(
    books: OpenReleases, at: datetime, target: "Callable[[str], SandboxTarget]"
) -> Iterator[tuple[str, list[str]]]:
    """Each release that had left tenants in a mode, with those that are served in full now. Under a lease of our own,
    so that nobody who was silent for long limits them again.

    Raises:
        StationmasterError: the deploy target does not answer.
    """
    for release in sorted({entry.release for entry in in_mode(books.modes).values()}):
        on = in_mode(books.modes, release)
        if worker_of(books.ledger, release, at).alive:
            continue
        with suppress(LeaseHeldError):  # somebody came to work on it meanwhile
            lease = take_over(books.ledger, release, "watchdog", at)
            try:
                product = str(next(iter(on.values())).fact["product"])
                fence = Fence(release=release, epoch=lease.epoch)
                set_back(target(product), books.ledger, on, why=WHY, at=at, fence=fence, lease=lease)
            finally:
                books.ledger.give_back(lease)
            yield release, sorted(on)
