"""Hands on what a guest says while it works: the lines of its log that begin with `> `, not what products print."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_EVERY = 0.1  # seconds
_SAID = "> "


@contextmanager
def following(log: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """For as long as the block lasts, and then what is still to be told."""
    over = threading.Event()
    thread = threading.Thread(target=_follow, args=(log, tell, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _follow(log: Path, tell: Callable[[str], None], over: threading.Event) -> None:
    at = 0
    while True:
        last = over.wait(_EVERY)
        if log.exists():
            with log.open("rb") as file:
                file.seek(at)
                whole, _, _ = file.read().rpartition(b"\n")
            at += len(whole) + 1 if whole else 0
            for line in whole.decode(errors="replace").splitlines():
                if line.startswith(_SAID):
                    tell(line.removeprefix(_SAID))
        if last:
            return
