"""Reads HAProxy's per-tenant counters from its stats socket, one stick table per backend.

Counters are cumulative and start at zero with each HAProxy process; callers subtract. It judges nothing.
"""

import re

from pydantic import BaseModel, Field, PrivateAttr

from stationmaster.blocks import haproxy
from stationmaster.domain.signals import Counts, Reading, Status

_TABLE = re.compile(r"^# table: (?P<name>\S+), .*used:(?P<used>\d+)", re.MULTILINE)
_ENTRY = re.compile(r"^0x\S+: key=(?P<tenant>\S+) use=(?P<use>\d+) (?P<rest>.*)$", re.MULTILINE)


class HAProxyMetrics(BaseModel):
    """Requests per tenant and backend, as HAProxy counted them."""

    stats: str = Field(description="HAProxy's stats socket.", examples=["/run/stationmaster/haproxy.sock"])
    timeout: float = Field(default=3, gt=0, description="Seconds to wait for an answer.")
    _seen: dict[tuple[str, str, str], int] = PrivateAttr(default_factory=dict)

    def read(self) -> Reading:
        """All counters now. Never raises: a proxy that does not answer is a status."""
        try:
            tables = [match["name"] for match in _TABLE.finditer(self._ask("show table"))]
            if not tables:
                return Reading("SERIES_ABSENT", message="HAProxy has no table of counters")
            answer = self._ask(";".join(("show info", *(f"show table {table}" for table in tables))))
        except haproxy.ProxyGoneError as error:
            return Reading("PROVIDER_ERROR", message=error.message)
        return self._reading(tables, answer)

    def _ask(self, command: str) -> str:
        return haproxy.ask(self.stats, command, self.timeout)

    def _reading(self, tables: list[str], answer: str) -> Reading:
        facts = haproxy.info(answer)
        generation = f"{facts.get('Pid')}-{facts.get('Start_time_sec')}"
        counts: dict[tuple[str, str], Counts] = {}
        found = list(_TABLE.finditer(answer))
        for table, following in zip(found, [*found[1:], None], strict=True):
            text = answer[table.end() : following.start() if following else None]
            for entry in _ENTRY.finditer(text):
                counts[entry["tenant"], table["name"]] = self._counts(generation, table["name"], entry)
        missing = sorted(set(tables) - {table["name"] for table in found})
        if missing:
            return Reading("PARTIAL", generation, counts, f"no counters of {', '.join(missing)}")
        status: Status = "OK" if any(count.total for count in counts.values()) else "NO_TRAFFIC"
        return Reading(status, generation, counts)

    def _counts(self, generation: str, table: str, entry: re.Match[str]) -> Counts:
        fields = dict(pair.split("=", 1) for pair in entry["rest"].split())
        answered, failed = int(fields["gpc0"]), int(fields["gpc1"])
        # A request whose answer is still being sent is both answered and in use, which would hide a lost one for that
        # moment; what was lost stays lost, so the most ever seen holds.
        key = (generation, table, entry["tenant"])
        lost = max(self._seen.get(key, 0), int(fields["http_req_cnt"]) - answered - int(entry["use"]))
        self._seen[key] = lost
        return Counts(total=answered + lost, bad=failed + lost)
