"""What the traffic met, as JSON lines: one for each second, one for each request that failed.

A second: {kind: second, at, sent, answered, failed, p50, p99, ms, versions, last}. p50 and p99 in milliseconds; `ms`
counts answers by milliseconds, rounded up; `last` is the instant of the last answer by digest and tenant.
A failure: {kind: failure, at, ended, tenant, method, path, status, version, digest, error}; status null means that no
answer came. Instants are seconds since the epoch; `at` is when the request was due, and the second's end.
"""

import contextlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import TextIOBase
from pathlib import Path
from typing import Any

Line = dict[str, Any]


@dataclass
class Recorder:
    """Counts while requests are under way, and writes a line when a second ends or a request failed."""

    file: TextIOBase
    sent: int = 0
    failed: int = 0
    _ms: Counter[int] = field(default_factory=Counter)
    _versions: Counter[str] = field(default_factory=Counter)
    _last: dict[str, dict[str, float]] = field(default_factory=dict)

    def answered(self, tenant: str, version: str, digest: str, seconds: float, at: float) -> None:
        """An answer came, good or bad, `seconds` after the request was due."""
        self._ms[_rounded(seconds * 1000)] += 1
        self._versions[version] += 1
        self._last.setdefault(digest, {})[tenant] = round(at, 3)

    def failure(self, line: Line) -> None:
        """A request failed; it is on disk at once."""
        self.failed += 1
        self._write({"kind": "failure", **line})

    def second(self, at: float) -> None:
        """The second that ends at `at` is over."""
        self._write(
            {
                "kind": "second",
                "at": round(at, 3),
                "sent": self.sent,
                "answered": self._ms.total(),
                "failed": self.failed,
                "p50": quantile(self._ms, 0.5),
                "p99": quantile(self._ms, 0.99),
                "ms": {str(ms): count for ms, count in sorted(self._ms.items())},
                "versions": dict(self._versions),
                "last": self._last,
            }
        )
        self.sent = self.failed = 0
        self._ms, self._versions, self._last = Counter(), Counter(), {}

    def _write(self, line: Line) -> None:
        self.file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self.file.flush()


def _rounded(ms: float) -> int:
    """Whole milliseconds, rounded up; tens of them from 100 on."""
    return math.ceil(ms) if ms < 100 else math.ceil(ms / 10) * 10  # noqa: PLR2004


def quantile(ms: Counter[int], share: float) -> int | None:
    """The milliseconds within which that share of the answers came; None when there was none."""
    rank, seen = math.ceil(ms.total() * share), 0
    for bucket in sorted(ms):
        seen += ms[bucket]
        if seen >= rank:
            return bucket
    return None


@dataclass(frozen=True)
class TrafficLog:
    """Reads what the traffic wrote. `since` is an instant in seconds since the epoch."""

    path: Path

    def answered(self, since: float = 0) -> int:
        """Answers that came."""
        return sum(line["answered"] for line in self._seconds(since))

    def sent(self, since: float = 0) -> int:
        """Requests that were due, whatever became of them."""
        return sum(line["sent"] for line in self._seconds(since))

    def rate(self, seconds: int = 5) -> float:
        """Answers a second over the last few seconds."""
        lines = list(self._seconds())[-seconds - 1 :]
        if len(lines) < 2:  # noqa: PLR2004 - from one to the next
            return 0.0
        return float(sum(line["answered"] for line in lines[1:]) / (lines[-1]["at"] - lines[0]["at"]))

    def covers(self, at: float) -> bool:
        """Whether all that happened up to that instant is written."""
        return any(line["at"] >= at for line in self._seconds())

    def failures(self, since: float = 0) -> list[Line]:
        """Requests that were due since then and failed."""
        return [line for line in self._lines() if line["kind"] == "failure" and line["at"] >= since]

    def latency(self, since: float = 0) -> str:
        """How long answers took, in words."""
        ms = Counter[int]()
        for line in self._seconds(since):
            ms.update({int(bucket): count for bucket, count in line["ms"].items()})
        return f"half within {quantile(ms, 0.5)} ms, 99 % within {quantile(ms, 0.99)} ms" if ms else "no answers"

    def last_answer(self, digest: str, tenants: set[str]) -> float | None:
        """When one of the tenants last got an answer from the artifact with that digest."""
        return max(
            (
                at
                for line in self._seconds()
                for tenant, at in line["last"].get(digest, {}).items()
                if tenant in tenants
            ),
            default=None,
        )

    def _seconds(self, since: float = 0) -> Iterator[Line]:
        return (line for line in self._lines() if line["kind"] == "second" and line["at"] >= since)

    def _lines(self) -> Iterator[Line]:
        """Whole lines only: the last one may still be being written, and a kill may have left half of one."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                with contextlib.suppress(ValueError):
                    yield json.loads(line)
