"""The SQL of a backfill as people write it: exactly one list, exactly one expression, and nothing that ends them."""

import re

import postgast
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stationmaster.domain.backfill_sql import assignments, condition, is_volatile_word, names_of
from stationmaster.domain.backfill_statements import Column, Filling, Range, Shape, Tenant
from stationmaster.domain.migration_row_types import identifier

PARTS = (
    "a", "b = 1", "=", "'", "''", '"', "(", ")", ";", "--", "/*", "*/", "\n", " ", ",", "$$", "WHERE", "FROM t", "OR",
    "true", "RETURNING a", "UNION SELECT 1", "DROP TABLE t", "1", "\\", "E'", "AS x", "LIMIT 1", "INTO z",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PARTS), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("orders", ("orders",)), ("Orders", ("Orders",)), ("shop.orders", ("shop", "orders")),
        ('"My ""T"".x".y', ('My "T".x', "y")), ("Bücher", ("Bücher",)),
    ],
)  # fmt: skip
def test_names_are_taken_as_they_are_written(table: str, names: tuple[str, ...]) -> None:
    assert names_of(table) == names


@pytest.mark.parametrize(
    "table", ["", "a.b.c", "a.", ".a", '"a', 'a"b"', "a b", "orders; DROP TABLE orders", '""', "1a"]
)
def test_what_is_no_name_is_refused(table: str) -> None:
    with pytest.raises(ValueError, match="not the name of a table"):
        names_of(table)


@given(st.lists(st.text(alphabet="aÄ \".'\\\n$1", min_size=1, max_size=9), min_size=1, max_size=2))
def test_every_name_can_be_written_in_quotes(names: list[str]) -> None:
    assert names_of(".".join(map(identifier, names))) == tuple(names)


def test_each_column_has_its_expression_and_what_that_reads_and_calls() -> None:
    first, second, third, fourth = assignments("a = b * f(c), d = now(), (e, f) = (g, 2)")
    assert (first.column, first.sql, sorted(first.reads), list(first.functions)) == ("a", "b * f(c)", ["b", "c"], ["f"])
    assert (second.column, list(second.functions)) == ("d", ["now"])
    assert (third.column, third.sql, fourth.column) == ("e", None, "f")
    assert list(third.reads) == ["g"]
    (moment,) = assignments("a = current_timestamp")
    assert any(map(is_volatile_word, moment.functions))


@given(TEXTS)
@example("a = 1;")
@example("a = 1 WHERE true --")
@example("a = 1 FROM t")
def test_a_list_that_is_taken_is_the_list_of_one_update_and_cannot_leave_its_place(text: str) -> None:
    try:
        found = assignments(text)
    except ValueError:
        return
    (raw,) = postgast.parse(f"UPDATE t SET\n{text}\nWHERE k = 7 RETURNING k").stmts
    update = postgast.unwrap_node(raw.stmt)
    assert [node.res_target.name for node in update.target_list] == [one.column for one in found]
    assert not update.from_clause
    assert update.where_clause.a_expr.rexpr.a_const.ival.ival == 7


@given(TEXTS)
@example("true) OR (true")
@example("true --")
@example("true UNION SELECT true")
def test_a_condition_that_is_taken_cannot_leave_its_parentheses(text: str) -> None:
    try:
        condition(text)
    except ValueError:
        return
    (raw,) = postgast.parse(f"SELECT FROM t WHERE k = 7 AND (\n{text}\n)").stmts
    where = postgast.unwrap_node(raw.stmt).where_clause
    assert len(where.bool_expr.args) >= 2
    assert where.bool_expr.args[0].a_expr.rexpr.a_const.ival.ival == 7
    assert where.bool_expr.boolop == postgast.pg_query_pb2.AND_EXPR


def test_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="parameter"):
        assignments("a = $1")
    with pytest.raises(ValueError, match="parameter"):
        condition("a = $1")


@given(st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20))
@example("it's \\ 'x'")
def test_every_key_stays_one_literal(text: str) -> None:
    shape = Shape("public", "orders", (Column("id", "text"),), Column("tenant", "text"))
    filling = Filling(shape, "n = n + 1", None, None)
    sql = filling.fill(Tenant(text, text), Range((text,), (text,)), [(text,)])
    literals = {
        node.sval.sval for node in postgast.find_nodes(postgast.parse(sql), postgast.pg_query_pb2.A_Const)
        if node.WhichOneof("val") == "sval"
    }  # fmt: skip
    assert literals == {text}


def test_what_is_walked_is_a_range_of_an_index_and_never_a_page_of_the_table() -> None:
    shape = Shape("public", "orders", (Column("a", "int"), Column("b", "text")), None)
    filling = Filling(shape, "n = 1", "n IS NULL", "n = 1")
    sql = filling.fill(Tenant("*", None), Range(("1", "x"), ("2", "y")), [("1", "z")])
    assert "(\"a\", \"b\") > ('1'::int, 'x'::text) AND (\"a\", \"b\") <= ('2'::int, 'y'::text)" in sql
    assert not re.search(r"\bctid\b", sql)
