"""A change record as a page: for a terminal, and as Markdown. It decides nothing."""

from collections.abc import Iterator
from typing import Any

from stationmaster.domain.change_record import Asked, ChangeRecord, Fact, Given, Stay
from stationmaster.domain.migration_forecast import outline
from stationmaster.domain.plan import name_of
from stationmaster.domain.retention import kept
from stationmaster.domain.summary import escaped

Section = tuple[str, list[str]]
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def text(record: ChangeRecord) -> str:
    """For a terminal: nothing that was written elsewhere moves its cursor or changes its colours."""
    parts = [_title(record)]
    for title, lines in sections(record):
        parts.append("\n".join([title, *(f"  {_plain(line)}" for line in lines)]))
    return "\n\n".join(parts)


def markdown(record: ChangeRecord) -> str:
    """As Markdown: what was written elsewhere stays text."""
    parts = [f"# {escaped(_title(record))}"]
    for title, lines in sections(record):
        parts.append("\n".join([f"## {title}", "", *(f"- {escaped(line)}" for line in lines)]))
    return "\n\n".join(parts) + "\n"


def sections(record: ChangeRecord) -> list[Section]:
    """What there is to say, part by part, in the order in which an auditor asks. A part that is empty says so where one
    is expected, and is left out elsewhere.
    """
    found = [
        ("Asked for", list(_asked(record))),
        ("Changes", [f"{one.commit[:12]} {one.subject}" for one in record.changes] or ["none"]),
        ("Built and tested", list(_made(record))),
        ("Scanned", list(_scanned(record.scanned))),
        ("Approved", list(_approved(record))),
        ("Waived", [f"{one.at} {one.subject}: {_gates(one)}" for one in record.waivers]),
        ("Production", list(_production(record))),
        ("Verdicts", [f"{one.at} {one.wave}: {one.verdict}, {one.reason}" for one in record.verdicts]),
        ("Rollback", list(_rollbacks(record))),
        ("What stopped it", [f"{one.at} {one.step}: {one.fact['message']}" for one in record.trouble]),
        ("In the ledger", list(_position(record))),
        ("Evidence is kept", kept(record.retention)),
    ]
    return [(title, lines) for title, lines in found if lines]


def lasted(seconds: int) -> str:
    """A time in its two largest units: `3d 4h`."""
    parts: list[str] = []
    for unit, length in _UNITS:
        if seconds >= length or (unit == "s" and not parts):
            parts.append(f"{seconds // length}{unit}")
            seconds %= length
    return " ".join(parts[:2])


def _title(record: ChangeRecord) -> str:
    ended = f" {record.ended.at}" if record.ended else ""
    return f"{record.release}: {record.product} {record.version or '(no version yet)'}, {record.stage}{ended}"


def _asked(record: ChangeRecord) -> Iterator[str]:
    asked = record.asked
    how = f", confirmed by {asked.assurance}" if asked.assurance else ""
    yield f"{asked.at} by {_who(asked)} as {record.kind} from {asked.ref}{how}"
    yield f"tickets: {', '.join(record.tickets) or 'none linked'}"


def _made(record: ChangeRecord) -> Iterator[str]:
    if record.built:
        fact = record.built.fact
        yield f"{record.built.at} built from {record.commit}: {fact['digest']}, {fact['size']:,} bytes"
    else:
        yield "not built"
    if record.tested:
        yield from (f"{record.tested.at} check {_check(one)}" for one in record.tested.fact["checks"])
        if not record.tested.fact["checks"]:
            yield f"{record.tested.at} the product declares no checks"
    else:
        yield "not tested"
    if record.rehearsed:
        yield from (f"{record.rehearsed.at} rehearsed {outline(one)}" for one in record.rehearsed.fact["estimates"])
    if record.staged:
        yield f"{record.staged.at} proved in stage on schema {record.staged.fact['revision'] or '(none)'}"


