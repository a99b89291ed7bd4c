"""Text of PostgreSQL to Python and back: what comes in goes out the same, and what does not fit is refused."""

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stationmaster.domain.backfill_values import WRONG, formatter, parser, plain

ONE = UUID("0b7e6f0e-6a63-4c8b-9b0a-0f6d5a1c2d3e")
NAIVE = datetime(2026, 12, 1)  # noqa: DTZ001 - columns without a zone have such values
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def spelt(kind: str, value: Any) -> str:
    suits, spell = formatter(kind)
    assert suits(type(value)), f"{type(value)} for {kind}"
    return spell(value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("smallint", "-3", -3),
        ("bigint", "9223372036854775807", 2**63 - 1),
        ("numeric(12,2)", "10.10", Decimal("10.10")),
        ("numeric", "NaN", Decimal("NaN")),
        ("double precision", "0.1", 0.1),
        ("real", "Infinity", float("inf")),
        ("boolean", "true", True),
        ("boolean", "f", False),
        ("bytea", "\\x00ff", b"\0\xff"),
        ("bytea", "\\x", b""),
        ("uuid", str(ONE), ONE),
        ("date", "2026-12-01", date(2026, 12, 1)),
        ("time without time zone", "10:20:30.5", time(10, 20, 30, 500_000)),
        (
            "timestamp(3) without time zone",
            "2026-12-01 10:20:30.12",
            NAIVE.replace(hour=10, minute=20, second=30, microsecond=120_000),
        ),
        ("timestamp with time zone", "2026-12-01 10:20:30+00", datetime(2026, 12, 1, 10, 20, 30, tzinfo=UTC)),
        (
            "timestamp with time zone",
            "2026-12-01 10:20:30.123456-05:30",
            datetime(2026, 12, 1, 10, 20, 30, 123_456, timezone(-timedelta(hours=5, minutes=30))),
        ),
        ("text", "NULL", "NULL"),
        ("character varying(9)", "", ""),
        ("tsrange", "[a,b)", "[a,b)"),
        ("jsonb", '{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        ("jsonb", '"x"', "x"),
        ("integer[]", "{1,NULL,-3}", [1, None, -3]),
        ("integer[]", "{}", []),
        ("integer[]", "{{1,2},{3,NULL}}", [[1, 2], [3, None]]),
        ("integer[]", "[2:3]={1,2}", [1, 2]),
        ("text[]", '{a,"b,c","NULL","q\\"\\\\{}",NULL,""}', ["a", "b,c", "NULL", 'q"\\{}', None, ""]),
        ("numeric(5,1)[]", "{1.0}", [Decimal("1.0")]),
        ("boolean[]", "{t,f}", [True, False]),
        ("timestamp without time zone[]", '{"2026-12-01 00:00:00"}', [NAIVE]),
        ("jsonb[]", '{"{\\"a\\": 1}","[1, 2]"}', [{"a": 1}, [1, 2]]),
    ],
)
def test_text_is_a_value_and_the_value_is_text_again(kind: str, text: str, value: Any) -> None:
    found = parser(kind)(text)
    assert type(found) is type(value)
    assert repr(found) == repr(value)
    assert repr(parser(kind)(spelt(kind, found))) == repr(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("timestamp with time zone", "infinity"),
        ("date", "0044-03-15 BC"),
        ("time without time zone", "24:00:00"),
        ("integer[]", "{1"),
        ("integer[]", "1"),
        ("integer[]", "{1}}"),
        ("text[]", '{"a'),
    ],
)
def test_what_python_has_no_value_for_is_refused(kind: str, text: str) -> None:
    with pytest.raises(WRONG):
        parser(kind)(text)


class Plan(str, Enum):  # noqa: UP042 - as products write it
    FREE = "free"


class Whole:
    def __index__(self) -> int:
        return 7


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("bigint", Whole(), "7"),
        ("numeric", 3, "3"),
        ("numeric", 0.1, "0.1"),
        ("double precision", Decimal("0.5"), "0.5"),
        ("text", Plan.FREE, "free"),
        ("uuid", str(ONE), str(ONE)),
        ("bytea", bytearray(b"a"), "\\x61"),
        ("jsonb", None, "null"),
        ("jsonb", "x", '"x"'),
        ("jsonb", {"a": Decimal("1.10"), "b": [Decimal(1), "é"]}, '{"a": 1.10, "b": [1, "é"]}'),
        ("text[]", [], "{}"),
        ("text[]", [Plan.FREE, None, 'a"\\'], '{"free",NULL,"a\\"\\\\"}'),
        ("integer[]", [[1], [2]], '{{"1"},{"2"}}'),
    ],
)
def test_values_are_spelt(kind: str, value: Any, text: str) -> None:
    assert spelt(kind, value) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", True), ("integer", 1.0), ("integer", "1"), ("boolean", 1), ("text", 1), ("text", b"x"),
        ("numeric", "1"), ("date", NAIVE), ("timestamp without time zone", date(2026, 12, 1)),
        ("bytea", "x"), ("text[]", "abc"), ("interval", timedelta(1)), ("uuid", 1),
    ],
)  # fmt: skip
def test_a_value_of_another_type_does_not_suit(kind: str, value: Any) -> None:
    assert not formatter(kind)[0](type(value))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("timestamp with time zone", NAIVE),  # in which zone?
        ("timestamp without time zone", datetime(2026, 12, 1, tzinfo=UTC)),  # PostgreSQL would forget it
        ("jsonb", float("nan")),
        ("jsonb", {"a": Decimal("NaN")}),
        ("jsonb", {"a": object()}),
        ("jsonb", {("a",): Decimal(1)}),
        ("integer[]", ["1"]),
        ("integer[]", [1.5]),
    ],
)
def test_a_value_that_would_be_made_to_fit_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(WRONG):
        spelt(kind, value)


@settings(max_examples=50)
@given(st.lists(st.one_of(st.none(), TEXT, st.just("NULL")), max_size=8))
def test_any_array_of_text_comes_back(items: list[str | None]) -> None:
    assert parser("text[]")(spelt("text[]", items)) == items


@settings(max_examples=50)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=30))
def test_a_number_in_json_stays_the_number_that_it_is(number: Decimal) -> None:
    found = parser("jsonb")(f'{{"n": {number:f}}}')
    again = spelt("jsonb", found)
    assert json.loads(again, parse_float=Decimal, parse_int=Decimal)["n"] == number


def test_a_type_is_known_without_its_modifier() -> None:
    names = ("numeric(12,2)", "timestamp(3) with time zone", "character varying(20)", "bigint", "bit varying(3)")
    plainly = ("numeric", "timestamp with time zone", "character varying", "bigint", "bit varying")
    assert tuple(map(plain, names)) == plainly
