"""Rows as CSV (RFC 4180) that a spreadsheet opens without carrying anything out."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

# What begins with one of these is a formula to a spreadsheet, whatever cannot be seen stands before it; the last four
# are full-width forms, which some take for the others. (OWASP: CSV injection.) Who parts cells by `;` or tabs and not
# by commas parts quoted ones too, all but the first of a row, and takes their quotes away: so no part of a cell may
# begin like that.
_UNSEEN = (
    r'[ "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]*'
)
_FORMULA = re.compile(rf"(^|[;\t\r\n])({_UNSEEN}[=+\-@\uff1d\uff0b\uff0d\uff20])")
_CONTROLS = ("\t", "\r", "\n")  # some take a cell that begins so for a formula


def as_csv(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Heads and rows, every cell in quotes, with CRLF at the end of each line. What would be a formula gets a `'` in
    front, which spreadsheets do not show; None is an empty cell, true and false are said in words.
    """
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerow([cell(head) for head in heads])
    writer.writerows([cell(value) for value in row] for row in rows)
    return made.getvalue()


def cell(value: object) -> str:
    """One value as it stands in a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = _FORMULA.sub(r"\1'\2", str(value))
    return f"'{text}" if text.startswith(_CONTROLS) else text
