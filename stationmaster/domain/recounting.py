"""A release's change record, told from its entries. It judges nothing: what an entry says is taken as it is."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from stationmaster.domain.change_record import (
    BACK,
    Asked,
    Back,
    Change,
    ChangeRecord,
    Fact,
    Given,
    Judged,
    Migration,
    Position,
    Runs,
    Stay,
)
from stationmaster.domain.entries import UNDONE_BY, Entry
from stationmaster.domain.persons import actors
from stationmaster.domain.retention import Retention
from stationmaster.domain.stages import fold
from stationmaster.domain.tenants import STAGE

Personal = Mapping[int, Mapping[str, Any] | None]
Past = Mapping[str, Sequence[Entry]]

_FACTS = ("built", "tested", "scanned", "rehearsed", "staged", "planned", "mandated")
_PHASES: dict[str, Literal["expand", "contract"]] = {
    "expanding": "expand", "expanded": "expand", "contracting": "contract", "contracted": "contract",
}  # fmt: skip
_ENDS = frozenset({"released", "aborted", "restored"})
_GOES_ON = frozenset({"started", "rollback"})


def recount(
    entries: Sequence[Entry], *, personal: Personal, past: Past, checkpoints: Iterable[Entry] = (),
    kept: Retention | None = None,
) -> ChangeRecord:  # fmt: skip
    """`entries` are all of one release, in order, one of which says that it was asked for; `personal` has their
    personal data where it was not erased, None where it is another; `past` has, for each tenant, every entry that says
    what it runs, in order; `kept` is how long its evidence is.
    """
    last = {entry.step: entry for entry in entries}
    asked = next(entry for entry in entries if entry.step in {"confirmed", "started"})
    given, cut = _approvals(entries, personal), last["cut"].fact if "cut" in last else {}
    return ChangeRecord(
        release=asked.release,
        product=asked.fact["product"],
        kind=asked.fact["kind"],
        stage=fold(entries),
        version=cut.get("version"),
        commit=cut.get("commit"),
        asked=_asked(asked, personal),
        tickets=tuple(last["linked"].fact["tickets"]) if "linked" in last else (),
        changes=tuple(Change(commit=one["commit"], subject=one["subject"]) for one in cut.get("changes", ())),
        **{step: _fact(last.get(step)) for step in _FACTS},
        approved=_fact(_approved(entries)),
        approvals=given,
        reviews=_facts(entries, "reviewed"),
        emergency=_alone(_approved(entries), given),
        waivers=_facts(entries, "passed"),
        migrations=_migrations(entries),
        tenants=_stays(entries, past),
        now=_now(entries, past),
        verdicts=tuple(_judged(entry) for entry in entries if entry.step == "verdict" and entry.subject != STAGE),
        rollbacks=_rollbacks(entries),
        trouble=_facts(entries, "held", "failed"),
        ended=_fact(_end(entries)),
        position=_position(entries, checkpoints),
        retention=kept,
    )


def _noted(entry: Entry) -> dict[str, Any]:
    return {"entry": entry.index, "at": entry.at}


def _fact(entry: Entry | None) -> Fact | None:
    return None if entry is None else Fact(**_noted(entry), step=entry.step, subject=entry.subject, fact=entry.fact)


def _facts(entries: Iterable[Entry], *steps: str) -> tuple[Fact, ...]:
    return tuple(fact for entry in entries if entry.step in steps and (fact := _fact(entry)))


def _end(entries: Sequence[Entry]) -> Entry | None:
    """The entry that ended the release, unless something began again since."""
    last = next((entry for entry in reversed(entries) if entry.step in _ENDS | _GOES_ON), None)
    return last if last is not None and last.step in _ENDS else None


def _named(entry: Entry, personal: Personal) -> dict[str, Any]:
    """Who an entry names, and whether the name was erased or is not what was recorded."""
    known, there = personal.get(entry.index), entry.index in personal
    who = actors(known)[0] if known else None
    return {"who": who, "erased": entry.payload is not None and not there, "tampered": there and known is None}


def _asked(entry: Entry, personal: Personal) -> Asked:
    fact = entry.fact
    return Asked(**_noted(entry), **_named(entry, personal), ref=fact["ref"], assurance=fact.get("assurance"))


def _approvals(entries: Sequence[Entry], personal: Personal) -> tuple[Given, ...]:
    refused = {entry.fact.get("entry"): entry.fact["rule"] for entry in entries if entry.step == "refused"}
    return tuple(
        Given(
            **_noted(entry),
            **_named(entry, personal),
            **{name: entry.fact.get(name) for name in ("assurance", "reason", "ticket")},
            by=entry.subject,
            action=entry.fact.get("action", "deploy"),
            refused=refused.get(entry.index),
        )
        for entry in entries
        if entry.step == "approval"
    )


def _approved(entries: Iterable[Entry]) -> Entry | None:
    """The quorum that was met, unless a later plan or mandate undid it."""
    standing: Entry | None = None
    for entry in entries:
        if entry.step == "approved":
            standing = entry
        elif entry.step in UNDONE_BY["approved"]:
            standing = None
    return standing


def _alone(approved: Entry | None, given: Iterable[Given]) -> bool:
    """Whether somebody went ahead alone: by what counted the approvals, else by an emergency that nobody refused."""
    if approved is not None and "emergency" in approved.fact:
        return bool(approved.fact["emergency"])
    return any(one.action == "emergency" and one.refused is None for one in given)


def _migrations(entries: Iterable[Entry]) -> tuple[Migration, ...]:
    """Of production, in order; a beginning that was followed by its end is told with that."""
    found: dict[tuple[str, str], Migration] = {}
    for entry in entries:
        if entry.step == "contract_stopped":
            found.pop(("contract", entry.subject), None)
        phase = _PHASES.get(entry.step)
        if phase is not None and entry.subject != STAGE:
            after, begun = entry.fact.get("after"), found.get((phase, entry.subject))
            found[phase, entry.subject] = Migration(
                **_noted(entry),
                began=begun.began if begun else entry.at,
                instance=entry.subject,
                tenant=entry.fact.get("tenant"),
                before=tuple(entry.fact["before"]),
                after=None if after is None else tuple(after),
                phase=phase,
            )
    return tuple(found.values())


def _judged(entry: Entry) -> Judged:
    said = {name: entry.fact.get(name) for name in ("verdict", "cause", "reason")}
    return Judged(**_noted(entry), wave=entry.subject, **said)


def _rollbacks(entries: Sequence[Entry]) -> tuple[Back, ...]:
    """Each order with what ended it: the next entry that says so."""
    return tuple(_back(entry, entries[number:]) for number, entry in enumerate(entries) if entry.step == "rollback")


def _back(order: Entry, since: Sequence[Entry]) -> Back:
    end = next((entry for entry in since if entry.step in {"contained", "restored"}), None)
    took = {name: end.fact.get(name) if end else None for name in ("seconds_to_last", "bad_requests")}
    said = {name: order.fact[name] for name in ("scope", "cause", "reason")}
    ended, at = (end.step, end.at) if end else (None, None)
    return Back(**_noted(order), **said, **took, ended=ended, ended_at=at)


def _reached(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Each tenant with the first entry by which it had the release."""
    first: dict[str, Entry] = {}
    for entry in entries:
        if entry.step == "deployed":
            first.setdefault(entry.subject, entry)
    return first


