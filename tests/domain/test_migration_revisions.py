"""Findings about revisions: hazards that a scan of the source misses, no false ones, exceptions, phases, histories."""

from pathlib import Path

import pytest

from stationmaster.domain.migration_rule import Rule
from stationmaster.domain.migration_rules import OF_REVISION
from tests.recordings import Written, errors, kinds, line_of, rules


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


SEVEN = """
with op.batch_alter_table("orders") as batch:
    batch.alter_column("note", nullable=False)  # 1: a batch operation
    batch.create_unique_constraint("orders_once", ["number"])  # 2: another
take_away("orders", "city")
for table in ("orders", "customers"):
    op.execute(f"CREATE INDEX {table}_by_name ON {table} (name)")  # 4: a loop with an f-string
op.execute("LOCK TABLE payments; ALTER TABLE payments ADD CHECK (amount > 0)")  # 5, 6: raw SQL
op.get_bind().execute(sa.text("UPDATE orders SET total = :total"), {"total": 0})  # 7: the connection
"""


def test_seven_hidden_hazards_are_all_found_on_their_lines(written: Written) -> None:
    helper = "def take_away(table, column):\n    op.drop_column(table, column)  # 3: a helper function\n\n\n"
    body = "".join(f"    {line}\n" for line in SEVEN.strip().splitlines())
    file = written.whole(
        "seven", None, f"{helper}def upgrade():\n{body}\n\ndef downgrade():\n    op.execute('SELECT 1')"
    )
    found = {(one.rule, one.line) for one in written.judged()["seven"].findings if one.severity == "error"}
    expected = {
        ("set_not_null", "# 1:"), ("unique_builds_index", "# 2:"), ("drop_column", "# 3:"),
        ("index_not_concurrent", "# 4:"), ("lock_table", "# 5, 6:"), ("check_validates", "# 5, 6:"),
        ("update_without_where", "# 7:"),
    }  # fmt: skip
    assert {(rule, line_of(file, words)) for rule, words in expected} <= found


@pytest.mark.parametrize(
    "code",
    [
        (
            "op.create_table('t', sa.Column('a', sa.Integer, primary_key=True))\nop.create_index('i', 't', ['a'])\n"
            "op.create_foreign_key('f', 't', 't', ['a'], ['a'])\nwith op.batch_alter_table('t') as b:\n"
            "    b.drop_column('a')\nop.get_bind().execute(sa.text('ALTER TABLE t ADD COLUMN b uuid DEFAULT random()'))"
        ),
        "with op.get_context().autocommit_block():\n    op.create_index('i', 't', ['a'], postgresql_concurrently=True)",
        (
            "with op.get_context().autocommit_block():\n    op.drop_index('i', 't', postgresql_concurrently=True)\n"
            "    op.create_index('i', 't', ['a'], postgresql_concurrently=True)"
        ),
        "op.add_column('t', sa.Column('b', sa.Text))\nop.add_column('t', sa.Column('c', sa.Text, server_default=''))",
        "op.execute(\"INSERT INTO states VALUES ('open')\")",
        "",
    ],
)
def test_the_safe_way_is_no_finding(written: Written, code: str) -> None:
    written.add("a", None, code)
    assert written.found() == {"a": []}


def test_not_valid_then_validate_then_not_null_in_three_revisions_is_no_error(written: Written) -> None:
    written.add(
        "a", None, "op.create_check_constraint('c', 't', 'x IS NOT NULL', postgresql_not_valid=True)\n"
        "op.create_foreign_key('f', 't', 'u', ['y'], ['id'], postgresql_not_valid=True)", label="expand",
    )  # fmt: skip
    written.add("b", "a", "op.execute('ALTER TABLE t VALIDATE CONSTRAINT c')")
    written.add("b2", "b", "op.execute('ALTER TABLE t VALIDATE CONSTRAINT f')")
    written.whole(
        "c", "b2", "phase = 'contract'\n\n\ndef upgrade():\n    op.alter_column('t', 'x', nullable=False)\n"
        "    op.drop_constraint('c', 't')\n\n\ndef downgrade():\n    op.alter_column('t', 'x', nullable=True)",
    )  # fmt: skip
    found = written.found()
    assert [found["a"], found["b"], found["b2"]] == [[], [], []]
    assert "not_null_scans" not in [rule for rule, _ in found["c"]]


def test_validate_in_the_transaction_that_added_it_is_an_error(written: Written) -> None:
    written.add(
        "a", None, "op.create_check_constraint('c', 't', 'x > 0', postgresql_not_valid=True)\n"
        "op.execute('ALTER TABLE t VALIDATE CONSTRAINT c')",
    )  # fmt: skip
    assert ("validate_same_transaction", "error") in written.found()["a"]


def test_what_the_revision_commits_by_itself_is_another_transaction(written: Written) -> None:
    code = "op.execute('ALTER TABLE t ADD a int')\n{}\nop.execute('ALTER TABLE u ADD a int')"
    written.add("a", None, code.format("pass"))
    written.add("b", "a", code.format("op.get_bind().commit()"))
    written.add("c", "b", code.format("op.execute('COMMIT')"))
    assert written.found() == {"a": [("two_tables_locked", "warning")], "b": [], "c": []}


