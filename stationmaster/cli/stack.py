"""`up` and `down`."""

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say
from stationmaster.deployments import stack


def up(*, port: int | None = None, json: Flag = False) -> None:
    """Start PostgreSQL, a Prefect server with its UI, a worker and a watchdog; leave them running until `down`.

    What runs already is left alone, so it is safe to repeat. Data of an earlier `up` is kept, and what ran beside it is
    started again: the sandbox comes back with its routes, instances and traffic.

    Parameters
    ----------
    port
        Where the Prefect UI listens on 127.0.0.1. Prefect's own 4200, or any free one, unless given.
    json
        One object on standard output.
    """
    found = stack.bring_up(say, port)
    text = (
        f"Prefect UI  {found.prefect_ui}\nsign in     {found.prefect_auth} (user:password)\n"
        "end it      stationmaster down"
    )
    answer(
        {
            "prefect_ui": found.prefect_ui, "prefect_auth": found.prefect_auth, "run": found.run,
            "receiver": found.receiver,
        },
        as_json=json,
        text=text,
    )  # fmt: skip


def down(*, delete: Flag = False, json: Flag = False) -> None:
    """End every process that `up` or `demo` started. Data stays for the next `up`, which brings all of it back.

    Parameters
    ----------
    delete
        Delete the data too: databases, ledger, artifacts, logs.
    json
        One object on standard output.
    """
    stack.take_down(say, delete=delete)
    answer({"down": True, "deleted": delete}, as_json=json, text="down")
