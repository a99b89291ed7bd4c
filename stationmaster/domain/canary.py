"""What the counts and journeys of a wave mean: promote, roll back, hold, or not known.

The thin rule of `docs/reference/canary.md`: a hard limit that also needs the old version healthy in the same ticks, and
journeys that fail 3 of 3. It does not fetch counts, wait, or act.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from itertools import accumulate, takewhile
from operator import add
from typing import Any, Literal

from stationmaster.domain.duration import instant
from stationmaster.domain.product import HardLimit
from stationmaster.domain.signals import Counts
from stationmaster.domain.ticks import Tick

Word = Literal["promote", "rollback", "hold", "inconclusive"]
Cause = Literal["breach", "undecided", "shared_incident", "blind", "no_control"]

BLIND_AFTER_SECONDS = 300
JOURNEY_ATTEMPTS = 3
NOTHING = Counts()


@dataclass(frozen=True, slots=True)
class JourneyResult:
    """How often a journey of a tenant passed and failed on the new version, and how the old version did."""

    journey: str
    tenant: str
    passed: int = 0
    failed: int = 0
    old: Literal["passed", "failed", "not_run"] = "not_run"

    @property
    def broken(self) -> bool:
        """Failed as often as a verdict asks for, and never passed."""
        return self.failed >= JOURNEY_ATTEMPTS and not self.passed

    def __str__(self) -> str:
        return f"journey {self.journey} of tenant {self.tenant}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, its cause and reason, the counts it rests on and the end of the tick that decided.

    `inconclusive` before the deadline means: go on watching. `old` are the counts in the ticks in which the new
    version had bad requests, when they decided; else those of the whole watch.
    """

    verdict: Word
    cause: Cause | None
    reason: str
    new: Counts = NOTHING
    old: Counts = NOTHING
    decided_at: datetime | None = None
    broken_for: tuple[str, ...] = ()  # of a rollback: those for whom the new version is bad

    def fact(self) -> dict[str, Any]:
        """What the ledger keeps."""
        return {
            "verdict": self.verdict,
            "cause": self.cause,
            "reason": self.reason,
            "counts": {
                "new": {"total": self.new.total, "bad": self.new.bad},
                "old": {"total": self.old.total, "bad": self.old.bad},
            },
            "decided_at": instant(self.decided_at) if self.decided_at else None,
            "decided_ms": round(self.decided_at.timestamp() * 1000) if self.decided_at else None,
            "broken_for": list(self.broken_for),
        }

    @classmethod
    def from_fact(cls, fact: Mapping[str, Any]) -> "Verdict":
        """The verdict that was recorded."""
        ms = fact["decided_ms"]
        at = datetime.fromtimestamp(ms / 1000, UTC) if ms is not None else None
        new, old = (Counts(**fact["counts"][side]) for side in ("new", "old"))
        return cls(fact["verdict"], fact["cause"], fact["reason"], new, old, at, tuple(fact["broken_for"]))


def judge(limit: HardLimit, ticks: Sequence[Tick], journeys: Sequence[JourneyResult], *, deadline: bool) -> Verdict:
    """The verdict over the ticks of a wave so far; the same arguments always give the same verdict.

    Precedence: rollback, hold, promote, inconclusive. `deadline`: the watch is over, only now may it be promoted.
    """
    watch = _Watch.of(ticks)
    found = [*_of_journeys(journeys, watch), *_of_limit(limit, watch, journeys), *_of_blindness(ticks, watch, deadline)]
    for word in ("rollback", "hold"):
        for verdict in found:
            if verdict.verdict == word:
                return verdict if word == "hold" else _decided(verdict, limit, ticks, journeys)
    return _at_deadline(watch, journeys) if deadline else watch.verdict("inconclusive", None, "watching")


def _decided(verdict: Verdict, limit: HardLimit, ticks: Sequence[Tick], journeys: Sequence[JourneyResult]) -> Verdict:
    """A rollback, with for whom and since when: broken journeys decide also where no tick has said anything yet."""
    at = verdict.decided_at or (ticks[-1].at if ticks else None)
    return replace(verdict, decided_at=at, broken_for=_broken(limit, ticks, journeys, verdict))


def _broken(
    limit: HardLimit, ticks: Sequence[Tick], journeys: Sequence[JourneyResult], verdict: Verdict
) -> tuple[str, ...]:
    """For whom the new version is bad: a journey of theirs is broken, or their own share of bad requests was over the
    limit when it was decided. When a sum is over the limit, at least one of its parts is.
    """
    seen = [tick.new for tick in ticks if tick.seen and verdict.decided_at and tick.at <= verdict.decided_at]
    sums = {tenant: _total(new.get(tenant, NOTHING) for new in seen) for tenant in {t for new in seen for t in new}}
    over = {tenant for tenant, counts in sums.items() if counts.bad > limit.max_bad * counts.total}
    return tuple(sorted(over | {result.tenant for result in journeys if result.broken and result.old != "failed"}))


