"""`watchdog`: the process beside the worker that starts again what died and wakes what waits."""

import json as encoder

from stationmaster.cli.options import Flag


def watchdog(*, once: Flag = False, json: Flag = False) -> None:
    """Start releases again whose process died, wake those whose wait is over, hold waves that nobody watches.

    It goes on until it is ended, and says one line for each thing it did and why. `stationmaster up` runs one.

    Parameters
    ----------
    once
        Look once and end.
    json
        One object a line.
    """
    from stationmaster.deployments.watchdog import here, run  # noqa: PLC0415 - imports prefect and sqlalchemy

    run(here(), lambda done: print(encoder.dumps(done.record()) if json else done, flush=True), once=once)
