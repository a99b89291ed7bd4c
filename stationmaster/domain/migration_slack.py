"""What production took for a schema change beside what its rehearsal took: the slack that the next estimate gets."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stationmaster.domain.migration_rehearsal import Estimate, Statement, ratio_of


@dataclass(frozen=True)
class Pair:
    """A statement, as rehearsed and as it ran; None where it was only one of both."""

    revision: str
    sql: str
    rehearsed_ms: float | None
    took_ms: float | None

    @property
    def ratio(self) -> float | None:
        """How much longer it took; None where there is nothing to compare."""
        if self.rehearsed_ms is None or self.took_ms is None:
            return None
        return ratio_of(self.took_ms, self.rehearsed_ms)

    def record(self) -> dict[str, Any]:
        return {
            "revision": self.revision, "sql": self.sql, "rehearsed_ms": self.rehearsed_ms, "took_ms": self.took_ms,
            "ratio": self.ratio,
        }  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """All statements of one run."""

    pairs: tuple[Pair, ...]

    @property
    def rehearsed_ms(self) -> float:
        return round(sum(one.rehearsed_ms or 0 for one in self.pairs), 1)

    @property
    def took_ms(self) -> float:
        return round(sum(one.took_ms or 0 for one in self.pairs), 1)

    @property
    def ratio(self) -> float | None:
        """Of the statements that are in both, taken together: the slack."""
        both = [one for one in self.pairs if one.ratio is not None]
        if not both:
            return None
        took, rehearsed = sum(one.took_ms or 0 for one in both), sum(one.rehearsed_ms or 0 for one in both)
        return ratio_of(took, rehearsed)

    @property
    def unrehearsed(self) -> tuple[Pair, ...]:
        return tuple(one for one in self.pairs if one.rehearsed_ms is None)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "rehearsed_ms": self.rehearsed_ms, "took_ms": self.took_ms, "ratio": self.ratio,
            "statements": [one.record() for one in self.pairs],
        }  # fmt: skip

    def fact(self) -> dict[str, Any]:
        """As the ledger keeps it with the database that was changed."""
        return {
            "rehearsed_ms": self.rehearsed_ms, "took_ms": self.took_ms, "ratio": self.ratio,
            "unrehearsed": len(self.unrehearsed),
        }  # fmt: skip

    def told(self) -> Iterator[str]:
        """For people: the whole, then what differs much."""
        ratio = f", {self.ratio} times" if self.ratio is not None else ""
        yield f"rehearsed {spoken(self.rehearsed_ms)}, took {spoken(self.took_ms)}{ratio}"
        for one in self.pairs:
            if one.took_ms is None:
                yield f"  rehearsed and not run: {one.revision}: {one.sql}"
            elif one.rehearsed_ms is None:
                yield f"  run without rehearsal, {spoken(one.took_ms)}: {one.revision}: {one.sql}"
            elif max(one.took_ms, one.rehearsed_ms) >= _WORTH:
                yield f"  {spoken(one.rehearsed_ms)} → {spoken(one.took_ms)} ({one.ratio}): {one.revision}: {one.sql}"


_WORTH = 50.0  # ms: what is shorter is counted and not told


def compare(estimates: Iterable[Estimate], ran: Sequence[Statement]) -> Comparison:
    """Each statement that ran with the one that was rehearsed: the same text in the same revision, else the next of the
    revision of which the text is nobody's (it may have the hour in it).
    """
    rehearsed = list({(one.revision, n): one for found in estimates for n, one in _numbered(found.statements)}.values())
    revisions = {one.revision for one in ran}
    left = [one for one in rehearsed if one.revision in revisions or not ran]
    texts = {(one.revision, one.digest) for one in ran}
    pairs = []
    for one in ran:
        like = next((x for x in left if (x.revision, x.digest) == (one.revision, one.digest)), None) or next(
            (x for x in left if x.revision == one.revision and (x.revision, x.digest) not in texts), None
        )
        if like is not None:
            left.remove(like)
        pairs.append(Pair(one.revision, one.sql, like.ms if like else None, one.ms))
    return Comparison((*pairs, *(Pair(x.revision, x.sql, x.ms, None) for x in left)))


def _numbered(statements: Sequence[Statement]) -> Iterator[tuple[int, Statement]]:
    """Each with its number within its revision, so that two rehearsals of one revision count it once."""
    seen: dict[str, int] = {}
    for one in statements:
        seen[one.revision] = seen.get(one.revision, 0) + 1
        yield seen[one.revision], one


def spoken(ms: float) -> str:
    """Milliseconds, for people."""
    if ms < 1000:  # noqa: PLR2004
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s" if ms < 120_000 else f"{ms / 60_000:.0f} min"  # noqa: PLR2004
