"""Runs the receiver under uvicorn, on a socket of its own, until SIGTERM or SIGINT."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime

import uvicorn

from stationmaster.blocks.hooks import read_receiver, secrets_of, slack_secrets_of
from stationmaster.deployments.channels import Channels
from stationmaster.deployments.consents import ConsentDesk
from stationmaster.deployments.receiver import create_app
from stationmaster.domain.errors import OutsideError
from stationmaster.ledger.inbox import Inbox

_DRAIN = 10  # seconds for what was begun, once it is told to end
_BACKLOG = 2_048  # connections that wait for the server
_TOGETHER = 2_000  # connections; more are answered 503


class AddressUnusableError(OutsideError):
    """The receiver cannot listen where it should."""

    code = "address_unusable"


def serve(config: str, host: str, port: int, say: Callable[[str], None]) -> None:
    """Returns when it was ended. Says where it listens as soon as it does.

    Raises:
        InputError: the file is wrong, or a secret is not where it says.
        AddressUnusableError: the address is taken, or not this machine's.
        LedgerUnreachableError: the inbox does not answer.
    """
    receiver = read_receiver(config)
    secrets = secrets_of(receiver)
    consents = receiver.value.consents
    more = ConsentDesk(consents, lambda: datetime.now(UTC)).routes() if consents else []
    channels = Channels(receiver.value.slack, slack_secrets_of(receiver))
    with _listening(host, port) as listener, Inbox.open(receiver.value.inbox.get_secret_value()) as inbox:
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(receiver.value.hooks, secrets, inbox, channels=channels, more=more),
                lifespan="on",
                log_level="warning",
                access_log=False,
                server_header=False,
                limit_concurrency=_TOGETHER,
                timeout_graceful_shutdown=_DRAIN,
            )
        )
        address = listener.getsockname()
        say(f"listening on http://{f'[{address[0]}]' if ':' in address[0] else address[0]}:{address[1]}")
        server.run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    """Listening from here on: what comes before the server is ready waits in the backlog. The protocol is named, since
    asyncio switches Nagle's algorithm off only where it is, and each answer would wait 40 ms for the sender's kernel.
    """
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        raise AddressUnusableError(
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}",
            hint="choose another with --host and --port; --port 0 takes a free one",
        ) from None
    return listener
