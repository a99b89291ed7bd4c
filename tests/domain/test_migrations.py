"""What an expand may not take away from the code that still runs; words in comments and texts never count."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stationmaster.domain.migrations import lint_expand

RENDERED = """\
BEGIN;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0001_start

CREATE TABLE orders (id BIGSERIAL NOT NULL, note TEXT, PRIMARY KEY (id));

INSERT INTO alembic_version (version_num) VALUES ('0001_start') RETURNING alembic_version.version_num;

-- Running upgrade 0001_start -> 0002_drop

-- é: a comment before the statement
ALTER TABLE customers DROP COLUMN note;

UPDATE alembic_version SET version_num='0002_drop' WHERE alembic_version.version_num = '0001_start';

COMMIT;
"""


def rules(sql: str) -> list[str]:
    return [finding.rule for finding in lint_expand(sql)]


def test_a_finding_names_revision_file_line_and_lock() -> None:
    (finding,) = lint_expand(RENDERED, {"0002_drop": "versions/0002_drop.py"})
    assert finding.record() == {
        "rule": "drop_column",
        "severity": "error",
        "revision": "0002_drop",
        "file": "versions/0002_drop.py",
        "line": 17,
        "lock": "ACCESS EXCLUSIVE",
        "message": "drops column customers.note, which old code still uses",
        "fix": "leave it in place; move this to a contract revision of a later release, when no old code runs",
    }


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("DROP TABLE orders", "drop_table"),
        ("ALTER TABLE orders ENABLE ROW LEVEL SECURITY", "write_restriction"),
        ("ALTER TABLE orders FORCE ROW LEVEL SECURITY", "write_restriction"),
        ("REVOKE INSERT ON orders FROM app", "write_restriction"),
        ("REVOKE writers FROM app", "write_restriction"),
        ("ALTER TABLE orders ALTER COLUMN total DROP EXPRESSION", "drop_expression"),
        ("ALTER TABLE orders DISABLE TRIGGER ALL", "disable_trigger"),
        ("DROP TABLE IF EXISTS sales.orders CASCADE", "drop_table"),
        ('DROP TABLE "Orders"', "drop_table"),
        ("DROP VIEW open_orders", "drop_view"),
        ("DROP MATERIALIZED VIEW open_orders", "drop_view"),
        ("DROP TYPE state", "drop_type"),
        ("DROP DOMAIN amount", "drop_domain"),
        ("DROP SEQUENCE numbers", "drop_sequence"),
        ("DROP SCHEMA sales CASCADE", "drop_schema"),
        ("DROP FUNCTION total(int)", "drop_function"),
        ("DROP AGGREGATE total(int)", "drop_aggregate"),
        ("DROP TRIGGER touch ON orders", "drop_trigger"),
        ("DROP POLICY own ON orders", "drop_policy"),
        ("DROP EXTENSION pgcrypto", "drop_extension"),
        ("DROP CAST (int AS text)", "drop_cast"),
        ("DROP OWNED BY somebody", "drop_owned"),
        ("DROP DATABASE desk", "drop_database"),
        ("DROP ROLE somebody", "drop_role"),
        ("ALTER TABLE orders DROP COLUMN IF EXISTS note", "drop_column"),
        ("ALTER TABLE ONLY orders DROP note", "drop_column"),
        ("ALTER TABLE orders DROP CONSTRAINT orders_pkey", "drop_constraint"),
        ("ALTER TABLE orders ALTER COLUMN note DROP DEFAULT", "drop_default"),
        ("ALTER TABLE orders ALTER id DROP IDENTITY", "drop_identity"),
        ("ALTER TABLE orders ALTER COLUMN note TYPE VARCHAR(9)", "alter_type"),
        ("ALTER TABLE orders ALTER note SET DATA TYPE int USING note::int", "alter_type"),
        ("ALTER TABLE orders ALTER COLUMN note SET NOT NULL", "set_not_null"),
        ("ALTER TABLE orders ADD COLUMN city TEXT NOT NULL", "required_column"),
        ("ALTER TABLE orders ADD city int PRIMARY KEY", "required_column"),
        ("ALTER TABLE orders DETACH PARTITION orders_2020", "detach_partition"),
        ("ALTER TYPE state DROP ATTRIBUTE city", "drop_column"),
        ("ALTER DOMAIN amount DROP CONSTRAINT positive", "drop_constraint"),
        ("ALTER DOMAIN amount SET NOT NULL", "set_not_null"),
        ("ALTER TABLE orders RENAME TO sales", "rename_table"),
        ("ALTER TABLE orders RENAME COLUMN note TO remark", "rename_column"),
        ("ALTER TABLE orders RENAME note TO remark", "rename_column"),
        ("ALTER TABLE orders RENAME CONSTRAINT a TO b", "rename_constraint"),
        ("ALTER VIEW open_orders RENAME TO o", "rename_view"),
        ("ALTER TYPE state RENAME TO status", "rename_type"),
        ("ALTER TYPE state RENAME VALUE 'open' TO 'new'", "rename_value"),
        ("ALTER SEQUENCE numbers RENAME TO n", "rename_sequence"),
        ("ALTER FUNCTION total(int) RENAME TO t", "rename_function"),
        ("ALTER SCHEMA sales RENAME TO s", "rename_schema"),
        ("ALTER TABLE orders SET SCHEMA sales", "rename_table"),
        ("ALTER TYPE state SET SCHEMA sales", "rename_type"),
        ("TRUNCATE orders", "truncate"),
        ("DO $$ BEGIN DROP TABLE orders; END $$", "unrenderable"),
        ("CALL tidy_up()", "unrenderable"),
    ],
)
def test_what_takes_something_away_from_old_code_is_an_error(sql: str, rule: str) -> None:
    assert rules(sql) == [rule]


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- DROP TABLE orders",
        "/* ALTER TABLE orders DROP COLUMN note */ SELECT 1",
        "SELECT 'DROP TABLE orders'",
        "INSERT INTO log VALUES ($$DROP TABLE orders; RENAME$$)",
        "COMMENT ON TABLE orders IS 'never DROP COLUMN note'",
        'CREATE TABLE "DROP TABLE" (id int)',
        "CREATE TABLE renames (drop_column text)",
        "CREATE TABLE IF NOT EXISTS log (id int NOT NULL)",
        "CREATE INDEX CONCURRENTLY i ON orders (note)",
        "DROP INDEX i",
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "DROP STATISTICS s",
        "ALTER INDEX i RENAME TO j",
        "ALTER TABLE orders ADD COLUMN city TEXT",
        "ALTER TABLE orders ADD COLUMN city TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE orders ADD COLUMN n int NOT NULL GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE orders ADD COLUMN n bigserial NOT NULL",
        "ALTER TABLE orders ADD COLUMN n int GENERATED ALWAYS AS (1) STORED NOT NULL",
        "ALTER TABLE orders ALTER COLUMN note DROP NOT NULL",
        "ALTER TABLE orders ALTER COLUMN note SET DEFAULT ''",
        "ALTER TABLE orders ADD CONSTRAINT c CHECK (note <> '') NOT VALID",
        "ALTER TYPE state ADD VALUE 'lost'",
        "CREATE OR REPLACE VIEW open_orders AS SELECT 1",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DROP TABLE orders'; END $$",
        "GRANT SELECT ON orders TO reader",
        "UPDATE orders SET note = 'DROP' WHERE id = 1",
    ],
)
def test_what_adds_or_only_mentions_is_let_through(sql: str) -> None:
    assert rules(sql) == []


def test_every_statement_and_every_part_of_it_is_looked_at() -> None:
    sql = "SELECT 1; ALTER TABLE a DROP b, ALTER c TYPE int;\nDROP VIEW v, w; SELECT ';DROP TABLE x;'"
    assert [(found.rule, found.line) for found in lint_expand(sql)] == [
        ("drop_column", 1),
        ("alter_type", 1),
        ("drop_view", 2),
        ("drop_view", 2),
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a int); ALTER TABLE t DROP COLUMN a; DROP TABLE t",
        "CREATE TABLE public.t (a int); ALTER TABLE t ADD b int NOT NULL",
        "CREATE TABLE t (a int); ALTER TABLE t RENAME a TO b; ALTER TABLE t ALTER b SET NOT NULL",
        "CREATE TEMP TABLE t AS SELECT 1; DROP TABLE t",
        "CREATE TYPE s AS ENUM ('a'); ALTER TYPE s RENAME VALUE 'a' TO 'b'; DROP TYPE s",
        "CREATE VIEW v AS SELECT 1; DROP VIEW v",
        "CREATE TABLE t (a int); DROP TRIGGER touch ON t",
    ],
)
def test_what_was_created_in_the_same_expand_is_unknown_to_old_code(sql: str) -> None:
    assert rules(sql) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE t; CREATE TABLE t (a int)",
        "CREATE TABLE IF NOT EXISTS t (a int); DROP TABLE t",
        "CREATE TABLE sales.t (a int); DROP TABLE t",
        "CREATE OR REPLACE VIEW t AS SELECT 1; DROP VIEW t",
        "CREATE TABLE t (a int); DROP FUNCTION t(int)",
        "CREATE TABLE t (a int); DROP SCHEMA t",
    ],
)
def test_what_only_looks_as_if_it_were_created_here_is_still_an_error(sql: str) -> None:
    assert len(rules(sql)) == 1


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("ALTER TABL orders", 1),
        ("SELECT 1;\n\nALTER TABLE orders DROP;;;x", 3),
        ("SELECT 1;\nSELECT 'open", 2),
        ("SELECT 'é';\n\n\nBOGUS", 4),
        ("\\d orders", 1),
        ("SELECT 1;\n\x00DROP TABLE orders", 2),
    ],
)
def test_sql_that_cannot_be_read_is_an_error_with_its_line(sql: str, line: int) -> None:
    (finding,) = lint_expand(sql)
    assert (finding.rule, finding.severity, finding.line) == ("unrenderable", "error", line)


def test_merge_revisions_and_several_upgrades_are_told_apart() -> None:
    sql = "-- Running upgrade a, b -> c\nDROP VIEW v;\n-- Running upgrade c -> d\nDROP VIEW w; DROP VIEW x;"
    assert [finding.revision for finding in lint_expand(sql)] == ["c", "d", "d"]


def test_a_heading_inside_a_text_names_no_revision() -> None:
    sql = "-- Running upgrade a -> b\nSELECT '\n-- Running upgrade x -> y\n';\nDROP VIEW v"
    assert [finding.revision for finding in lint_expand(sql)] == ["b"]


@given(st.text(max_size=80))
def test_no_text_raises(sql: str) -> None:
    lint_expand(sql)


@settings(max_examples=30)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40))
def test_a_quoted_text_is_never_a_statement(text: str) -> None:
    quoted = text.replace("'", "''").replace("\\", "")
    assert rules(f"SELECT '{quoted} DROP TABLE orders'") == []
