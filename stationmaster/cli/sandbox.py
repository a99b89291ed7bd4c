"""`demo`: the sandbox, releases in it, and what happened."""

from typing import Literal

from stationmaster.cli.options import Flag


def demo(
    *,
    scenario: Literal["good", "broken", "all"] = "all",
    port: int | None = None,
    json: Flag = False,
) -> int:
    """Bring a whole B2B product up on this machine and release its next versions to its tenants, under traffic.

    Nothing leaves the machine. The sandbox stays up until `stationmaster down`; an earlier demo's is replaced.
    Exit code 0: every release ended as its scenario promises.

    Parameters
    ----------
    scenario
        good: a release that goes through. broken: one that breaks its pilots and rolls itself back. all: both.
    port
        Where the Prefect UI listens on 127.0.0.1; 4200 or any free one unless given.
    json
        One object on standard output.
    """
    from stationmaster.cli.scenarios import perform  # noqa: PLC0415 - everything there is, which --help does not need

    return perform(scenario, port, as_json=json)
