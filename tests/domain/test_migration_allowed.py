"""Exceptions: where the comment may stand, what it must say, and what becomes of one that is not needed."""

import pytest

from stationmaster.domain.migrations import Finding, lint, lint_expand

ALLOW = "stationmaster: allow drop_view because nobody reads it"


def found(sql: str) -> list[tuple[str, str]]:
    return [(one.rule, one.severity) for one in lint(sql, "a.sql")]


@pytest.mark.parametrize(
    "sql",
    [
        f"-- {ALLOW}\nDROP VIEW v",
        f"-- {ALLOW}\n\n-- and more\nDROP VIEW v;",
        f"DROP VIEW v; -- {ALLOW}",
        f"DROP VIEW v -- {ALLOW}\n;",
        f"DROP VIEW -- {ALLOW}\nv; SELECT 1",
        f"DROP VIEW\n-- {ALLOW}\nv; SELECT 1",
        f"SELECT 1;\n/* {ALLOW} */ DROP VIEW v",
        f"SELECT 'é'; SELECT 2;\n-- {ALLOW}\nDROP VIEW v; SELECT 3",
        "-- Stationmaster:  allow  drop_view, drop_table  because  nobody reads it \nDROP VIEW v; ",
    ],
)
def test_a_comment_at_the_statement_makes_it_an_info_with_its_reason(sql: str) -> None:
    (finding,) = [one for one in lint(sql, "a.sql") if one.rule == "drop_view"]
    assert (finding.severity, finding.reason) == ("info", "nobody reads it")
    assert str(finding.record()["message"]).endswith("(allowed because nobody reads it)")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"-- {ALLOW}\nSELECT 1; DROP VIEW v", [("exception_unused", "warning"), ("drop_view", "error")]),
        (f"DROP VIEW v;\n-- {ALLOW}\nSELECT 1", [("drop_view", "error"), ("exception_unused", "warning")]),
        (f"DROP VIEW v; /* {ALLOW} */ DROP VIEW w", [("drop_view", "error"), ("drop_view", "info")]),
        (f"DROP VIEW v; /* {ALLOW} */\nDROP VIEW w", [("drop_view", "info"), ("drop_view", "error")]),
        (f"SELECT 1;\n-- {ALLOW}", [("exception_unused", "warning")]),
        (f"-- {ALLOW}", [("exception_unused", "warning")]),
        (
            "-- stationmaster: allow drop_view\nDROP VIEW v",
            [("exception_without_reason", "error"), ("drop_view", "error")],
        ),
        (
            "-- stationmaster: allow drop_view because\nDROP VIEW v",
            [("exception_without_reason", "error"), ("drop_view", "error")],
        ),
        (
            "-- stationmaster: ignore drop_view\nDROP VIEW v",
            [("exception_without_reason", "error"), ("drop_view", "error")],
        ),
        (
            "-- stationmaster: allow drop_viev because nobody reads it\nDROP VIEW v",
            [("exception_unused", "warning"), ("drop_view", "error")],
        ),
        (f"SELECT '-- {ALLOW}'; DROP VIEW v", [("drop_view", "error")]),
    ],
)
def test_an_exception_elsewhere_or_without_reason_excuses_nothing(sql: str, expected: list[tuple[str, str]]) -> None:
    assert found(sql) == expected


def test_a_misspelt_rule_is_told_the_nearest() -> None:
    (unused, _) = lint("-- stationmaster: allow drop_viev because nobody reads it\nDROP VIEW v", "a.sql")
    assert "did you mean 'drop_view'?" in unused.message


def test_one_exception_is_for_one_statement_and_one_rule() -> None:
    sql = "-- stationmaster: allow alter_type because all read both\nALTER TABLE t ALTER a TYPE bigint; DROP VIEW v"
    assert found(sql) == [("alter_type", "info"), ("type_rewrite", "error"), ("drop_view", "error")]


def test_what_cannot_be_seen_into_can_be_excused_and_the_gate_takes_no_excuse() -> None:
    sql = "-- stationmaster: allow unrenderable because it only grants\nDO $$ BEGIN END $$"
    (finding,) = lint(sql, "a.sql")
    assert (finding.rule, finding.severity) == ("unrenderable", "info")
    (refused,) = lint_expand(sql)
    assert refused == Finding("unrenderable", refused.message, refused.fix, 2)


def test_case_and_spaces_of_the_words_do_not_matter() -> None:
    assert found("/*STATIONMASTER: Allow drop_view\n  Because  it is\n  empty*/ DROP VIEW v") == [("drop_view", "info")]


def test_sql_that_does_not_parse_cannot_be_excused() -> None:
    assert found("-- stationmaster: allow unrenderable because I know\nBOGUS") == [("unrenderable", "error")]
