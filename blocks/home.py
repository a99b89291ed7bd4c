"""The toolbox's folder on this machine: $STATIONMASTER_HOME, else ~/.stationmaster."""

import os
from pathlib import Path


def home() -> Path:
    """Absolute, so that it stays the same folder wherever a process goes."""
    return Path(os.environ.get("STATIONMASTER_HOME") or "~/.stationmaster").expanduser().absolute()
