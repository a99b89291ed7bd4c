"""What a text of SQL does that others wait for, or that the code which still runs would not survive.

It reads the text with PostgreSQL's own parser, so that a word in a comment or a string never counts. It does not run
anything. What it cannot see into is an error, not a pass. Which rules there are is `migration_rules.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import postgast
from postgast import pg_query_pb2 as pg

from stationmaster.domain.migration_allowed import Allowed, faults, is_ours, read_comment
from stationmaster.domain.migration_data import of_data
from stationmaster.domain.migration_locks import of_locks
from stationmaster.domain.migration_old_code import of_old_code
from stationmaster.domain.migration_rule import OF_RULE, Hit, Scope, Severity
from stationmaster.domain.migration_rules import EVERY
from stationmaster.domain.migration_script import Script, readable, script_of, unreadable
from stationmaster.domain.migration_transactions import observe, of_transaction

_LONGEST = 63  # bytes of an identifier; PostgreSQL cuts off the rest


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the linter says, where, which lock the statement takes, and what to write instead. `reason` is what an
    exception at the statement gives; its severity is then info.
    """

    rule: str
    message: str
    fix: str
    line: int
    severity: Severity = "error"
    revision: str | None = None
    file: str | None = None
    lock: str | None = None
    reason: str | None = None

    def record(self) -> dict[str, str | int | None]:
        """The finding of `--json`."""
        names = ("rule", "severity", "revision", "file", "line", "lock", "message", "fix")
        said = {"message": f"{self.message} (allowed because {self.reason})" if self.reason else self.message}
        return {name: getattr(self, name) for name in names} | said


@dataclass(frozen=True, slots=True)
class _Found:
    """A hit, the byte where it stands, and the number of its statement."""

    hit: Hit
    offset: int
    statement: int | None


def lint(sql: str, file: str, revision: str | None = None, scope: Scope | None = None) -> tuple[Finding, ...]:
    """Findings of every rule in the order of the text; exceptions in comments count. `line` counts in `sql`. `scope` is
    what was done before the text, and then also what it does.
    """
    text, unread = readable(sql)
    script, found = _read(text, scope)
    found += [_Found(hit, at, None) for hit, at in unread]
    allowed = list(_exceptions(script))
    known = {(one.hit.rule, one.statement) for one in found}
    found += [_Found(hit, one.offset, one.statement) for one in allowed for hit in faults(one, known)]
    ordered = sorted(found, key=lambda one: one.offset)
    return tuple(
        finding(one.hit, script.line(one.offset), revision or file, file, _reason(one, allowed)) for one in ordered
    )


def lint_expand(sql: str, files: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    """What the gate of a release refuses, in the order of the text. No comment excuses it. `line` counts in `sql`;
    `files` maps a revision to its file.
    """
    if whole := unreadable(sql):
        return (finding(*whole),)
    script, found = _read(sql)
    return tuple(
        finding(one.hit, script.line(one.offset), name, (files or {}).get(name or ""))
        for one in found
        if EVERY[one.hit.rule].refused
        for name in [script.revision(one.offset)]
    )


def lint_contract(sql: str) -> tuple[str, ...]:
    """What a contract may not do though it may take away: each error of a rule that is not about old code, in words. No
    comment excuses it.
    """
    if whole := unreadable(sql):
        return (str(whole[0].message),)
    _, found = _read(sql)
    hard = [one.hit for one in found if EVERY[one.hit.rule].group != "Old code on new schema"]
    return tuple(f"{hit.rule}: {hit.message}" for hit in hard if (hit.severity or EVERY[hit.rule].severity) == "error")


def finding(
    hit: Hit, line: int, revision: str | None = None, file: str | None = None, reason: str | None = None
) -> Finding:
    """What a hit is for whoever reads it."""
    rule = EVERY[hit.rule]
    severity = "info" if reason else hit.severity or rule.severity
    lock = rule.lock if hit.lock == OF_RULE else hit.lock
    return Finding(rule.id, hit.message, rule.fix, line, severity, revision, file, lock, reason)


def _reason(found: _Found, allowed: list[Allowed]) -> str | None:
    return next((one.reason for one in allowed if one.excuses(found.hit.rule, found.statement)), None)


def _read(sql: str, scope: Scope | None = None) -> tuple[Script, list[_Found]]:
    """The script and what its statements do, one after the other."""
    parsed, scope = postgast.parse(sql).stmts, scope or Scope()
    script = script_of(sql, [raw.stmt_location for raw in parsed])
    nodes = [postgast.unwrap_node(raw.stmt) for raw in parsed]
    if any(type(node).__name__ == "TransactionStmt" for node in nodes) or _is_split(nodes):
        scope.transaction = False
    found: list[_Found] = []
    for number, node in enumerate(nodes):
        found += [_Found(hit, script.statements[number], number) for hit in _hits(node, scope)]
        observe(node, scope)
    found += [_Found(hit, at, script.statement(at)) for hit, at in _long_names(script)]
    return script, sorted(found, key=lambda one: one.offset)


def _is_split(nodes: list[Any]) -> bool:
    """Whether the text has what no transaction may hold, so that whoever runs it runs each statement alone."""
    return any(
        hit.rule == "concurrent_in_transaction"
        for node in nodes
        for hit in of_transaction(node, Scope(transaction=True))
    )


def _hits(node: Any, scope: Scope) -> Iterator[Hit]:  # noqa: ANN401 - any node of the tree
    """What a statement does to what was there before the text."""
    for hit in (*of_old_code(node), *of_locks(node, scope), *of_transaction(node, scope), *of_data(node, scope)):
        if hit.of is None or hit.of not in scope.created:
            yield hit


def _long_names(script: Script) -> Iterator[tuple[Hit, int]]:
    told: set[bytes] = set()
    for token in script.tokens:
        name = script.sql[token.start : token.end].strip(b'"').replace(b'""', b'"')
        if token.token in {pg.IDENT, pg.UIDENT} and len(name) > _LONGEST and name not in told:
            told.add(name)
            kept = name[:_LONGEST].decode(errors="ignore")
            yield Hit("identifier_too_long", f"a name of {len(name)} bytes, of which {kept} is left"), token.start


def _exceptions(script: Script) -> Iterator[Allowed]:
    for comment in script.comments:
        text = script.sql[comment.start : comment.end].decode()
        if is_ours(text):
            yield read_comment(text, comment.start, script.commented(comment))