def _check(check: dict[str, Any]) -> str:
    tests = f", {check['tests']} tests" if "tests" in check else ""
    held = f", {len(check['quarantined'])} quarantined" if check.get("quarantined") else ""
    covered = f", coverage {check['coverage']}" if check.get("coverage") is not None else ""
    return f"{check['name']} passed in {check['seconds']} s{tests}{held}{covered}, log {check['log']}"


def _scanned(scanned: Fact | None) -> Iterator[str]:
    for name, found in (scanned.fact if scanned else {}).items():
        if isinstance(found, dict) and "result" in found:
            yield f"{name}: {found['result']}" + (f", {found['digest']}" if found.get("digest") else "")


def _approved(record: ChangeRecord) -> Iterator[str]:
    if record.mandated:
        yield f"mandate {record.mandated.fact['digest']}, until {record.mandated.fact['ends']}"
    yield from (_given(one) for one in record.approvals)
    yield from (f"{one.at} reviewed: {one.fact['verdict']}, {one.fact['reason']}" for one in record.reviews)
    if record.approved:
        yield f"{record.approved.at} the quorum was met by {' and '.join(record.approved.fact['roles'])}"
    else:
        yield "no quorum stands"


def _given(one: Given) -> str:
    counts = f", refused: {one.refused}" if one.refused else ""
    why = f" ({one.ticket}: {one.reason})" if one.action == "emergency" else ""
    how = f", {one.assurance}" if one.assurance else ""
    return f"{one.at} {one.action}{why} by {_who(one)} with {one.by}{how}{counts}"


def _gates(passed: Fact) -> str:
    return ", ".join(f"{gate['gate']} ({', '.join(gate['tickets'])})" for gate in passed.fact["gates"])


def _production(record: ChangeRecord) -> Iterator[str]:
    if record.planned:
        yield f"planned: {' → '.join(map(_wave, record.planned.fact['waves'])) or 'nobody'}"
    for one in record.migrations:
        after = "not known to have ended" if one.after is None else f"at {', '.join(one.after) or '(empty)'}"
        what = "contract of database" if one.phase == "contract" else "database"
        yield f"{one.at} {what} {one.instance}: from {', '.join(one.before) or '(empty)'}, {after}"
    yield from (_stay(one) for one in record.tenants)
    if not record.tenants:
        yield "no tenant had it"


def _wave(wave: dict[str, Any]) -> str:
    slot = f" at {wave['start']}" if wave.get("start") else ""
    return f"{name_of(wave)} ({len(wave['tenants'])}){slot}"


def _stay(stay: Stay) -> str:
    if stay.until is None or stay.seconds is None:
        return f"{stay.at} {stay.tenant} on {stay.instance or '?'}, and still"
    return f"{stay.at} {stay.tenant} on {stay.instance or '?'} for {lasted(stay.seconds)}, until {stay.ended_by}"


def _rollbacks(record: ChangeRecord) -> Iterator[str]:
    for one in record.rollbacks:
        end = f"; {one.ended} {one.ended_at}" if one.ended else "; not over"
        took = f", the last request {one.seconds_to_last} s after" if one.seconds_to_last is not None else ""
        requests = "bad request" if one.bad_requests == 1 else "bad requests"
        bad = f", {one.bad_requests} {requests}" if one.bad_requests is not None else ""
        yield f"{one.at} ordered for the {one.scope}, {one.cause}: {one.reason}{end}{took}{bad}"


def _position(record: ChangeRecord) -> Iterator[str]:
    place = record.position
    yield f"{place.entries} entries, from {place.first} to {place.last}"
    point = place.checkpoint
    if point is None:
        yield "no checkpoint covers all of them yet"
    else:
        yield f"checkpoint of {point['size']} entries, {point['at']}: {point['root']}"


def _who(one: Asked | Given) -> str:
    if one.tampered:
        return f"somebody (the personal data of entry {one.entry} was tampered with)"
    return "somebody whose name was erased" if one.erased else one.who or "somebody unnamed"


def _plain(line: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in line)
