"""An entry of the ledger as one sentence, as it is shown to whoever follows a release."""

from collections.abc import Callable, Iterable
from typing import Any

from stationmaster.domain.entries import Entry
from stationmaster.domain.freeze import closing_in_words, in_words
from stationmaster.domain.interruption import Interruption
from stationmaster.domain.migration_forecast import beside, outline
from stationmaster.domain.modes import in_words as in_mode_words
from stationmaster.domain.plan import name_of

_SENTENCES: dict[str, Callable[[Entry, dict[str, Any]], str]] = {
    "confirmed": lambda _e, f: f"{f['product']} from {f['ref']} is wanted, confirmed by {f['assurance']}",
    "started": lambda _e, f: f"started from {f['ref']}",
    "cut": lambda _e, f: f"cut {f['version']} at {f['commit'][:12]}, {_count(f['changes'], 'change')} aboard",
    "built": lambda _e, f: f"built once in {f['seconds']:.1f} s: {f['digest'][:19]}…, {f['size']:,} bytes",
    "tested": lambda _e, f: f"{_count(f['checks'], 'check')} passed against the artifact",
    "rehearsed": lambda _e, f: f"schema change rehearsed: {'; '.join(outline(one) for one in f['estimates'])}",
    "staged": lambda _e, f: f"stage passed on schema {f['revision'] or '(none)'} with {_count(f['pairs'], 'version')}",
    "planned": lambda _e, f: (
        f"planned{_anew(f)}: " + " → ".join(f"{name_of(w)} ({len(w['tenants'])})" for w in f["waves"])
    ),
    "linked": lambda _e, f: f"asked for in {', '.join(f['tickets'])}",
    "scanned": lambda _e, f: f"scanned: {_scans(f)}",
    "mandated": lambda _e, f: f"to be signed: mandate {f['digest'][:19]}…, until {f['ends']}",
    "approval": lambda e, f: f"{_approval(f)} by {e.subject[:16]}…",
    "refused": lambda e, f: f"the approval by {e.subject[:16]}… does not count: {f['rule']}",
    "approved": lambda _e, f: f"approved by {' and '.join(f['roles'])}",
    "ratified": lambda e, f: f"{e.subject} is in force: {f['digest'][:19]}…",
    "signed": lambda e, _f: f"a signature for {e.subject}",
    "reviewed": lambda _e, f: f"the emergency was looked at: {f['verdict']}, {f['reason']}",
    "consented": lambda e, f: f"{e.subject} agrees, {f['by']}",
    "declined": lambda e, f: f"{e.subject} does not agree, {f['by']}: {f['reason']}",
    "attested": lambda e, f: f"signed what was found of {e.subject}: {f['predicate'].rpartition('/v')[0]}",
    "checkpointed": lambda _e, f: f"checkpoint of {f['size']:,} entries published: {', '.join(f['places'])}",
    "closed": lambda _e, f: f"evidence laid together: {f['state']}, {_count(f['leaves'], 'entry', 'entries')}",
    "drifted": lambda e, f: f"{e.subject}: {_count(f['found'], 'deviation')} among {_count(f['tenants'], 'tenant')}",
    "backfilling": lambda _e, f: f"backfill {f['name']} begins on database {f['database']}",
    "backfilled": lambda _e, f: (
        f"backfill {f['name']} on database {f['database']}: {f['rows']:,} rows, verified for {_backfilled(f)}"
    ),
    "briefed": lambda _e, f: f"support brief posted in #{f['channel'].lstrip('#')}",
    "expanding": lambda e, f: f"database {e.subject} is being expanded from {_heads(f['before'])}",
    "expanded": lambda e, f: f"database {e.subject} {_revisions(f)}",
    "notice": lambda _e, f: f"to be told: {Interruption.read(f)}",
    "mode_on": lambda e, f: f"{e.subject} is {in_mode_words(f['mode'])}: {f['why']}",
    "mode_off": lambda e, f: f"{e.subject} is served in full again{_lasted(f)}: {f['why']}",
    "contract": lambda _e, _f: "its contract is wanted",
    "contract_mandated": lambda _e, f: f"to be signed: the contract of {_and(f['databases'])}, until {f['ends']}",
    "contract_approved": lambda _e, f: f"the contract is approved by {' and '.join(f['roles'])}",
    "contracting": lambda e, f: f"database {e.subject} is being contracted from {_heads(f['before'])}",
    "contract_stopped": lambda e, f: f"database {e.subject} is not contracted after all: {f['message']}",
    "contracted": lambda e, f: f"database {e.subject} {_contracted(f)}",
    "proved": lambda _e, f: f"{_count(f['pairs'], 'version')} proved in stage on the contracted schema {f['revision']}",
    "contract_over": lambda _e, f: f"the contract is over: {_and(f['databases'])}",
    "deployed": lambda e, f: f"{e.subject} → {f['version']} ({f['instance']} {f['colour']})",
    "flagged": lambda e, f: f"flags of {e.subject} published: {f['file']} of {f['commit'][:12]}",
    "verdict": lambda e, f: f"wave {e.subject}: {f['verdict']}, {f['reason']}",
    "promoted": lambda e, f: f"wave {e.subject} is good: {_count(f['tenants'], 'tenant')}",
    "held": lambda e, f: f"held at {e.subject}: {f['message']}",
    "advanced": lambda e, f: f"{e.subject} may be followed by the next although it is held: {f['reason']}",
    "skipped": lambda e, f: f"{e.subject} is left out: {f['reason']}",
    "unskipped": lambda e, f: f"{e.subject} is not left out any more: {f['reason']}",
    "waiting": lambda _e, f: f"waits for {f['for']}: {f['message']}",
    "failed": lambda _e, f: f"failed in {f['step'] or 'the flow'}: {f['message']}",
    "aborted": lambda _e, f: f"aborted: {f['reason']}",
    "adopted": lambda e, f: f"{e.subject} runs {f['version']}",
    "released": lambda _e, f: f"released to {_count(f['tenants'], 'tenant')}",
    "rollback": lambda _e, f: f"rollback of {_scope(f)}: {f['reason']}",
    "rolled_back": lambda e, f: f"{e.subject} is back on {f['version']}",
    "contained": lambda _e, f: f"{_count(f['tenants'], 'tenant')} back{_took(f)}; {_keep(f['left'])} it",
    "restored": lambda _e, f: f"rolled back: {_count(f['tenants'], 'tenant')} on the version before{_took(f)}",
    "lifted": lambda _e, f: f"its changes may be released again: {f['reason']}",
    "told": lambda e, f: f"brief updated: {e.subject} {f['progress']}",
    "merged_back": lambda _e, f: f"merged back into {f['into']}" + (f": {f['reason']}" if f.get("reason") else ""),
    "paused": lambda _e, f: f"paused: {f['reason']}",
    "resumed": lambda _e, f: f"resumed: {f['reason']}",
    "waived": lambda _e, f: f"a waiver for {in_words(f['gate'])}{_until(f)}, {f['ticket']}: {f['reason']}",
    "unwaived": lambda e, f: f"the waiver {_key(e.subject)} is revoked: {f['reason']}",
    "passed": lambda e, f: f"at {in_words(e.subject)}: passes {' and '.join(_pass(one) for one in f['gates'])}",
    "frozen": lambda e, f: f"{e.subject} is frozen{_until(f)}: {f['reason']}",
    "thawed": lambda e, f: f"the freeze of {e.subject} is over: {f['reason']}",
}


