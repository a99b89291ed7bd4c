"""Who holds a lease, as a process: a name for it, and whether the process behind a name is gone for certain.

Only a process of this very machine, boot and process namespace can be known to be gone; any other may live.
"""

import os
import platform
import re
from pathlib import Path

_NAME = re.compile(r"pid (?P<pid>\d+) since (?P<since>\d+) on (?P<place>\S+)$")


def this_process(what: str) -> str:
    """`what`, and which process does it."""
    return f"{what}, pid {os.getpid()} since {_since(os.getpid())} on {_place()}"


def is_gone(holder: str) -> bool:
    """True only when the process behind the name has certainly ended; a number used again is another process."""
    found = _NAME.search(holder)
    if found is None or found["place"] != _place() or _since(os.getpid()) == 0:
        return False
    return _since(int(found["pid"])) != int(found["since"])


def _place() -> str:
    return f"{platform.node()}/{_read('/proc/sys/kernel/random/boot_id')[:8]}/{_namespace()}"


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    except OSError:
        return "0"


def _since(pid: int) -> int:
    """The process's start in clock ticks since boot; 0 where there is none, or it has ended and waits to be reaped."""
    state, *rest = _read(f"/proc/{pid}/stat").rpartition(")")[2].split() or [""]
    return int(rest[18]) if state not in {"", "Z", "X"} else 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
