"""A module of our own environment as a unit of the stack, with nothing of the person's shell in it."""

import os
import sys
from pathlib import Path

from stationmaster.blocks.supervisor import Unit
from stationmaster.deployments.descriptor import Descriptor


def own_unit(stack: Descriptor, name: str, arguments: tuple[str, ...], env: dict[str, str], label: str = "") -> Unit:
    """`python -m ARGUMENTS`, as a client of the stack's Prefect server, its log below the run directory."""
    run = Path(stack.run)
    return Unit(
        name=name,
        argv=(sys.executable, "-m", *arguments),
        env={
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(run / "home"),
            "TMPDIR": str(run / "tmp"),  # a worker takes a folder of one name there, which may be another person's
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            **stack.prefect_environment(),
            **env,
        },
        cwd=str(run),
        log=str(run / "logs" / f"{name}.log"),
        label=label,
    )