def sentence(entry: Entry) -> str:
    """What happened, in a few words. Every step of the ledger has one."""
    return _SENTENCES[entry.step](entry, entry.fact)


def _scope(fact: dict[str, Any]) -> str:
    """What goes back, in words."""
    if fact["scope"] == "release":
        return "the release"
    return f"{', '.join(fact['tenants'])}{' and all on the same instance' if fact['scope'] == 'instance' else ''}"


def _took(fact: dict[str, Any]) -> str:
    seconds = fact["seconds_to_last"]
    bad = fact["bad_requests"]
    counted = f", {_count(bad, 'request')} bad" if bad is not None else ""
    return f" {seconds:.1f} s after the decision{counted}" if seconds is not None else counted


def _keep(left: list[str]) -> str:
    return f"{', '.join(left)} {'keeps' if len(left) == 1 else 'keep'}"


def _until(fact: dict[str, Any]) -> str:
    return f" until {fact['until']}" if fact["until"] else ""


def _key(subject: str) -> str:
    gate, _, key = subject.rpartition("/")
    return f"for {in_words(gate)} by key {key[:16]}…"


def _pass(gate: dict[str, Any]) -> str:
    waivers = f"{_count(gate['waivers'], 'waiver')} ({', '.join(gate['tickets'])})"
    return f"{closing_in_words(gate['gate'])} by {waivers}{_until(gate)}"


def _anew(fact: dict[str, Any]) -> str:
    """Why it was planned again; of the first plan nothing."""
    return f" anew, {fact['why']}" if fact.get("why") else ""


def _approval(fact: dict[str, Any]) -> str:
    """What sort of approval; those of older ledgers are all signatures for a deploy."""
    if fact.get("action") == "emergency":
        return f"an emergency approval ({fact['ticket']}: {fact['reason']})"
    return "an approval" if fact.get("assurance") == "attested_by_channel" else "a signature"


def _scans(fact: dict[str, Any]) -> str:
    """What each scan says of itself, in a word."""
    return ", ".join(f"{name} {fact[name]['result']}" for name in ("sbom", "vulnerabilities", "secrets") if fact[name])


def _lasted(fact: dict[str, Any]) -> str:
    """How long it was not; unknown where nobody said when that began."""
    return f", {in_mode_words(fact['mode'])} for {fact['seconds']} s" if fact["seconds"] is not None else ""


def _count(things: list[Any] | int, noun: str, nouns: str = "") -> str:
    number = things if isinstance(things, int) else len(things)
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


def _backfilled(fact: dict[str, Any]) -> str:
    left = f", not for {', '.join(sorted(fact['left']))}" if fact["left"] else ""
    return _count(fact["tenants"], "tenant") + left


def _heads(revisions: list[str]) -> str:
    return ", ".join(revisions) or "empty"


def _and(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))


def _contracted(fact: dict[str, Any]) -> str:
    before, after = _heads(fact["before"]), _heads(fact["after"])
    if fact.get("given_back"):
        return f"has back what the contract took: {after}"
    return f"is at {after} already" if fact["before"] == fact["after"] else f"contracted from {before} to {after}"


def _revisions(fact: dict[str, Any]) -> str:
    before, after = _heads(fact["before"]), _heads(fact["after"])
    if fact["before"] == fact["after"]:
        return f"is at {after} already"
    return f"expanded from {before} to {after}{beside(fact.get('rehearsed'))}"
