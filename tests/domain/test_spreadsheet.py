"""CSV reads back as what was written, and no cell of it is a formula."""

import csv
import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.spreadsheet import as_csv, cell


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", " =1", "\uff1d1", "=cmd|' /C calc'!A0", "\u00a0=1+1",
        "\ufeff=1", "\u200b\u2003=1", "\x00-1", "\u00ad@x",
    ],
)  # fmt: skip
def test_what_a_spreadsheet_would_carry_out_is_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Rollback: oops;=cmd|' /C calc'!A0", "Rollback: oops;'=cmd|' /C calc'!A0"),
        ("=1; +2;x", "'=1;' +2;x"), ("a;\u00a0=1", "a;'\u00a0=1"), ("a\t=1", "a\t'=1"), ("a\n-b", "a\n'-b"),
        ("a;b-c, =1", "a;b-c, =1"), ("\t=1", "'\t'=1"), ("\r=1", "'\r'=1"), ("\n=1", "'\n'=1"),
    ],
)  # fmt: skip
def test_nor_does_a_part_where_cells_are_parted_by_something_else(text: str, shown: str) -> None:
    assert cell(text) == shown


def test_all_white_space_is_unseen_and_much_of_it_costs_nothing_more() -> None:
    for one in filter(str.isspace, map(chr, range(sys.maxunicode))):
        assert cell(f"{one}=1").startswith("'"), one
        assert cell(f"a;{one}=1").endswith("'=1" if one in "\t\r\n" else f"'{one}=1"), one
    assert cell("a;" + "\x1c \u00a0" * 20_000 + "b").startswith("a;\x1c")


@given(st.lists(st.text(st.sampled_from('a=-@+;,"\t \u00a0\ufeff\n'), max_size=8), min_size=2, max_size=4))
def test_no_reader_that_parts_by_anything_finds_a_formula(row: list[str]) -> None:
    text = as_csv(row, [])
    assert text.count('"') == sum(cell(one).count('"') * 2 + 2 for one in row)
    for delimiter in (",", ";", "\t"):
        read = [value for got in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for value in got]
        naive = [part for one in row for part in re.split(f"[{delimiter}\n]" if delimiter != "," else "$^", cell(one))]
        for value in (*read, *naive):
            assert not value.lstrip(" \t\n\u00a0\ufeff").startswith(("=", "+", "-", "@")), (delimiter, value)


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (True, "true"), (False, "false"), (-3, "-3"), (0, "0"), ("a-b", "a-b"), ("", "")]
)
def test_other_values_are_themselves(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_lines_end_as_the_standard_says_and_quotes_are_doubled() -> None:
    assert as_csv(["a", "b"], [['say "x"', "1,2"], ["two\nlines", None]]) == (
        '"a","b"\r\n"say ""x""","1,2"\r\n"two\nlines",""\r\n'
    )


CELLS = st.text(st.characters(exclude_characters="\r\x00", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=5))
def test_it_reads_back_as_it_was_and_nothing_begins_as_a_formula(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(as_csv(["x", "y"], rows), newline="")))
    assert read[1:] == [[cell(value) for value in row] for row in rows]
    assert [[shown.replace("'", "") for shown in row] for row in read[1:]] == [
        [value.replace("'", "") for value in row] for row in rows
    ]
    assert not [value for row in read for value in row if value.lstrip(" ").startswith(("=", "+", "-", "@", "\t"))]
