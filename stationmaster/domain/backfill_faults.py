"""What an error of PostgreSQL means for a backfill, by its SQLSTATE; and what of its words may be told."""

import re
from typing import Literal

Fault = Literal[
    "row",  # a row of the batch is in the way: find it
    "busy",  # somebody holds what is needed: again, later
    "away",  # the server or the connection: again, on another one
    "full",  # no room: a few times more, then stop
    "slow",  # the batch was ended: a smaller one
    "ours",  # nothing that goes away by itself: stop
]
_BUSY = {"55P03", "40P01", "40001"}
_AWAY = ("08", "57P", "53", "25P03", "25P04", "58")
_ROW = ("22", "23", "54", "38", "39", "44", "P0", "21", "2F", "0A")
_QUOTED = re.compile(r'"[^"]*"')
_LONGEST = 200


def fault(sqlstate: str | None) -> Fault:
    """None is a connection that broke without a word."""
    if sqlstate is None:
        return "away"
    if sqlstate in _BUSY:
        return "busy"
    if sqlstate == "53100":
        return "full"
    if sqlstate == "57014":
        return "slow"
    if sqlstate.startswith(_AWAY):
        return "away"
    return "row" if sqlstate.startswith(_ROW) else "ours"


def told(sqlstate: str | None, primary: str | None) -> str:
    """PostgreSQL's own sentence, without a value of the row. Only where data is wrong are values quoted in it."""
    said = " ".join((primary or "the connection broke").split())
    if (sqlstate or "").startswith("22"):
        said = _QUOTED.sub('"…"', said)
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
