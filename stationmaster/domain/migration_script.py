"""A text of SQL as bytes, tokens and statements: what stands on which line, and what of it can be read at all."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import postgast
from postgast import pg_query_pb2 as pg

from stationmaster.domain.migration_rule import Hit

_REVISION = re.compile(rb"-- Running upgrade .*?-> ?(\S+)")
_COMMENTS = {pg.SQL_COMMENT, pg.C_COMMENT}


@dataclass(frozen=True, slots=True)
class Script:
    """The text, its tokens, and where each line but the first, each statement and each revision begins."""

    sql: bytes
    lines: list[int]
    tokens: list[Any]
    starts: list[int]
    comments: list[Any]
    statements: list[int]
    revisions: list[tuple[int, str]]

    def line(self, offset: int) -> int:
        return bisect_right(self.lines, offset) + 1

    def revision(self, offset: int) -> str | None:
        """The revision whose heading stands before an offset."""
        before = bisect_right(self.revisions, offset, key=lambda one: one[0])
        return self.revisions[before - 1][1] if before else None

    def statement(self, offset: int) -> int | None:
        """The number of the statement that holds the token at an offset."""
        return bisect_right(self.statements, offset) - 1 if self.statements and offset >= self.statements[0] else None

    def commented(self, comment: Any) -> int | None:  # noqa: ANN401 - a token of the scanner
        """The number of the statement that a comment is at: around it, after it or before it on its line, else the
        next one.
        """
        after = bisect_left(self.starts, comment.start)
        before = after - 1
        if after < len(self.tokens):
            following = self.statement(self.starts[after])
            if b"\n" not in self.sql[comment.end : self.starts[after]]:
                return following
            if before >= 0 and following == self.statement(self.starts[before]):
                return following
        if before >= 0 and b"\n" not in self.sql[self.tokens[before].end : comment.start]:
            return self.statement(self.starts[before])
        upcoming = bisect_left(self.statements, comment.start)
        return upcoming if upcoming < len(self.statements) else None


def script_of(sql: str, locations: list[int]) -> Script:
    """A statement begins at its first token: comments before it do not count."""
    raw = sql.encode()
    scanned = postgast.scan(sql).tokens
    tokens = [token for token in scanned if token.token not in _COMMENTS]
    comments = [token for token in scanned if token.token in _COMMENTS]
    starts = [token.start for token in tokens]
    headings = ((one.start, _REVISION.match(raw, one.start)) for one in comments if one.token == pg.SQL_COMMENT)
    return Script(
        raw,
        [match.end() for match in re.finditer(rb"\n", raw)],
        tokens,
        starts,
        comments,
        [starts[bisect_left(starts, at)] if starts else len(raw) for at in locations],
        [(start, match[1].decode()) for start, match in headings if match],
    )


def unreadable(sql: str) -> tuple[Hit, int] | None:
    """Why the text as a whole cannot be read, and the line."""
    if "\x00" in sql:  # a C string ends there, and with it what the parser sees
        return Hit("unrenderable", "the text holds a NUL byte"), sql.count("\n", 0, sql.index("\x00")) + 1
    try:
        postgast.parse(sql)
    except postgast.PgQueryError as error:
        line = sql.count("\n", 0, max(0, (error.cursorpos or 1) - 1)) + 1
        return Hit("unrenderable", f"PostgreSQL cannot parse this: {error.message}"), line
    return None


def readable(sql: str) -> tuple[str, list[tuple[Hit, int]]]:
    """The text with what does not parse blanked out, so that every line stays where it is, and what that was."""
    whole = unreadable(sql)
    if whole is None:
        return sql, []
    kept, unread = bytearray(sql.encode()), []
    for start, end in _pieces(sql):
        piece = bytes(kept[start:end])
        if found := unreadable(piece.decode()):
            unread.append((found[0], start + _offset(piece, found[1])))
            kept[start:end] = _blank(piece)
    if unread and unreadable(kept.decode()) is None:
        return kept.decode(), unread
    raw = sql.encode()
    return _blank(raw).decode(), [(whole[0], _offset(raw, whole[1]))]


def _offset(raw: bytes, line: int) -> int:
    """Where a line begins."""
    return sum(len(before) + 1 for before in raw.split(b"\n")[: line - 1])


def _blank(raw: bytes) -> bytes:
    """As long, with the same lines, and nothing in them."""
    return re.sub(rb"[^\n]", b" ", raw)


def _pieces(sql: str) -> Iterator[tuple[int, int]]:
    """Where statements begin and end, as far as semicolons say; nothing where not even words can be told apart."""
    try:
        tokens = [] if "\x00" in sql else postgast.scan(sql).tokens
    except postgast.PgQueryError:
        return
    start = 0
    for token in tokens:
        if token.token == pg.ASCII_59:
            yield start, token.end
            start = token.end
    yield start, len(sql.encode())
