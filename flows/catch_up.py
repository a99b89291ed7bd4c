"""Catch-up: a host does not send a webhook again, so it is asked what was merged since it was last asked."""

from datetime import UTC, datetime

from prefect import flow, get_run_logger

from stationmaster.blocks.catching_up import Reconciler
from stationmaster.blocks.hook_hosts import host_of
from stationmaster.blocks.hooks import read_receiver
from stationmaster.domain.catch_up import CatchUpRequest
from stationmaster.ledger.inbox import Inbox


@flow(name="catch-up", retries=0)
def catch_up(request: CatchUpRequest) -> None:
    """Put what was merged and not told into the inbox.

    Args:
        request: Which file names the hooks. Asking twice for the same harms nothing.
    """
    receiver, log = read_receiver(request.config).value, get_run_logger()
    with Inbox.open(receiver.inbox.get_secret_value()) as inbox:
        hosts = Reconciler(inbox, receiver.hooks, host_of, lambda: datetime.now(UTC))
        failed = []
        for caught in hosts.catch_up(request.since):
            log.info("%s", caught)
            failed += [caught.error] if caught.error else []
    if failed:
        raise failed[0]