@pytest.mark.parametrize("rule", OF_REVISION.values(), ids=lambda rule: rule.id)
def test_the_bad_example_has_the_rule_and_the_good_one_does_not(written: Written, rule: Rule) -> None:
    (written.root / "orderdesk_models.py").write_text(
        "import sqlalchemy as sa\nfrom sqlalchemy.orm import declarative_base\nclass Order(declarative_base()):\n"
        "    __tablename__ = 'orders'\n    id = sa.Column(sa.Integer, primary_key=True)\n"
    )
    for name, text in (("bad", rule.bad), ("good", rule.good)):
        reach = f"import sys; sys.path.insert(0, {str(written.root)!r})\n"
        written.whole(name, "root", reach + text.replace("orderdesk.models", "orderdesk_models"))
    written.add("root", None, "")
    if rule.id != "several_heads":
        good = written.root / "versions/good.py"
        good.write_text(good.read_text().replace("'root'", "'bad'", 1))
    judged = written.judged()
    (finding, *_) = [one for one in judged["bad"].findings if one.rule == rule.id]
    assert (finding.severity, finding.lock, finding.fix) == (rule.severity, None, rule.fix)
    assert rule.id == "several_heads" or rule.id not in rules(judged["good"])


ALLOW = "# stationmaster: allow drop_column because nothing reads it"


@pytest.mark.parametrize(
    "code",
    [
        f"{ALLOW}\nop.drop_column('t', 'a')",
        f"op.drop_column('t', 'a')  {ALLOW}",
        f"op.drop_column(\n    't',  {ALLOW}\n    'a',\n)",
        f"op.drop_column(\n    't',\n    {ALLOW}\n    'a',\n)",
        f"with op.batch_alter_table('t') as b:\n    {ALLOW}\n    b.drop_column('a')",
        f"for c in 'ab':\n    b = c  # another\n    {ALLOW}\n    # and more\n    op.drop_column('t', c)",
        "op.execute('/* stationmaster: allow drop_column because nothing reads it */ ALTER TABLE t DROP COLUMN a')",
    ],
)
def test_an_exception_at_the_operation_is_told_with_its_reason(written: Written, code: str) -> None:
    written.add("a", None, code)
    findings = written.judged()["a"].findings
    assert {(one.rule, one.severity, one.reason) for one in findings} == {("drop_column", "info", "nothing reads it")}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (f"{ALLOW}\nop.drop_table('t')", [("exception_unused", "warning"), ("drop_table", "error")]),
        (f"{ALLOW}\nop.execute('SELECT 1')\nop.drop_column('t', 'a')",
         [("exception_unused", "warning"), ("drop_column", "error")]),
        ("op.drop_column('t', 'a')  # stationmaster: allow drop_column",
         [("drop_column", "error"), ("exception_without_reason", "error")]),
        ("op.drop_column('t', 'a')  # stationmaster: allow drop_colum because x",
         [("drop_column", "error"), ("exception_unused", "warning")]),
        ("op.execute('SELECT 1')  # stationmaster: forgive me", [("exception_without_reason", "error")]),
    ],
)  # fmt: skip
def test_an_exception_that_does_not_fit_excuses_nothing(
    written: Written, code: str, expected: list[tuple[str, str]]
) -> None:
    written.add("a", None, code)
    assert sorted(written.found()["a"]) == sorted(expected)


def test_rules_about_source_can_be_excused_too(written: Written) -> None:
    down = "\n# stationmaster: allow no_downgrade because the rehearsal restores a backup\ndef downgrade():\n    pass\n"
    written.add("a", None, "", down=down)
    assert written.found()["a"] == [("no_downgrade", "info")]


def test_what_raises_is_an_error_and_what_it_did_before_is_judged(written: Written) -> None:
    file = written.add("a", None, "op.drop_table('t')\nimport gone_module_of_ours")
    findings = written.judged()["a"].findings
    assert [(one.rule, one.line) for one in findings] == [
        ("drop_table", line_of(file, "drop_table")), ("unrenderable", line_of(file, "import gone")),
    ]  # fmt: skip
    assert "'gone_module_of_ours', which this Python does not have" in findings[1].message


def test_sql_that_does_not_parse_is_an_error_on_its_line(written: Written) -> None:
    file = written.add("a", None, "op.execute('SELECT 1')\nop.execute('DROP TABL t')\nop.drop_table('t')")
    found = [(one.rule, one.line) for one in written.judged()["a"].findings]
    assert found == [("unrenderable", line_of(file, "TABL ")), ("drop_table", line_of(file, "op.drop_table"))]


def test_in_the_contract_old_code_may_lose_what_it_had(written: Written) -> None:
    written.add("root", None, "")
    written.add("e", "root", "op.drop_column('t', 'a')", label="expand")
    written.add("c", "root", "op.drop_column('t', 'a')", label="contract")
    written.add("c1", "c", "op.execute('DROP VIEW v; CREATE VIEW v AS SELECT 1; CREATE TEMP TABLE x (a int)')")
    written.add("c2", "c1", "op.drop_table('t')\nop.create_table('u', sa.Column('a', sa.Integer))")
    found = written.found()
    assert found["e"] == [("drop_column", "error"), ("contract_in_expand", "error")]
    assert found["c"] == found["c1"] == []
    assert found["c2"] == [("expand_in_contract", "error")]


