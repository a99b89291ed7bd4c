"""Why a run stands still, shared by its workers: what its caller says, what gauges say, and a rate. Each is asked about
once a second, by whichever worker comes first.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from stationmaster.blocks.backfill_asked import Options
from stationmaster.domain.backfill_pace import Rate

_EVERY = 1.0  # seconds
Why = Callable[[], str | None]


@dataclass
class Brake:
    """`why` are asked in turn; the first reason counts."""

    options: Options
    why: tuple[Why, ...]
    rate: Rate
    held: str | None = None
    refused: dict[str, str] = field(default_factory=dict)  # tenants that must not be touched in this run, and why
    lock: threading.Lock = field(default_factory=threading.Lock)
    _asked: float = -_EVERY
    _may: dict[str, tuple[float, str | None]] = field(default_factory=dict)

    @property
    def stopped(self) -> bool:
        return self.options.stop.is_set()

    def stands(self) -> str | None:
        """Why nobody may begin a batch now."""
        with self.lock:
            if time.monotonic() - self._asked >= _EVERY:
                held = next((said for ask in self.why if (said := ask())), None)
                if held != self.held:
                    self.options.say(f"stands still: {held}" if held else "goes on")
                self.held, self._asked = held, time.monotonic()
            return self.held

    def refuses(self, tenant: str) -> str | None:
        """Why this tenant must not be touched now; then it is left alone for the rest of the run."""
        with self.lock:
            asked, said = self._may.get(tenant, (-_EVERY, None))
            if time.monotonic() - asked >= _EVERY:
                said = self.options.may(tenant)
                self._may[tenant] = (time.monotonic(), said)
            if said:
                self.refused[tenant] = said
            return said

    def pause(self, rows: int) -> float:
        """Seconds to wait after so many rows, for the sake of the rate."""
        with self.lock:
            return self.rate.pause(rows, time.monotonic())
