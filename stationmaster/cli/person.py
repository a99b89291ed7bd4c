"""Who types: the name under which an act is recorded."""

import getpass
import os
import subprocess
from datetime import UTC, datetime


def whoami() -> str:
    """$STATIONMASTER_USER, else git's user.email, else the system's user."""
    if name := os.environ.get("STATIONMASTER_USER"):
        return name
    try:
        asked = subprocess.run(["git", "config", "user.email"], capture_output=True, text=True, timeout=5, check=False)
    except OSError:
        return getpass.getuser()
    return asked.stdout.strip() or getpass.getuser()


def now() -> datetime:
    """The instant at which the person acts."""
    return datetime.now(UTC)
