"""Text of PostgreSQL to values of Python and back, for a backfill's function of a batch.

It runs in the guest process, which starts at once: nothing but the standard library is imported. Nothing is silently
made to fit: what Python has no value for, and what a column has no room for, is a ValueError.
"""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from operator import index
from typing import Any
from uuid import UUID

Parse = Callable[[str], Any]
Suits = Callable[[type], bool]
Spell = Callable[[Any], str]
WRONG = (ValueError, TypeError, ArithmeticError, RecursionError, LookupError)  # what a value that does not fit raises


# Text to values


def parser(kind: str) -> Parse:
    """Makes a value of PostgreSQL's text; what Python has no type for stays text."""
    if kind.endswith("[]"):
        inner = parser(kind.removesuffix("[]"))
        return lambda array: _array(array, inner)
    return _PARSERS.get(plain(kind), str)


def plain(kind: str) -> str:
    """A type without its modifier: `numeric(12,2)` is numeric."""
    begin, _, rest = kind.partition("(")
    return f"{begin.strip()} {rest.partition(')')[2].strip()}".strip() if rest else kind


def _boolean(text: str) -> bool:
    return text in {"t", "true"}


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("\\x"))


def _json(text: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(text, parse_float=_number)


def _number(text: str) -> float | Decimal:
    """A float where that is the same number; what goes out again is what came in."""
    near, exact = float(text), Decimal(text)
    return near if Decimal(repr(near)) == exact else exact


_PARSERS: dict[str, Parse] = {
    "smallint": int, "integer": int, "bigint": int, "numeric": Decimal, "real": float, "double precision": float,
    "boolean": _boolean, "bytea": _bytes, "uuid": UUID, "json": _json, "jsonb": _json, "date": date.fromisoformat,
    "timestamp without time zone": datetime.fromisoformat, "timestamp with time zone": datetime.fromisoformat,
    "time without time zone": time.fromisoformat,
}  # fmt: skip


def _array(text: str, inner: Parse) -> list[Any]:
    begin = text.index("{")  # before it stand bounds that do not begin at 1
    items, end = _items(text, begin + 1, inner)
    if end != len(text):
        raise ValueError("more than an array")
    return items


def _items(text: str, at: int, inner: Parse) -> tuple[list[Any], int]:
    """From behind a brace to behind the one that closes it."""
    items: list[Any] = []
    while text[at] != "}":
        item, at = _item_of(text, at, inner)
        items.append(item)
        at += text[at] == ","
    return items, at + 1


def _item_of(text: str, at: int, inner: Parse) -> tuple[Any, int]:
    if text[at] == "{":
        return _items(text, at + 1, inner)
    if text[at] == '"':
        word, at = _quoted(text, at + 1)
        return inner(word), at
    end = min(place for place in (text.find(",", at), text.find("}", at)) if place >= 0)
    return None if text[at:end] == "NULL" else inner(text[at:end]), end


def _quoted(text: str, at: int) -> tuple[str, int]:
    found: list[str] = []
    while text[at] != '"':
        at += text[at] == "\\"
        found.append(text[at])
        at += 1
    return "".join(found), at + 1


# Values to text


def formatter(kind: str) -> tuple[Suits, Spell]:
    """Which types suit a column, and how one of them is spelt. Nothing is silently made to fit."""
    if kind.endswith("[]"):
        inner = formatter(kind.removesuffix("[]"))
        return (lambda one: issubclass(one, list | tuple)), (lambda value: _spelt(value, *inner))
    return _FORMATTERS.get(plain(kind), (lambda one: issubclass(one, str), text))


def text(value: str) -> str:
    """Members of an enumeration too, as what they stand for."""
    return str.__str__(value)


def _is_whole(one: type) -> bool:
    return hasattr(one, "__index__") and one is not bool


def _is_number(one: type) -> bool:
    return _is_whole(one) or issubclass(one, float | Decimal)


def _of_number(value: Any) -> str:  # noqa: ANN401
    return (
        str(index(value))
        if _is_whole(type(value))
        else str(value)
        if isinstance(value, Decimal)
        else float.__repr__(value)
    )


def _of_naive(value: datetime) -> str:
    if value.tzinfo is not None:
        raise ValueError("has a zone")
    return value.isoformat(" ")


def _of_aware(value: datetime) -> str:
    if value.utcoffset() is None:
        raise ValueError("has no zone")
    return value.isoformat(" ")


def _of_json(value: Any) -> str:  # noqa: ANN401
    """As `json.dumps`, and exact numbers stay what they are. NaN is none of JSON's."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except TypeError:
        return _exactly(value)


def _exactly(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)}: {_exactly(one)}' for key, one in value.items() if _is_key(key))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_exactly(one) for one in value)}]"
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("JSON has no such number")
        return str(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _is_key(key: object) -> bool:
    if not isinstance(key, str):
        raise TypeError("a key is text")
    return True


def _spelt(items: Sequence[Any], suits: Suits, spell: Spell) -> str:
    return f"{{{','.join(_item(one, suits, spell) for one in items)}}}"


def _item(one: Any, suits: Suits, spell: Spell) -> str:  # noqa: ANN401
    if one is None:
        return "NULL"
    if suits(type(one)):
        text = spell(one).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    if not isinstance(one, list | tuple):
        raise TypeError("another type")
    return _spelt(one, suits, spell)


_FORMATTERS: dict[str, tuple[Suits, Spell]] = {
    **dict.fromkeys(("smallint", "integer", "bigint"), (_is_whole, lambda value: str(index(value)))),
    **dict.fromkeys(("numeric", "real", "double precision"), (_is_number, _of_number)),
    **dict.fromkeys(("json", "jsonb"), (lambda _: True, _of_json)),
    "boolean": (lambda one: one is bool, lambda value: "true" if value else "false"),
    "bytea": (lambda one: issubclass(one, bytes | bytearray | memoryview), lambda value: "\\x" + bytes(value).hex()),
    "uuid": (lambda one: issubclass(one, UUID | str), str),
    "date": (lambda one: issubclass(one, date) and not issubclass(one, datetime), date.isoformat),
    "timestamp without time zone": (lambda one: issubclass(one, datetime), _of_naive),
    "timestamp with time zone": (lambda one: issubclass(one, datetime), _of_aware),
    "time without time zone": (lambda one: issubclass(one, time), time.isoformat),
}
