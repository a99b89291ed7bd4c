"""What a table gets of which only the catalog is known. That PostgreSQL takes it is tested in tests/blocks."""

import pytest

from stationmaster.domain.migration_row_types import Kind, expression, quoted
from stationmaster.domain.migration_rows import Column, Link, RowsNotMadeError, Table, in_order, plan, statement

BIG = Kind("bigint", "int8")
TEXT = Kind("text", "text")


def table(name: str, *columns: Column, unique: tuple[tuple[str, ...], ...] = (), links: tuple[Link, ...] = ()) -> Table:
    return Table(name, f'"public"."{name}"', columns, unique, links)


def number(name: str = "id") -> Column:
    return Column(name, BIG, required=True)


TENANTS = table("tenants", number(), unique=(("id",),))


def test_a_table_comes_after_those_that_it_refers_to() -> None:
    orders = table("orders", number("tenant"), links=(Link("k", ("tenant",), "tenants", ("id",)),))
    lines = table("lines", number("order"), links=(Link("k", ("order",), "orders", ("id",)),))
    known = {one.name: one for one in (lines, orders, TENANTS)}
    assert in_order(known, {"lines": 1, "tenants": 1, "orders": 1}) == ["tenants", "orders", "lines"]
    assert in_order(known, {"lines": 1}) == ["lines"]


def test_of_a_circle_what_may_be_null_comes_first() -> None:
    person = table(
        "person", number(), Column("team", BIG, required=True), links=(Link("k", ("team",), "team", ("id",)),)
    )
    team = table("team", number(), Column("lead", BIG), links=(Link("k", ("lead",), "person", ("id",)),))
    known = {"person": person, "team": team}
    assert in_order(known, {"person": 5, "team": 2}) == ["team", "person"]
    assert plan(team, known, {"person": 0, "team": 0}, {}).made["lead"] == "NULL::bigint"


def test_a_circle_of_what_must_be_there_is_named() -> None:
    person = table("person", number("team"), links=(Link("k", ("team",), "team", ("id",)),))
    team = table("team", number("lead"), links=(Link("k", ("lead",), "person", ("id",)),))
    with pytest.raises(
        RowsNotMadeError, match=r"person: column team must refer to team, which must refer back"
    ) as error:
        in_order({"person": person, "team": team}, {"person": 1, "team": 1})
    assert "{person.team: EXPRESSION}" in (error.value.hint or "")


def test_what_must_refer_to_an_empty_table_says_so() -> None:
    orders = table("orders", number("tenant"), links=(Link("k", ("tenant",), "tenants", ("id",)),))
    with pytest.raises(RowsNotMadeError, match="tenant must refer to tenants, which has no rows"):
        plan(orders, {"orders": orders, "tenants": TENANTS}, {"tenants": 0}, {})


def test_a_column_of_a_type_that_nobody_knows_is_left_null_or_named() -> None:
    odd = Kind("polygon", "polygon")
    free = table("places", number(), Column("area", odd))
    assert "area" not in plan(free, {}, {}, {}).made
    bound = table("places", Column("area", odd, required=True))
    with pytest.raises(RowsNotMadeError, match="area of type polygon must have a value"):
        plan(bound, {}, {}, {})
    assert plan(bound, {}, {}, {"area": "polygon '((0,0))'"}).made["area"] == "polygon '((0,0))'"


def test_a_default_does_unless_it_would_repeat_what_must_not() -> None:
    state = Column("state", TEXT, required=True, default="'open'::text")
    assert "state" not in plan(table("orders", state), {}, {}, {}).made
    assert "state" in plan(table("orders", state, unique=(("state",),)), {}, {}, {}).made
    made = Column("key", Kind("uuid", "uuid"), required=True, default="gen_random_uuid()")
    assert "key" not in plan(table("orders", made, unique=(("key",),)), {}, {}, {}).made


def test_two_links_that_must_not_repeat_together_count_like_digits() -> None:
    links = (Link("a", ("one",), "tenants", ("id",)), Link("b", ("two",), "tenants", ("id",)))
    both = table("both", number("one"), number("two"), unique=(("one", "two"),), links=links)
    found = plan(both, {"both": both, "tenants": TENANTS}, {"tenants": 7}, {})
    assert [one.stride for one in found.joined] == [1, 7]
    assert "((i - 1) / 7) % 7" in statement(found, 1, 10)


def test_the_number_of_a_line_counts_within_its_order() -> None:
    orders = table("orders", number(), unique=(("id",),))
    line = Column("line", Kind("smallint", "int2"), required=True)
    lines = table(
        "lines", number("order"), line, unique=(("order", "line"),), links=(Link("k", ("order",), "orders", ("id",)),)
    )
    assert plan(lines, {"lines": lines, "orders": orders}, {"orders": 100}, {}).made["line"] == (
        "(1 + (i - 1) / 100)::smallint"
    )


def test_a_row_that_must_refer_to_its_own_table_refers_to_itself() -> None:
    tree = table(
        "tree", number(), number("parent"), unique=(("id",),), links=(Link("k", ("parent",), "tree", ("id",)),)
    )
    made = plan(tree, {"tree": tree}, {"tree": 0}, {}).made
    assert made["parent"] == made["id"]
    counted = table("tree", Column("id", BIG, required=True, counted=True), number("parent"), links=tree.links)
    with pytest.raises(RowsNotMadeError, match="must refer to tree itself, whose id counts by itself"):
        plan(counted, {"tree": counted}, {"tree": 0}, {})


def test_names_and_texts_are_quoted() -> None:
    odd = table("odd", Column('we"ird', TEXT))
    assert '("we""ird")' in statement(plan(odd, {}, {}, {}), 1, 1)
    assert quoted("it's") == "'it''s'"
    assert quoted("a\\b") == "E'a\\\\b'"


@pytest.mark.parametrize(
    ("kind", "distinct", "sql"),
    [
        (Kind("mood", "mood", labels=("sad", "glad")), False, "((ARRAY['sad', 'glad'])[1 + (i % 2)::int])::mood"),
        (Kind("varchar(4)", "varchar", length=4), True, "(lpad(to_hex(i), 4, '0'))::varchar(4)"),
        (Kind("text[]", "text", array=True), False, "(ARRAY[md5(i::text)])::text[]"),
        (Kind("numeric(3,2)", "numeric", digits=(3, 2)), False, "((i % 10)::numeric + 0.25)::numeric(3,2)"),
        (Kind("bigint", "int8"), True, "(i)::bigint"),
    ],
)
def test_an_expression_fits_its_type(kind: Kind, distinct: bool, sql: str) -> None:  # noqa: FBT001
    assert expression(kind, distinct=distinct) == sql
