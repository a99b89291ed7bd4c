"""Runs a command that is killed when its starter dies: `python -m stationmaster.deployments.leash COMMAND…`.

A fixed prefix for commands that a server starts for us, such as a worker's flow runs; where the starter's id can be
given, `blocks/leash.py` is stricter. SIGKILL, because a flow run whose worker is gone has nobody left to report to.
"""

import os
import sys

from stationmaster.blocks.leash import die_with_parent


def main() -> None:
    parent, command = os.getppid(), sys.argv[1:]
    if not command:
        sys.exit("usage: python -m stationmaster.deployments.leash COMMAND…")
    die_with_parent()
    if os.getppid() != parent:  # it died before the kernel knew of our wish
        os._exit(1)
    os.execvp(command[0], command)  # noqa: S606 - starting a command is what this is for


if __name__ == "__main__":
    main()
