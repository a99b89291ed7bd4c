"""Which SQL expression fills a column of a type, for the row whose number is `i`. It knows no table and no key."""

from dataclasses import dataclass

_HEX = 32  # digits of md5
_EPOCH = "2020-01-01"
_TEXTS = frozenset({"text", "varchar", "bpchar", "citext", "name"})
_INTEGERS = frozenset({"int2", "int4", "int8"})
# Type to its expression; each is cast to the column's own type. What is bounded here is bounded by the type.
_PLAIN = {
    "int2": "1 + i % 1000",
    "int4": "1 + i % 1000",
    "int8": "1 + i % 1000",
    "float4": "(i % 100000) / 100.0",
    "float8": "(i % 100000) / 100.0",
    "money": "((i % 100000) / 100.0)::numeric",
    "bool": "i % 2 = 0",
    "uuid": "md5(i::text)",
    "date": f"date '{_EPOCH}' + (i % 1826)::int",
    "timestamp": f"timestamp '{_EPOCH}' + (i % 157680000) * interval '1 second'",
    "timestamptz": f"timestamptz '{_EPOCH} 00:00:00Z' + (i % 157680000) * interval '1 second'",
    "time": "time '00:00' + (i % 86400) * interval '1 second'",
    "timetz": "timetz '00:00Z' + (i % 86400) * interval '1 second'",
    "interval": "(i % 86400) * interval '1 second'",
    "json": "jsonb_build_object('number', i, 'text', md5(i::text))",
    "jsonb": "jsonb_build_object('number', i, 'text', md5(i::text))",
    "bytea": "decode(md5(i::text), 'hex')",
    "inet": "inet '10.0.0.0' + i % 16777216",
    "cidr": "inet '10.0.0.0' + i % 16777216",
    "macaddr": "lpad(to_hex(i % 16777216), 12, '0')",
    "xml": "'<row>' || i || '</row>'",
    "tsvector": "to_tsvector('simple', md5(i::text))",
    "point": "point(i, i)",
    "hstore": "hstore('number', i::text)",
    "oid": "i % 1000000",
    "int4range": "int4range(i::int, (i + 1)::int)",
    "int8range": "int8range(i, i + 1)",
    "numrange": "numrange(i, i + 1)",
    "daterange": f"daterange(date '{_EPOCH}' + i::int, date '{_EPOCH}' + (i + 1)::int)",
    "tsrange": f"tsrange(timestamp '{_EPOCH}' + i * interval '1 second', "
    f"timestamp '{_EPOCH}' + (i + 1) * interval '1 second')",
    "tstzrange": f"tstzrange(timestamptz '{_EPOCH} 00:00:00Z' + i * interval '1 second', "
    f"timestamptz '{_EPOCH} 00:00:00Z' + (i + 1) * interval '1 second')",
}
_DISTINCT = {
    "float4": "i",
    "float8": "i",
    "money": "i",
    "date": f"date '{_EPOCH}' + i::int",
    "timestamp": f"timestamp '{_EPOCH}' + i * interval '1 second'",
    "timestamptz": f"timestamptz '{_EPOCH} 00:00:00Z' + i * interval '1 second'",
    "interval": "i * interval '1 second'",
    "oid": "i",
}


@dataclass(frozen=True)
class Kind:
    """A column's type: as PostgreSQL writes it, the name of its base type (of the elements of an array), its length or
    (precision, scale), and the labels of an enum.
    """

    written: str
    base: str
    length: int | None = None
    digits: tuple[int, int] | None = None
    labels: tuple[str, ...] = ()
    array: bool = False

    @property
    def is_integer(self) -> bool:
        return self.base in _INTEGERS and not self.array


def expression(kind: Kind, *, distinct: bool = False) -> str | None:
    """SQL over `i`, cast to the type; `distinct` differs from row to row as far as the type can. None: of this type
    nothing is known.
    """
    found = _of(kind, distinct=distinct)
    if found is None:
        return None
    return f"(ARRAY[{found}])::{kind.written}" if kind.array else f"({found})::{kind.written}"


def quoted(text: str) -> str:
    """A literal that no setting of the server reads otherwise."""
    written = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{written}'" if "\\" in text else f"'{written}'"


def identifier(name: str) -> str:
    """A name, quoted."""
    return '"' + name.replace('"', '""') + '"'


def _of(kind: Kind, *, distinct: bool) -> str | None:
    if kind.labels:
        labels = ", ".join(quoted(label) for label in kind.labels)
        return f"(ARRAY[{labels}])[1 + (i % {len(kind.labels)})::int]"
    if kind.base in _TEXTS:
        return _text(kind.length or _HEX, distinct=distinct)
    if kind.base in _INTEGERS and distinct:
        return "i"
    if kind.base == "numeric":
        return _numeric(kind.digits, distinct=distinct)
    if kind.base in {"bit", "varbit"}:
        return f"i::bit({min(kind.length or 32, 64)})"
    return _DISTINCT.get(kind.base, _PLAIN.get(kind.base)) if distinct else _PLAIN.get(kind.base)


def _text(length: int, *, distinct: bool) -> str:
    """A hash where it fits; a short one that has to differ is a number."""
    if length >= _HEX:
        return "md5(i::text)"
    return f"lpad(to_hex(i), {length}, '0')" if distinct else f"left(md5(i::text), {length})"


def _numeric(digits: tuple[int, int] | None, *, distinct: bool) -> str:
    if distinct:
        return "i"
    precision, scale = digits or (7, 2)
    whole = max(precision - scale, 0)
    if whole == 0:
        return f"(i % 9)::numeric / 10 ^ {max(scale, 1)}"
    return f"(i % {10 ** min(whole, 5)})::numeric" + (" + 0.25" if scale > 1 else "")
