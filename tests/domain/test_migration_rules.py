"""Every rule finds its own bad example and says nothing of its good one; neighbours that look alike are told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.migration_rule import Rule
from stationmaster.domain.migration_rules import RULES
from stationmaster.domain.migrations import lint, lint_expand


def found(sql: str) -> list[tuple[str, str]]:
    return [(one.rule, one.severity) for one in lint(sql, "a.sql")]


def rules(sql: str) -> list[str]:
    return [rule for rule, _ in found(sql)]


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_the_bad_example_has_the_rule_and_the_good_one_does_not(rule: Rule) -> None:
    (finding, *_) = [one for one in lint(rule.bad, "a.sql") if one.rule == rule.id]
    assert (finding.severity, finding.lock, finding.fix, finding.file) == (rule.severity, rule.lock, rule.fix, "a.sql")
    assert rule.id not in rules(rule.good)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_the_gate_refuses_the_example_when_the_table_says_so(rule: Rule) -> None:
    assert (rule.id in [one.rule for one in lint_expand(rule.bad)]) == rule.refused


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_the_good_example_has_no_error_of_another_rule_but_what_old_code_misses(rule: Rule) -> None:
    errors = [name for name, severity in found(rule.good) if severity == "error"]
    assert [name for name in errors if RULES[name].group != "Old code on new schema"] == []


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY i ON orders (note)",
        "SELECT * INTO fresh FROM orders; CREATE INDEX i ON fresh (a)",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC DELETE FROM orders; SELECT 1; END",
        "CREATE RULE r AS ON INSERT TO orders DO ALSO DELETE FROM log",
        "CREATE UNIQUE INDEX CONCURRENTLY i ON orders (note)",
        "BEGIN; SELECT 1; COMMIT; CREATE INDEX CONCURRENTLY i ON orders (note); BEGIN; SELECT 1; COMMIT;",
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "REINDEX INDEX CONCURRENTLY i",
        "REINDEX (CONCURRENTLY) TABLE orders",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY totals",
        "REFRESH MATERIALIZED VIEW totals WITH NO DATA",
        "ALTER TABLE orders ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
        "ALTER TABLE orders VALIDATE CONSTRAINT c",
        "BEGIN; ALTER TABLE orders VALIDATE CONSTRAINT c; COMMIT",
        "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES c (id) NOT VALID",
        "ALTER TABLE orders ADD CONSTRAINT c CHECK (a > 0) NOT ENFORCED",
        "ALTER TABLE orders ADD CONSTRAINT n NOT NULL a NOT VALID",
        "ALTER TABLE orders ADD CONSTRAINT u UNIQUE USING INDEX i",
        "ALTER TABLE orders ADD COLUMN a int REFERENCES customers (id)",
        "ALTER TABLE orders ADD COLUMN a int NOT NULL DEFAULT 0",
        "ALTER TABLE orders ADD COLUMN a timestamptz DEFAULT now()",
        "ALTER TABLE orders ADD COLUMN a timestamptz DEFAULT CURRENT_TIMESTAMP",
        "ALTER TABLE orders ADD COLUMN a text DEFAULT lower('A')",
        "ALTER TABLE orders ADD COLUMN a int GENERATED ALWAYS AS (1) VIRTUAL",
        "ALTER TABLE orders ALTER COLUMN a SET STATISTICS 500",
        "ALTER DOMAIN amount ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID",
        "LOCK TABLE orders IN ACCESS SHARE MODE",
        "VACUUM orders",
        "VACUUM (FULL false) orders",
        "ANALYZE orders",
        "UPDATE orders SET a = 1 WHERE id = 7",
        "DELETE FROM orders WHERE 7 = id",
        "INSERT INTO states VALUES (1), (2)",
        "BEGIN; ALTER TABLE orders ADD a int; INSERT INTO s VALUES (1); UPDATE alembic_version SET v = 'b'; COMMIT",
        "BEGIN; ALTER TABLE orders ADD a int; ALTER TABLE orders ADD b int; COMMIT",
        "ALTER TABLE orders ADD a int; ALTER TABLE customers ADD b int; UPDATE orders SET a = 1 WHERE id = 1",
        "GRANT SELECT ON orders TO reader",
        f"SELECT 1 AS {'a' * 63}",
        f"SELECT '{'a' * 99}'",
        "-- a comment about stationmaster\nSELECT 1",
    ],
)
def test_the_safe_way_is_no_finding(sql: str) -> None:
    assert found(sql) == []


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX i ON t (a); DROP INDEX i; CREATE UNIQUE INDEX u ON t (a)",
        "ALTER TABLE t ADD CHECK (a > 0), ADD FOREIGN KEY (a) REFERENCES c (id), ADD UNIQUE (a)",
        "BEGIN; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c; COMMIT",
        "ALTER TABLE t ADD COLUMN b uuid DEFAULT gen_random_uuid(), ADD COLUMN c bigserial",
        "ALTER TABLE t ALTER COLUMN a TYPE bigint; ALTER TABLE t ALTER COLUMN a SET NOT NULL; CLUSTER t USING i",
        "UPDATE t SET a = 1; DELETE FROM t; INSERT INTO t SELECT * FROM orders; TRUNCATE t; DROP TABLE t",
        "BEGIN; ALTER TABLE orders ADD a int; ALTER TABLE t ADD b int; UPDATE t SET a = 1; CREATE INDEX i ON t (a)",
        "CREATE TABLE p PARTITION OF t FOR VALUES IN (1); ALTER TABLE t ATTACH PARTITION q FOR VALUES IN (2)",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); LOCK TABLE t; VACUUM FULL t",
        "ALTER TABLE t RENAME TO u; CREATE INDEX i ON u (a); ALTER TABLE u SET SCHEMA s; DROP TABLE s.u",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t ALTER a SET DEFAULT 1; ALTER TABLE t SET UNLOGGED",
    ],
)
def test_a_table_created_in_the_same_text_is_left_alone(sql: str) -> None:
    assert [one for one in rules(f"CREATE TABLE t (a int); {sql}") if one != "backfill"] == []
    assert rules(sql) != []


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE INDEX ON ONLY events (a)", [("index_not_concurrent", "info")]),
        ("BEGIN; DROP INDEX CONCURRENTLY i; END", [("concurrent_in_transaction", "error")]),
        ("START TRANSACTION; REINDEX TABLE CONCURRENTLY t", [("concurrent_in_transaction", "error")]),
        ("BEGIN; VACUUM t", [("concurrent_in_transaction", "error")]),
        ("ALTER TABLE t ADD COLUMN a int DEFAULT 1 REFERENCES c (id)", [("foreign_key_validates", "error")]),
        ("ALTER TABLE t ADD COLUMN a int CHECK (a > 0)", [("check_validates", "error")]),
        ("ALTER TABLE t ADD COLUMN a int UNIQUE", [("unique_builds_index", "error")]),
        ("ALTER TABLE t ADD CONSTRAINT n NOT NULL a", [("not_null_scans", "error")]),
        ("ALTER TABLE t ADD a int DEFAULT my_own()", [("volatile_default", "warning")]),
        ("ALTER TABLE t ADD a float DEFAULT random() * 2", [("volatile_default", "error")]),
        ("ALTER TABLE t ADD a bigint GENERATED BY DEFAULT AS IDENTITY", [("serial_column", "error")]),
        ("ALTER TABLE t ALTER a TYPE text", [("alter_type", "error"), ("type_rewrite", "warning")]),
        ("ALTER TABLE t ALTER a TYPE varchar(9)", [("alter_type", "error"), ("type_rewrite", "warning")]),
        ("ALTER TABLE t ALTER a TYPE text USING a::text", [("alter_type", "error"), ("type_rewrite", "warning")]),
        ("ALTER TABLE t ALTER a TYPE text USING lower(a)", [("alter_type", "error"), ("type_rewrite", "error")]),
        ("ALTER TABLE t ALTER a TYPE text[]", [("alter_type", "error"), ("type_rewrite", "error")]),
        ("ALTER TABLE t ALTER a TYPE bigint", [("alter_type", "error"), ("type_rewrite", "error")]),
        ("BEGIN; LOCK t, u IN SHARE MODE", [("lock_table", "error"), ("lock_table", "error")]),
        (
            "BEGIN; TRUNCATE a; TRUNCATE b",
            [("truncate", "error"), ("truncate", "error"), ("two_tables_locked", "warning")],
        ),
        (
            "BEGIN; ALTER TABLE t ADD a int; ALTER TABLE t VALIDATE CONSTRAINT old; COMMIT",
            [("work_after_lock", "error")],
        ),
        (
            "BEGIN; ALTER TABLE t ADD a int; CREATE INDEX i ON u (a)",
            [("index_not_concurrent", "error"), ("work_after_lock", "error")],
        ),
        ("BEGIN; ALTER TABLE t ADD a int; SAVEPOINT s; ALTER TABLE u ADD a int", [("two_tables_locked", "warning")]),
        (
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c",
            [("validate_same_transaction", "warning")],
        ),
        ("VACUUM FULL", [("vacuum_full", "error")]),
        ("CLUSTER", [("cluster", "error")]),
        ("REINDEX DATABASE desk", [("reindex", "error")]),
        ("UPDATE t SET a = 1 WHERE true", [("update_without_where", "error")]),
        ("DELETE FROM t WHERE id > 7", [("backfill", "warning")]),
        ("INSERT INTO t SELECT * FROM u", [("backfill", "warning")]),
        ("UPDATE t SET a = 1 WHERE state = 'open'", [("backfill", "warning")]),
        ("WITH gone AS (DELETE FROM t RETURNING *) SELECT 1", [("delete_without_where", "error")]),
        ("BEGIN; COMMIT AND CHAIN; VACUUM t", [("concurrent_in_transaction", "error")]),
        ("ALTER INDEX i SET TABLESPACE fast", [("table_rewrite", "error")]),
        ("ALTER TABLE ALL IN TABLESPACE slow SET TABLESPACE fast", [("table_rewrite", "error")]),
        ("ALTER TYPE pair ALTER ATTRIBUTE a TYPE bigint", [("alter_type", "error")]),
        ("DROP VIEW a, b", [("drop_view", "error"), ("drop_view", "error"), ("two_tables_locked", "warning")]),
        (
            "BEGIN; DROP TRIGGER g ON t; UPDATE u SET a = 1 WHERE id = 1",
            [("drop_trigger", "error"), ("work_after_lock", "error")],
        ),
        ("REVOKE INSERT ON t FROM app", [("write_restriction", "error")]),
        (f"SELECT 1 AS {'é' * 32}", [("identifier_too_long", "error")]),
        (f'CREATE TABLE "{"a" * 64}" (a int); SELECT {"a" * 64}', [("identifier_too_long", "error")]),
    ],
)
def test_each_shape_of_a_hazard_is_found(sql: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(found(sql)) == sorted(expected)


@pytest.mark.parametrize(
    ("proof", "severity"),
    [
        ("ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID", None),
        ("ADD CONSTRAINT c CHECK (a IS NOT NULL AND b > 0) NOT VALID", None),
        ("ADD CONSTRAINT c NOT NULL a NOT VALID", None),
        ("ADD CONSTRAINT c CHECK (b IS NOT NULL) NOT VALID", "error"),
        ("ADD CONSTRAINT c CHECK (a IS NOT NULL OR b > 0) NOT VALID", "error"),
        ("ALTER b SET STATISTICS 5", "warning"),  # c was added in another file
    ],
)
def test_not_null_is_free_once_a_valid_check_proves_it(proof: str, severity: str | None) -> None:
    sql = f"ALTER TABLE t {proof}; COMMIT; ALTER TABLE t VALIDATE CONSTRAINT c; ALTER TABLE t ALTER a SET NOT NULL"
    assert dict(found(sql)).get("not_null_scans") == severity


def test_findings_come_in_the_order_of_the_text_with_their_lines() -> None:
    sql = "-- first\nCREATE INDEX i ON t (a);\n\nDROP TABLE u;\nUPDATE t SET a = 1"
    assert [(one.rule, one.line, one.revision) for one in lint(sql, "a.sql")] == [
        ("index_not_concurrent", 2, "a.sql"),
        ("drop_table", 4, "a.sql"),
        ("update_without_where", 5, "a.sql"),
    ]


def test_what_does_not_parse_hides_nothing_else() -> None:
    sql = "DROP VIEW v;\nSELECT 'é';\n\nALTER TABL é;\n-- here\n\\d t\nSELECT 2;\nDROP VIEW w;\nBOGUS"
    assert [(one.rule, one.line) for one in lint(sql, "a.sql")] == [
        ("drop_view", 1),
        ("unrenderable", 4),
        ("unrenderable", 6),
        ("drop_view", 8),
        ("unrenderable", 9),
    ]


@pytest.mark.parametrize(("sql", "line"), [("SELECT 1;\n\nSELECT 'open", 3), ("SELECT 1;\n\x00DROP VIEW v", 2)])
def test_what_cannot_even_be_told_apart_is_one_error_at_its_line(sql: str, line: int) -> None:
    assert [(one.rule, one.severity, one.line) for one in lint(sql, "a.sql")] == [("unrenderable", "error", line)]


def test_a_text_is_one_revision_whatever_its_headings_say() -> None:
    sql = "-- Running upgrade a -> b\nDROP VIEW v;\n-- Running upgrade b -> c\nDROP VIEW w;"
    assert {one.revision for one in lint(sql, "a.sql")} == {"a.sql"}


@given(st.text(max_size=80))
def test_no_text_raises(sql: str) -> None:
    lint(sql, "a.sql")


@given(st.lists(st.sampled_from([part for rule in RULES.values() for part in (rule.bad, rule.good)]), max_size=6))
def test_no_order_of_statements_raises(parts: list[str]) -> None:
    lint(";\n".join(parts), "a.sql")