def test_a_linear_history_is_classified(written: Written) -> None:
    rows = 'op.execute("UPDATE t SET a = 1 WHERE b")'
    add, drop = "op.add_column('t', sa.Column('a', sa.Text))", "op.drop_column('t', 'b')"
    steps = [add, drop, rows, f"{add}\n{rows}", f"{add}\n{drop}", "", "op.create_index('i', 't', ['a'])"]
    for number, code in enumerate(steps):
        written.add(f"r{number}", f"r{number - 1}" if number else None, code)
    judged = written.judged()
    assert [judged[f"r{number}"].phase.name for number in range(7)] == [
        "expand", "contract", "data", "mixed", "mixed", "expand", "expand",
    ]  # fmt: skip
    (mixed,) = [one for one in judged["r4"].findings if one.rule == "mixed_phase"]
    assert mixed.message == "adds (line 10); takes something from old code (line 11)"


def test_heads_are_counted_by_branch(written: Written) -> None:
    written.add("root", None, "")
    written.add("e1", "root", "", label="expand")
    written.add("c1", "root", "", label="contract")
    assert written.found() == {"root": [], "e1": [], "c1": []}
    written.add("e2", "root", "", label=None)
    written.add("e3", "e1", "")
    written.add("e4", "e1", "")
    found = written.judged()
    assert [one.message for one in found["e3"].findings] == ["is one of 2 heads of branch expand; the others: e4"]
    assert rules(found["e2"]) == []


def test_a_history_that_is_broken_says_where(written: Written) -> None:
    written.add("abcd1", None, "")
    (written.root / "versions/again.py").write_text((written.root / "versions/abcd1.py").read_text())
    written.add("b", "abcd2", "")
    written.add("x", "y", "")
    written.add("y", "x", "")
    judged = [*written.judged().values()]
    messages = sorted(one.message for each in judged for one in each.findings if one.rule == "broken_history")
    assert messages == [
        "down_revision 'abcd2' is not here; did you mean 'abcd1'?",
        "has the id abcd1, as versions/abcd1.py has",
        "stands on itself: the revisions go round",
        "stands on itself: the revisions go round",
    ]


def test_a_file_that_cannot_be_loaded_breaks_no_history_around_it(written: Written) -> None:
    written.add("a", None, "")
    lost = written.add("b", "a", "")
    lost.write_text("import gone_module_of_ours\n" + lost.read_text())
    written.add("c", "b", "")
    judged = written.judged()
    assert [(name, rules(one)) for name, one in judged.items()] == [("a", []), ("b", ["unrenderable"]), ("c", [])]
    lost.write_text("revision = 7\ndef upgrade(): pass\n")
    assert rules(written.judged()["versions/b.py"]) == ["unrenderable"]


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("def downgrade():\n    raise NotImplementedError", True),
        ("def downgrade():\n    '''Nothing.'''\n    return", True),
        ("def downgrade():\n    ...", True),
        ("", True),
        ("no_down = ''", True),
        ("no_down = 'the rows are gone'", False),
        ("no_down: str = 'the rows are gone'\ndef downgrade():\n    raise NotImplementedError", False),
        ("def downgrade():\n    op.drop_table('t')", False),
        ("from os import getcwd as downgrade", False),
    ],
)
def test_a_downgrade_or_the_reason_for_none_is_wanted(written: Written, rest: str, found: bool) -> None:  # noqa: FBT001
    written.whole("a", None, f"def upgrade():\n    pass\n\n\n{rest}")
    assert (("no_downgrade", "warning") in written.found()["a"]) == found


def test_a_concurrent_index_whose_validity_is_looked_at_may_be_kept(written: Written) -> None:
    keep = (
        "with op.get_context().autocommit_block():\n    op.create_index('i', 't', ['a'], if_not_exists=True, "
        "postgresql_concurrently=True)"
    )
    look = "op.get_bind().execute(sa.text('SELECT indisvalid FROM pg_catalog.pg_index')).scalar()\n"
    written.add("a", None, keep)
    written.add("b", "a", look + keep)
    found = written.found()
    assert found["a"] == [("concurrent_if_not_exists", "warning")]
    assert found["b"] == [("reads_schema", "warning")]


def test_both_answers_about_the_schema_are_judged(written: Written) -> None:
    written.add("a", None, "if sa.inspect(op.get_bind()).has_table('t'): op.drop_table('t')\nelse: op.drop_table('u')")
    judged = written.judged()
    messages = [one.message for one in judged["a"].findings if one.rule == "drop_table"]
    assert messages == ["drops table t, which old code still uses", "drops table u, which old code still uses"]
    assert ("reads_schema", "warning") in kinds(judged["a"])
    assert errors(judged.values()) == ["drop_table", "drop_table"]
