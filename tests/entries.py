"""Entries for tests that need some: a story is told step by step, each as `step` or `(step, subject)`, with a fact."""

from datetime import UTC, datetime
from typing import Any

from stationmaster.domain.entries import Draft, Entry, attempt, compose

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def add(entries: list[Entry], draft: Draft) -> Entry:
    """Appends without asking what stands."""
    number = attempt(entries, draft.release, draft.step, draft.subject)
    entry = compose(draft, index=len(entries), at=AT, attempt=number, salt="00" * 16, payload=None)
    entries.append(entry)
    return entry


def story(*steps: str | tuple[str, str], facts: dict[str, dict[str, Any]] | None = None) -> list[Entry]:
    """`facts` gives steps their fact; `started` has one unless given."""
    known = {"started": {"product": "orderdesk", "kind": "train", "ref": "main"}, **(facts or {})}
    entries: list[Entry] = []
    for each in steps:
        step, subject = each if isinstance(each, tuple) else (each, "r1")
        add(entries, Draft(release="r1", step=step, subject=subject, fact=known.get(step, {})))
    return entries


GOOD = (
    *("started", "cut", "built", "tested", ("expanded", "stage"), "staged", "planned", "approved", "briefed"),
    *(("expanded", "cloud"), ("deployed", "acme"), ("verdict", "pilot"), ("promoted", "pilot"), "released"),
)
