"""Which statements of an expand would break the code that still runs on the old schema.

It reads the SQL that Alembic renders offline, with PostgreSQL's own parser, so that a word in a comment or a text
never counts. It does not run anything. What it cannot see into is an error, not a pass.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import postgast
from postgast import pg_query_pb2 as pg

from stationmaster.domain.expand_rules import RENDER, Broken, broken_by

_REVISION = re.compile(rb"-- Running upgrade .*?-> ?(\S+)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the linter says, where, which lock the statement takes, and what to write instead."""

    rule: str
    message: str
    fix: str
    line: int
    severity: Literal["error", "warning", "info"] = "error"
    revision: str | None = None
    file: str | None = None
    lock: str | None = None

    def record(self) -> dict[str, str | int | None]:
        """The finding of `--json`."""
        names = ("rule", "severity", "revision", "file", "line", "lock", "message", "fix")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class _Script:
    """The text, where its tokens start, and where each revision begins."""

    sql: bytes
    starts: list[int]
    revisions: list[tuple[int, str]]

    def line(self, offset: int) -> int:
        """The line of the first token at or after an offset; comments before a statement do not count."""
        return self.sql.count(b"\n", 0, self._first(offset)) + 1

    def revision(self, offset: int) -> str | None:
        """The revision whose heading stands before the first token at or after an offset."""
        start = self._first(offset)
        return next((name for at, name in reversed(self.revisions) if at <= start), None)

    def _first(self, offset: int) -> int:
        index = bisect_left(self.starts, offset)
        return self.starts[index] if index < len(self.starts) else len(self.sql)


def lint_expand(sql: str, files: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    """Findings in the order of the text. `line` counts in `sql`; `files` maps a revision to its file."""
    if "\x00" in sql:  # a C string ends there, and with it what the parser sees
        line = sql.count("\n", 0, sql.index("\x00")) + 1
        return (Finding("unrenderable", "the text holds a NUL byte", RENDER, line),)
    try:
        parsed, script = postgast.parse(sql), _script(sql)
    except postgast.PgQueryError as error:
        line = sql.count("\n", 0, max(0, (error.cursorpos or 1) - 1)) + 1
        return (Finding("unrenderable", f"PostgreSQL cannot parse this: {error.message}", RENDER, line),)
    created: set[str] = set()
    return tuple(
        _finding(broken, script.revision(raw.stmt_location), script.line(raw.stmt_location), files or {})
        for raw in parsed.stmts
        for broken in broken_by(postgast.unwrap_node(raw.stmt), created)
    )


def _finding(broken: Broken, revision: str | None, line: int, files: Mapping[str, str]) -> Finding:
    return Finding(
        broken.rule,
        broken.message,
        broken.fix,
        line,
        revision=revision,
        file=files.get(revision or ""),
        lock=broken.lock,
    )


def _script(sql: str) -> _Script:
    raw = sql.encode()
    tokens = postgast.scan(sql).tokens
    comments = {pg.SQL_COMMENT, pg.C_COMMENT}
    headings = ((token.start, _REVISION.match(raw, token.start)) for token in tokens if token.token == pg.SQL_COMMENT)
    return _Script(
        raw,
        [token.start for token in tokens if token.token not in comments],
        [(start, match[1].decode()) for start, match in headings if match],
    )
