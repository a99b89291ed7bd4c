"""How far a backfill is, as what the Prefect UI shows of it: a percentage, and a row for each tenant."""

from typing import Any

from stationmaster.blocks.backfilling import Progress, TenantProgress

_THROUGH = frozenset({"done", "verified"})


def percent(progress: Progress) -> float:
    """Of 100, by rows; by tenants where nobody knows how many rows there are."""
    tenants = progress.tenants
    if not tenants:
        return 0.0
    if any(one.expected is None for one in tenants):
        return 100.0 * sum(one.state in _THROUGH for one in tenants) / len(tenants)
    expected = sum(one.expected or 0 for one in tenants)
    if not expected:
        return 100.0 if all(one.state in _THROUGH for one in tenants) else 0.0
    return 100.0 * sum(_through(one) for one in tenants) / expected


def _through(one: TenantProgress) -> int:
    """A tenant that is through counts whole: rows that needed nothing were not changed."""
    expected = one.expected or 0
    return expected if one.state in _THROUGH else min(one.rows, expected)


def about(seconds: float) -> str:
    """A length of time, as exact as anybody can know it: `40 s`, `12 min`, `5 h`, `3 d`."""
    for size, unit, most in ((1, "s", 90), (60, "min", 90), (3600, "h", 48)):
        if seconds < most * size:
            return f"{max(1, round(seconds / size))} {unit}"
    return f"{round(seconds / 86_400)} d"


def table(progress: Progress) -> list[dict[str, Any]]:
    """One row a tenant, in the order of the engine."""
    return [
        {
            "tenant": one.tenant,
            "state": one.state,
            "rows": one.rows,
            "of about": "" if one.expected is None else one.expected,
            "left": "" if one.eta_seconds is None else about(one.eta_seconds),
            "why": one.reason or "",
        }
        for one in progress.tenants
    ]


def headline(progress: Progress) -> str:
    """One line: what it is, how long it still takes, why it stands still."""
    left = f", about {about(progress.eta_seconds)} left" if progress.eta_seconds else ""
    held = f"; it stands still: {progress.held}" if progress.held else ""
    return f"{progress.name}: {progress.rows:,} rows of {progress.table}{left}{held}"
