"""How far a backfill is, for a person: a bar on a terminal, a line now and then elsewhere, a table when asked."""

import sys
import time
from typing import TYPE_CHECKING, Any

from stationmaster.cli.output import say, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stationmaster.blocks.backfilling import Progress, TenantProgress

_WIDTH = 30
_EVERY = 5.0  # seconds between two lines where there is no terminal


class Bar:
    """Follows one run."""

    def __init__(self) -> None:
        self._on_terminal, self._said, self._shown = sys.stderr.isatty(), 0.0, False

    def follow(self, one: "Progress") -> None:
        text = line(one)
        if self._on_terminal:
            sys.stderr.write(f"\r\033[K{text}")
            sys.stderr.flush()
            self._shown = True
        elif time.monotonic() - self._said >= _EVERY:
            self._said = time.monotonic()
            say(text)

    def say(self, text: str) -> None:
        self.end()
        say(text)

    def end(self) -> None:
        """Whatever comes now begins on a line of its own."""
        if self._shown:
            sys.stderr.write("\n")
            self._shown = False


def line(one: "Progress") -> str:
    """One line."""
    through = sum(tenant.state in {"done", "verified"} for tenant in one.tenants)
    expected = [tenant.expected for tenant in one.tenants]
    known = sum(count or 0 for count in expected) if None not in expected else 0
    share = min(1.0, one.rows / known) if known else 0.0
    bar = f"[{'#' * round(share * _WIDTH):<{_WIDTH}}] {share:4.0%}  " if known else ""
    left = f", {_spelt(one.eta_seconds)} left" if one.eta_seconds is not None else ""
    held = f"; stands still: {one.held}" if one.held else ""
    return f"{one.name}  {bar}{one.rows} rows, {through} of {len(one.tenants)} tenants{left}{held}"


def status_rows(found: "Iterable[Progress]") -> str:
    """A table of every tenant."""
    rows = [
        [one.name, tenant.tenant, tenant.state, tenant.rows,
         _spelt(tenant.eta_seconds) if tenant.eta_seconds is not None else None, tenant.reason or ""]
        for one in found for tenant in one.tenants
    ]  # fmt: skip
    return table(["backfill", "tenant", "state", "rows", "left", "reason"], rows)


def tenant_record(one: "TenantProgress") -> dict[str, Any]:
    """As `backfill status --json` has it."""
    return {
        "tenant": one.tenant, "state": one.state, "rows": one.rows, **({"reason": one.reason} if one.reason else {})
    }  # fmt: skip


def _spelt(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"  # noqa: PLR2004
