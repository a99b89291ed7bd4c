"""`receiver`: the process that code hosts send their webhooks to."""

from stationmaster.cli.output import say


def receiver(*, config: str, host: str = "127.0.0.1", port: int = 8787) -> None:
    """Take the webhooks of merged pull requests into the inbox, until it is ended.

    POST /hooks/NAME for each hook of the file, GET /healthz, GET /openapi.json. A delivery is acknowledged when it is
    on disk. SIGTERM ends it once everything it began to take is answered.

    Parameters
    ----------
    config
        The file with the inbox and the hooks.
    host
        The address to listen on. Where others reach it, put a proxy with TLS before it.
    port
        The port to listen on; 0 takes a free one.
    """
    from stationmaster.deployments.receiving import serve  # noqa: PLC0415 - imports sqlalchemy

    serve(config, host, port, say)
