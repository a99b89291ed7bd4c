"""A rehearsal in the words that approvers read: how long the schema change will take, what waits for it, and whether
there is a way back.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stationmaster.domain.migration_rehearsal import Estimate
from stationmaster.domain.migration_slack import spoken

_MOST = 4  # tables that are named


@dataclass(frozen=True)
class Slack:
    """How many times longer than rehearsed production took, the last time that both were known."""

    release: str
    ratio: float


def forecast(estimates: Iterable[Estimate], slack: Slack | None = None) -> list[str]:
    """A few lines of each estimate."""
    return [line for one in estimates for line in _lines(one, slack)]


def outline(record: Mapping[str, Any]) -> str:
    """An estimate as it was recorded, in a few words."""
    lock = record.get("longest_lock")
    held = f", {lock['lock']} for {spoken(lock['ms'])}" if lock else ""
    undone = "and back" if record["undone"] else "no way back, by decision" if record["no_down"] else "not back"
    way = f"{', '.join(record['from']) or 'nothing'} → {', '.join(record['to'])}"
    work = [one for one in record["versions"] if not one["failed"]]
    worked = f"; {len(work)} version{'s' * (len(work) != 1)} worked on it" if record["versions"] else ""
    return f"{way} in {spoken(record['up_ms'])}{held}, {undone}{worked}"


def beside(record: Mapping[str, Any] | None) -> str:
    """How long a database took beside its rehearsal, where it was rehearsed, as the end of a sentence."""
    if record is None:
        return ""
    ratio = f", {record['ratio']:g} times what was rehearsed" if record["ratio"] is not None else ""
    more = f", {record['unrehearsed']} statements of it not rehearsed" if record["unrehearsed"] else ""
    return f" in {spoken(record['took_ms'])}{ratio}{more}"


def expected_ms(estimate: Estimate, slack: Slack | None) -> float:
    """What production is told to take."""
    return round(estimate.up_ms * times(slack), 1)


def times(slack: Slack | None) -> float:
    """How many times longer than rehearsed it is expected to take: never less."""
    return max(1.0, slack.ratio if slack else 1.0)


def _lines(one: Estimate, slack: Slack | None) -> Iterator[str]:
    yield f"rehearsed from {_heads(one.before)} to {_heads(one.after)} on {_data(one)}: up in {spoken(one.up_ms)}"
    longest = one.longest
    if longest is None:
        yield "  no statement locks out readers or writers"
    else:
        yield f"  longest lock: {longest.lock} for {spoken(longest.held_ms)}, {longest.revision}: {longest.sql[:90]}"
    yield f"  way back: {_back(one)}"
    yield from _versions(one)
    if slack is None:
        yield "  expect the same in production: no slack is known, since none was rehearsed before"
    else:
        yield (
            f"  expect {spoken(expected_ms(one, slack))} in production: "
            f"{slack.release} took {slack.ratio:g} times what was rehearsed"
        )
    yield from (f"  {finding.rule}: {finding.message}" for finding in one.findings)


def _versions(one: Estimate) -> Iterator[str]:
    works = [each.version for each in one.versions if each.passed]
    if works:
        yield f"  works on the new schema: {', '.join(works)}"
    for each in one.versions:
        if not each.passed:
            yield f"  nobody can go back to {each.version} from it: {'; '.join(each.failed)[:200]}"


def _heads(heads: tuple[str, ...]) -> str:
    return ", ".join(heads) or "nothing"


def _data(one: Estimate) -> str:
    largest = sorted(one.rows.items(), key=lambda found: (-found[1], found[0]))
    rows = ", ".join(f"{count:,} rows of {table}" for table, count in largest[:_MOST] if count)
    more = len([count for _, count in largest[_MOST:] if count])
    named = (rows or "no rows") + (f" and {more} tables more" if more else "")
    return f"{named} ({f'dump of {one.dump.taken}' if one.dump else 'generated'})"


def _back(one: Estimate) -> str:
    if one.down_ms is not None and one.again_ms is not None:
        way = f"down in {spoken(one.down_ms)}, then up again in {spoken(one.again_ms)}"
        return f"{way}, but not beyond {_decided(one)}" if one.no_down else way
    if one.no_down:
        return f"none, by decision: {_decided(one)}"
    return "none was proved"


def _decided(one: Estimate) -> str:
    return "; ".join(f"{found.revision}, {found.reason}" for found in one.no_down)
