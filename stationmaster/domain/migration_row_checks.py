"""What else a column may get where a CHECK refuses the rows that were made: the values that the check itself names. It
asks nobody; whether a check holds is for PostgreSQL to say.
"""

import re
from collections.abc import Iterator

from stationmaster.domain.migration_row_types import identifier, quoted
from stationmaster.domain.migration_rows import Check, Column, Filling

TRIED = 200  # rows
_TEXT = re.compile(r"'((?:[^']|'')*)'")
_NUMBER = re.compile(r"(?<![\w.'])-?\d+(?:\.\d+)?(?![\w.'])")


def candidates(column: Column, check: Check, *, distinct: bool = False) -> Iterator[str]:
    """Expressions for the column, the likeliest first; `distinct` ones differ from row to row."""
    yield from _distinct(column, check) if distinct else _any(column, check)
    if not column.required:
        yield f"NULL::{column.kind.written}"


def _distinct(column: Column, check: Check) -> Iterator[str]:
    written = column.kind.written
    numbers = _NUMBER.findall(_TEXT.sub("", check.sql)) if column.kind.base in _NUMBERS else []
    yield from (f"({number} {sign} i)::{written}" for number in numbers for sign in "+-")
    yield from (f"({sql})::{written}" for sql in _DISTINCT.get(column.kind.base, ()))


def _any(column: Column, check: Check) -> Iterator[str]:
    written = column.kind.written
    texts = list(dict.fromkeys(found.replace("''", "'") for found in _TEXT.findall(check.sql)))
    if texts:
        listed = ", ".join(f"{quoted(text)}::{written}" for text in texts)
        yield f"(ARRAY[{listed}])[1 + (i % {len(texts)})::int]"
        yield from (f"{quoted(text)}::{written}" for text in texts)
    numbers = list(dict.fromkeys(_NUMBER.findall(_TEXT.sub("", check.sql))))
    if len(numbers) > 1:
        yield f"(ARRAY[{', '.join(numbers)}])[1 + (i % {len(numbers)})::int]::{written}"
    yield from (f"({number}{more})::{written}" for number in numbers for more in ("", " + 1", " - 1"))
    yield from (
        f"({sql})::{written}" for sql in (*_OTHERS.get(column.kind.base, ()), *_DISTINCT.get(column.kind.base, ()))
    )


_NUMBERS = ("int2", "int4", "int8", "numeric", "float4", "float8")
_TEXTS = ("text", "varchar", "bpchar", "citext")
_DISTINCT = {
    **dict.fromkeys(_NUMBERS, ("-i",)),
    **dict.fromkeys(
        _TEXTS,
        ("'user' || i || '@example.com'", "'https://example.com/' || i", "i", "upper(md5(i::text))", "'a' || i",
         "'A' || i", "'+49' || 1000000000 + i"),
    ),
}  # fmt: skip
_OTHERS = {
    "bool": ("true", "false"),
    **dict.fromkeys(_NUMBERS, ("1 + i % 9", "i % 2", "1", "0", "-1")),
    **dict.fromkeys(_TEXTS, ("'A'", "'a'", "upper(left(md5(i::text), 2))", "''")),
    **dict.fromkeys(("json", "jsonb"), ("'{}'", "'[]'")),
}  # fmt: skip


def trial(filling: Filling, checks: tuple[Check, ...]) -> str:
    """A SELECT of one row that says of each check whether it holds for rows as they would be made. What a row will
    refer to is not known yet and taken as NULL.
    """
    columns = ", ".join(f"{_tried(filling, column)} AS {identifier(column.name)}" for column in filling.table.columns)
    asked = ", ".join(f"coalesce(bool_and(({check.sql})), true)" for check in checks)
    return (
        f"SELECT {asked} FROM (SELECT {columns or 'i'} FROM generate_series(1::bigint, {TRIED}::bigint) g(i)) "
        f"AS {filling.table.sql.rpartition('.')[2]}"
    )


def _tried(filling: Filling, column: Column) -> str:
    if column.name in filling.made:
        return f"({filling.made[column.name]})::{column.kind.written}"
    if column.name in filling.linked or column.own:
        return f"NULL::{column.kind.written}"
    if column.counted:
        return f"i::{column.kind.written}"
    return f"({column.default})::{column.kind.written}" if column.default else f"NULL::{column.kind.written}"
