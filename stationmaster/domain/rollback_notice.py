"""The message about a rollback, in plain words for support: what went back, for whom, since when it is safe, why, and
what customers may have noticed. It is made of the release's entries alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from stationmaster.domain.block_kit import Block, context, escaped, fields, header, messages, sections
from stationmaster.domain.entries import Entry

ENDS = ("restored", "contained")  # the steps with which a rollback ends
_NAMED = 7  # tenants that are named; ids may be long and a field holds 500 characters
_WHY = 600  # characters of a reason


@dataclass(frozen=True, slots=True)
class RollbackNotice:
    """The how-maniest rollback of the release it is, and the message. `text` is what a notification shows."""

    number: int
    text: str
    blocks: list[Block]


@dataclass(frozen=True, slots=True)
class _Went:
    """What one rollback did, out of the entries."""

    release: str
    name: str  # product and version
    ordered: Mapping[str, Any]  # the fact of the order
    ended: Mapping[str, Any]  # the fact of the end
    before: str  # the versions the tenants are on now
    reached: datetime | None  # since when the first of them had the release
    watched: Mapping[str, int] | None  # total and bad requests on it before the decision, when a verdict counted them


def rollback_notice(entries: Sequence[Entry], who: str | None = None) -> RollbackNotice | None:
    """The message about the last rollback of these entries, all of one release in order; None while none has ended
    that moved anybody. `who` is the person who ordered it, if one did and the name was not erased.
    """
    ends = [entry for entry in entries if entry.step in ENDS and entry.fact["tenants"]]
    if not ends:
        return None
    went = _went(entries, ends[-1])
    count = len(went.ended["tenants"])
    text = f"{went.name} was rolled back for {count} {'tenant' if count == 1 else 'tenants'}"
    head, *_ = messages([header(f"↩ {escaped(text)}"), *_blocks(went, who)])  # one message: everything is cut to fit
    return RollbackNotice(len(ends), text, head)


def decided(fact: Mapping[str, Any]) -> datetime | None:
    """The instant of the tick or the order that decided, as exactly as the fact has it."""
    if fact.get("decided_ms") is not None:
        return datetime.fromtimestamp(fact["decided_ms"] / 1000, UTC)
    return datetime.fromisoformat(fact["decided_at"]) if fact.get("decided_at") else None


def safe(order: Mapping[str, Any], end: Mapping[str, Any]) -> datetime | None:
    """Since when no tenant of the rollback was answered by the version that went back; None when nobody knows."""
    at, seconds = decided(order), end.get("seconds_to_last")
    seconds = end.get("seconds_to_routes") if seconds is None else seconds
    return at + timedelta(seconds=seconds) if at and seconds is not None else None


def _went(entries: Sequence[Entry], end: Entry) -> _Went:
    known = [entry for entry in entries if entry.index <= end.index]
    facts = {entry.step: entry.fact for entry in known}
    tenants = set(end.fact["tenants"])
    back = {e.subject: e for e in known if e.step == "rolled_back" and e.subject in tenants}
    had = [e.at for e in known if e.step == "deployed" and e.subject in tenants]
    versions = sorted({entry.fact["version"] for entry in back.values()})
    ms = facts["rollback"].get("decided_ms")
    counts = [e.fact["counts"]["new"] for e in known if e.step == "verdict" and e.fact.get("decided_ms") == ms]
    return _Went(
        end.release,
        f"{facts['started']['product']} {facts['cut']['version']}",
        facts["rollback"],
        end.fact,
        " and ".join(versions) or "the version before",
        datetime.fromisoformat(min(had)) if had else None,
        counts[-1] if counts and ms is not None else None,
    )


def _blocks(went: _Went, who: str | None) -> list[Block]:
    person = (who or "a person whose name was erased") if went.ordered["cause"] == "person" else None
    by = f"{person or 'Stationmaster'} decided it{'' if person else ' by itself'}{_at(decided(went.ordered))}."
    flags = f" Flags are as {went.before} has them." if went.ended["flags"] == "back" else ""
    return [
        *sections(f"*Why.* {escaped(_sentence(went.ordered['reason']))} {escaped(f'{by}{flags}')}"),
        fields(
            f"*Back on {escaped(went.before)}*\n{_named(went.ended['tenants'])}",
            f"*Safe since*\n{_safe(went)}",
            f"*Bad requests*\n{_bad(went)}",
            f"*Still on it*\n{_named(went.ended.get('left') or ()) or 'nobody'}",
        ),
        *sections(f"*What customers may have noticed.* {_noticed(went)}"),
        *sections(f"*What comes next.* {_next(went)}"),
        context(f"release `{went.release}` · `stationmaster release status {went.release}`"),
    ]


def _sentence(text: str) -> str:
    """With a capital and a full stop, and not too long."""
    short = text if len(text) <= _WHY else f"{text[:_WHY].rstrip()}…"
    return f"{short[:1].upper()}{short[1:].rstrip('.')}."


def _safe(went: _Went) -> str:
    at = safe(went.ordered, went.ended)
    if at is None:
        return "the routes are back; nobody could say when the last answer came"
    ordered = decided(went.ordered) or at
    return f"{_clock(at)} UTC, {(at - ordered).total_seconds():.1f} s after the decision"


def _bad(went: _Went) -> str:
    bad, watched = went.ended["bad_requests"], went.watched
    before = f"{watched['bad']} of {watched['total']} before the decision, " if watched else ""
    return f"{before}{'not counted' if bad is None else bad} from then until it was safe"


def _noticed(went: _Went) -> str:
    until = safe(went.ordered, went.ended)
    span = f"Between {_clock(went.reached)} and {_clock(until)} UTC " if went.reached and until else "For a while "
    return f"{span}some of what they did may have failed or shown an error. Trying it again should work."


def _next(went: _Went) -> str:
    lift = f"`stationmaster release resume {went.release} --reason WHY`"
    if went.ended.get("left"):
        return f"The others keep it, and it goes no further. A person decides: {lift}, or `release rollback` for all."
    return f"Its changes are on hold: no release may carry them before they are mended, or {lift} says why they may."


def _named(tenants: Sequence[str]) -> str:
    more = f" and {len(tenants) - _NAMED} more" if len(tenants) > _NAMED else ""
    return f"{', '.join(sorted(tenants)[:_NAMED])}{more}"


def _at(at: datetime | None) -> str:
    return f" at {_clock(at)} UTC" if at else ""


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%H:%M:%S")