def _stays(entries: Iterable[Entry], past: Past) -> tuple[Stay, ...]:
    """In the order in which they began. A tenant that got the artifact back by another's rollback has one more."""
    found: list[Stay] = []
    for tenant, first in _reached(entries).items():
        found += _stays_of(tenant, first, past.get(tenant, ()))
    return tuple(sorted(found, key=lambda stay: stay.entry))


def _stays_of(tenant: str, first: Entry, past: Sequence[Entry]) -> Iterable[Stay]:
    """While the artifact runs, whichever entries say so one after the other, it is one stay."""
    began: Entry | None = None
    for entry in past:
        if entry.index < first.index:
            continue
        same = entry.fact["digest"] == first.fact["digest"]
        if same and began is None:
            began = entry
        elif not same and began is not None:
            yield _stay(tenant, began, entry)
            began = None
    if began is not None:
        yield _stay(tenant, began, None)


def _stay(tenant: str, began: Entry, ended: Entry | None) -> Stay:
    by = {"rolled_back": BACK, "adopted": "found otherwise"}
    return Stay(
        **_noted(began),
        tenant=tenant,
        instance=began.fact.get("instance"),
        until=ended.at if ended else None,
        seconds=_seconds(began.at, ended.at) if ended else None,
        ended_by=by.get(ended.step, ended.release) if ended else None,
    )


def _seconds(began: str, ended: str) -> int:
    return round((datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds())


def _now(entries: Iterable[Entry], past: Past) -> dict[str, Runs]:
    last = {tenant: past[tenant][-1] for tenant in _reached(entries) if past.get(tenant)}
    return {
        tenant: Runs(version=entry.fact["version"], digest=entry.fact["digest"], since=entry.at)
        for tenant, entry in sorted(last.items())
    }


def _position(entries: Sequence[Entry], checkpoints: Iterable[Entry]) -> Position:
    first, last = entries[0].index, entries[-1].index
    covers = next((one for one in checkpoints if one.fact["size"] > last), None)
    pointed = {**_noted(covers), "size": covers.fact["size"], "root": covers.fact["root"]} if covers else None
    return Position(first=first, last=last, entries=len(entries), checkpoint=pointed)