@dataclass(frozen=True, slots=True)
class _Sums:
    """Counts from the first tick to `at`. `control`: the old version, in the ticks in which the new one had bad
    requests; a shared incident shows there and is not diluted by the quiet time before it.
    """

    new: Counts = NOTHING
    old: Counts = NOTHING
    control: Counts = NOTHING
    at: datetime | None = None

    def after(self, tick: Tick) -> "_Sums":
        new, old = _total(tick.new.values()), _total(tick.old.values())
        return _Sums(self.new + new, self.old + old, self.control + old if new.bad else self.control, tick.at)


@dataclass(frozen=True, slots=True)
class _Watch:
    """The sums after each tick that says something; frozen ticks do not count."""

    steps: tuple[_Sums, ...]

    @classmethod
    def of(cls, ticks: Sequence[Tick]) -> "_Watch":
        return cls(tuple(accumulate((tick for tick in ticks if tick.seen), _Sums.after, initial=_Sums()))[1:])

    def verdict(self, word: Word, cause: Cause | None, reason: str) -> Verdict:
        """A verdict that rests on everything seen."""
        last = self.steps[-1] if self.steps else _Sums()
        return Verdict(word, cause, reason, last.new, last.old, last.at)


def _total(counts: Iterable[Counts]) -> Counts:
    return reduce(add, counts, NOTHING)


def _of_journeys(journeys: Sequence[JourneyResult], watch: _Watch) -> Iterator[Verdict]:
    """A broken journey is a rollback when the old version passes it, and a hold when it does not or was not asked."""
    for result in sorted(journeys, key=lambda result: (result.tenant, result.journey)):
        if result.broken:
            failed = f"{result} failed {result.failed} of {result.failed} on the new version"
            if result.old == "passed":
                yield watch.verdict("rollback", "breach", f"{failed}, and the old version passes it")
            elif result.old == "failed":
                yield watch.verdict("hold", "shared_incident", f"{failed}, and the old version fails it too")
            else:
                yield watch.verdict("hold", "no_control", f"{failed}, and the old version was not asked")


def _of_limit(limit: HardLimit, watch: _Watch, journeys: Sequence[JourneyResult]) -> Iterator[Verdict]:
    """The first tick whose sums say rollback decides; without one, what the last tick says."""
    found: Verdict | None = None
    for sums in watch.steps:
        found = _against_control(limit, sums, journeys) if _crossed(limit, sums.new) else None
        if found and found.verdict == "rollback":
            break
    if found:
        yield found


def _crossed(limit: HardLimit, counts: Counts) -> bool:
    return counts.total >= limit.min_count and counts.bad > limit.max_bad * counts.total


def _against_control(limit: HardLimit, sums: _Sums, journeys: Sequence[JourneyResult]) -> Verdict:
    """The new version is over the limit: is it alone? With too few requests on the old one, its journeys answer."""
    word, cause, control = _control(limit, sums.control, journeys)
    new = f"{_rate(sums.new)} were bad on the new version, over the limit of {limit.max_bad:.1%}"
    return Verdict(word, cause, f"{new}; {control}", sums.new, sums.control, sums.at)


def _control(limit: HardLimit, control: Counts, journeys: Sequence[JourneyResult]) -> tuple[Word, Cause, str]:
    said = {result.old for result in journeys}
    if _crossed(limit, control):
        return "hold", "shared_incident", f"the old version too, {_rate(control)} in the same ticks"
    if control.total >= limit.min_count:
        return "rollback", "breach", f"the old version was healthy, {_rate(control)} in the same ticks"
    few = f"the old version had {control.total} requests in the same ticks"
    if "failed" in said:
        return "hold", "shared_incident", f"{few} and fails a journey too"
    if "passed" in said:
        return "rollback", "no_control", f"{few} but passes the journeys"
    return "hold", "no_control", f"{few} and ran no journey"


def _rate(counts: Counts) -> str:
    return f"{counts.bad} of {counts.total} requests ({counts.bad / counts.total:.1%})"


def _of_blindness(ticks: Sequence[Tick], watch: _Watch, deadline: bool) -> Iterator[Verdict]:  # noqa: FBT001
    """Nothing seen for too long, or not at the moment of deciding. Over at the next tick that says something."""
    frozen = list(takewhile(lambda tick: not tick.seen, reversed(ticks)))
    seconds = sum(tick.seconds for tick in frozen)
    if frozen and (deadline or seconds >= BLIND_AFTER_SECONDS):
        yield watch.verdict("hold", "blind", f"no usable metrics for {seconds:.0f} s ({frozen[0].status})")


def _at_deadline(watch: _Watch, journeys: Sequence[JourneyResult]) -> Verdict:
    """No limit crossed, nothing broken: promote if the journeys passed, else say what is missing."""
    failing = [str(result) for result in journeys if result.failed and not result.passed]
    if failing:
        return watch.verdict("hold", "undecided", f"failed, but not yet {JOURNEY_ATTEMPTS} times: {', '.join(failing)}")
    if not journeys or not all(result.passed for result in journeys):
        return watch.verdict("inconclusive", None, "the watch is over and not every journey has run")
    seen = watch.steps[-1].new if watch.steps else NOTHING
    return watch.verdict("promote", None, f"the journeys passed; {seen.bad} of {seen.total} requests were bad")
