"""`migrations lint`: exit codes, the object of `--json`, the report for a code host, and input that is wrong."""

import json
from pathlib import Path

import pytest

from stationmaster.domain.migration_rules import RULES
from tests.cli.conftest import Desk

ONE = "ALTER TABLE orders ADD CONSTRAINT c CHECK (a > 0) NOT VALID;\n"
TWO = "BEGIN;\nALTER TABLE orders VALIDATE CONSTRAINT c;\nCOMMIT;\n"
KEYS = {"rule", "severity", "revision", "file", "line", "lock", "message", "fix"}


def file(desk: Desk, name: str, sql: str) -> str:
    (desk.root / name).write_text(sql)
    return str(desk.root / name)


def test_an_error_ends_with_one_and_says_what_to_write_instead(desk: Desk) -> None:
    path = file(desk, "a.sql", "SELECT 1;\nCREATE INDEX i ON orders (a);\nDROP INDEX j;\n")
    answered = desk.run("migrations", "lint", "--sql", path)
    assert answered.code == 1
    assert f"{path}:2: error: index_not_concurrent: builds index i on orders" in answered.out
    assert "[SHARE]\n    instead: with op.get_context().autocommit_block()" in answered.out
    assert answered.out.endswith("errors: 1, warnings: 1, infos: 0\n")


def test_the_object_has_the_keys_of_the_contract(desk: Desk) -> None:
    path = file(desk, "a.sql", "CREATE INDEX i ON orders (a);\nDO $$ BEGIN END $$;")
    answered = desk.run("migrations", "lint", "--sql", path, "--json")
    assert answered.code == 1
    assert set(answered.json) == {"findings", "unrenderable"}
    assert [set(one) for one in answered.json["findings"]] == [KEYS, KEYS]
    first, second = answered.json["findings"]
    assert first == {
        "rule": "index_not_concurrent", "severity": "error", "revision": path, "file": path, "line": 1, "lock": "SHARE",
        "message": "builds index i on orders while nobody may write to it", "fix": RULES["index_not_concurrent"].fix,
    }  # fmt: skip
    assert (second["rule"], second["line"]) == ("unrenderable", 2)
    assert answered.json["unrenderable"] == [
        {"revision": path, "file": path, "line": 2, "message": second["message"]},
    ]


@pytest.mark.parametrize("sql", ["", "SELECT 1", "DROP INDEX i", "CREATE INDEX CONCURRENTLY i ON orders (a)"])
def test_without_an_error_it_ends_with_zero(desk: Desk, sql: str) -> None:
    assert desk.run("migrations", "lint", "--sql", file(desk, "a.sql", sql)).code == 0


def test_a_byte_order_mark_is_no_sql(desk: Desk) -> None:
    path = file(desk, "a.sql", "\ufeffDROP VIEW v")
    assert [one["rule"] for one in desk.run("migrations", "lint", "--sql", path, "--json").json["findings"]] == [
        "drop_view"
    ]


def test_not_valid_and_validate_in_two_files_is_no_finding(desk: Desk) -> None:
    paths = [file(desk, "1.sql", ONE), file(desk, "2.sql", TWO)]
    together = desk.run("migrations", "lint", "--sql", *paths, "--json")
    assert (together.code, together.json["findings"]) == (0, [])
    repeated = desk.run("migrations", "lint", "--sql", paths[0], "--sql", paths[1], "--json")
    assert repeated.json == together.json
    one = file(desk, "3.sql", "BEGIN;\n" + ONE + TWO.replace("BEGIN;\n", ""))
    assert desk.run("migrations", "lint", "--sql", one).code == 1


def test_an_exception_is_told_with_its_reason(desk: Desk) -> None:
    sql = "-- stationmaster: allow index_not_concurrent because it has 40 rows\nCREATE INDEX i ON regions (a);"
    answered = desk.run("migrations", "lint", "--sql", file(desk, "a.sql", sql))
    assert answered.code == 0
    assert ":2: info: index_not_concurrent" in answered.out
    assert "    allowed: it has 40 rows\n" in answered.out


def test_the_report_for_a_code_host_is_written_beside_the_answer(desk: Desk) -> None:
    path, report = file(desk, "a.sql", "DROP TABLE t"), desk.root / "lint.sarif"
    answered = desk.run("migrations", "lint", "--sql", path, "--sarif", str(report), "--json")
    assert answered.json["findings"][0]["rule"] == "drop_table"
    written = json.loads(report.read_text())
    assert [one["ruleId"] for one in written["runs"][0]["results"]] == ["drop_table"]


def test_input_that_is_wrong_ends_with_two(desk: Desk, tmp_path: Path) -> None:
    path = file(desk, "a.sql", "SELECT 1")
    lint = ("migrations", "lint", "--json")
    desk.run(*lint).refused(2, "nothing_to_lint", "--sql FILE", "lint PATH")
    desk.run(*lint, str(desk.root), "--sql", path).refused(2, "nothing_to_lint", "one after the other")
    desk.run(*lint, "--sql", path, "--since", "x").refused(2, "nothing_to_lint", "--since")
    desk.run(*lint, "--sql", str(tmp_path / "none.sql")).refused(2, "sql_not_readable", "No such file", "none.sql")
    desk.run(*lint, "--sql", str(tmp_path)).refused(2, "sql_not_readable", "directory")
    (tmp_path / "latin.sql").write_bytes(b"SELECT 1;\nSELECT '\xe9'")
    latin = desk.run(*lint, "--sql", str(tmp_path / "latin.sql"))
    latin.refused(2, "sql_not_readable", "UTF-8")
    assert latin.json["error"]["line"] == 2
    desk.run(*lint, "--sql", path, "--sarif", str(tmp_path / "no" / "x")).refused(2, "sql_not_readable", "report")
