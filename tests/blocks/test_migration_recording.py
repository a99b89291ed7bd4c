"""What a revision does is heard without a database, whatever way it takes to do it; and on which line."""

import re
from pathlib import Path

import pytest

from tests.recordings import Written, line_of, sql_of

BIND = "op.get_bind()"
_ASKED = "SELECT a FROM t"
_COUNTED = "SELECT count(*) FROM t"
_DELETED = "DELETE FROM t WHERE a = :a AND b = :ab"


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def plain(sql: list[str]) -> list[str]:
    return [" ".join(one.split()) for one in sql]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("op.drop_table('t')", ["DROP TABLE t"]),
        ("op.execute('SELECT 10 % 3')", ["SELECT 10 % 3"]),
        ("op.execute(\"UPDATE t SET a = '5%' WHERE b LIKE '%x'\")", ["UPDATE t SET a = '5%' WHERE b LIKE '%x'"]),
        ("with op.batch_alter_table('t') as b:\n    b.drop_column('a')", ["ALTER TABLE t DROP COLUMN a"]),
        ("for n in 'ab':\n    op.execute(f'DROP VIEW {n}')", ["DROP VIEW a", "DROP VIEW b"]),
        (f"{BIND}.execute(sa.text('DROP VIEW v'))", ["DROP VIEW v"]),
        (f"{BIND}.exec_driver_sql('DROP VIEW v')", ["DROP VIEW v"]),
        (
            f"{BIND}.execute(sa.text({_DELETED!r}), {{'a': \"it's\", 'ab': None}})",
            ["DELETE FROM t WHERE a = 'it''s' AND b = NULL"],
        ),
        (
            ("t = sa.table('t', sa.column('a', sa.DateTime))\nimport datetime\n"
            "op.execute(t.update().values(a=datetime.datetime(2026, 1, 2)))"),
            ["UPDATE t SET a='2026-01-02 00:00:00'"],
        ),
        (
            ("t = sa.table('t', sa.column('a', sa.JSON), sa.column('b', sa.LargeBinary))\n"
            "op.bulk_insert(t, [{'a': {'x': 1}, 'b': b'1'}])"),
            ["""INSERT INTO t (a, b) VALUES ('{"x": 1}'::JSON, '\\x31'::bytea)"""],
        ),
        (
            (f"t = sa.table('t', sa.column('a'))\nfor row in {BIND}.execute(sa.select(t.c.a)): op.drop_table(row.a)\n"
            "op.drop_table('u')"),
            ["SELECT t.a FROM t", "DROP TABLE u"],
        ),
        (f"assert {BIND}.execute(sa.text({_COUNTED!r})).scalar() == 0", ["SELECT count(*) FROM t"]),
        (f"Session(bind={BIND}).execute(sa.text('DROP VIEW v'))", ["DROP VIEW v"]),
        ("from alembic import context\nif not context.is_offline_mode(): op.drop_table('t')", ["DROP TABLE t"]),
        (f"if {BIND}.dialect.name == 'postgresql': op.drop_table('t')", ["DROP TABLE t"]),
        (f"{BIND}.commit()\nop.drop_table('t')", ["COMMIT AND CHAIN", "DROP TABLE t"]),
        (f"with {BIND}.begin_nested(): op.drop_table('t')", ["DROP TABLE t"]),
        (
            "sa.Enum('a', name='mood').create(op.get_bind(), checkfirst=False)",
            ["CREATE TYPE mood AS ENUM ('a')"],
        ),
    ],
)  # fmt: skip
def test_what_it_does_is_heard(written: Written, code: str, expected: list[str]) -> None:
    recorded = written.one(written.add("a", None, code))
    assert recorded.unrenderable is None
    assert plain(sql_of(recorded)) == expected


def test_rows_that_the_orm_adds_are_heard_with_their_values(written: Written) -> None:
    code = """
    from sqlalchemy.orm import declarative_base
    Base = declarative_base()
    class T(Base):
        __tablename__ = "t"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String)
    session = Session(bind=op.get_bind())
    session.add_all([T(name="x"), T(name="y")])
    session.commit()
    """
    recorded = written.one(written.add("a", None, code))
    assert plain(sql_of(recorded)) == [
        "INSERT INTO t (name) VALUES ('x') RETURNING t.id",
        "INSERT INTO t (name) VALUES ('y') RETURNING t.id",
    ]
    assert recorded.runs[0].sessions == (line_of(written.root / "versions/a.py", "session.commit()"),)


def test_rows_that_an_update_gives_back_make_it_no_read(written: Written) -> None:
    sql = "UPDATE t SET a = 1 WHERE b RETURNING id"
    (run,) = written.one(written.add("a", None, f"op.get_bind().execute(sa.text({sql!r})).all()")).runs
    assert [(one.kind, one.sql) for one in run.operations] == [("bind", sql)]


def test_each_entry_of_a_batch_keeps_its_line(written: Written) -> None:
    code = """
    with op.batch_alter_table("t") as batch:
        batch.drop_column("a")
        for name in ("b", "c"):
            batch.drop_column(name)
        batch.create_index("i", ["d"])
    """
    file = written.add("a", None, code)
    (run,) = written.one(file).runs
    first, loop, index = (line_of(file, words) for words in ('"a")', "column(name)", "create_index"))
    assert [(one.line, " ".join(one.sql.split())) for one in run.operations] == [
        (first, "ALTER TABLE t DROP COLUMN a"),
        (loop, "ALTER TABLE t DROP COLUMN b"),
        (loop, "ALTER TABLE t DROP COLUMN c"),
        (index, "CREATE INDEX i ON t (d)"),
    ]


def test_a_helper_module_is_named_beside_the_line_that_calls_it(written: Written) -> None:
    (written.root / "own_steps.py").write_text("from alembic import op\n\ndef drop(name):\n    op.drop_table(name)\n")
    code = f"import sys; sys.path.insert(0, {str(written.root)!r})\nfrom own_steps import drop\ndrop('t')"
    file = written.add("a", None, code)
    (run,) = written.one(file).runs
    assert [(one.line, one.helper, one.helper_line) for one in run.operations] == [
        (line_of(file, "drop('t')"), "own_steps.py", 4)
    ]


def test_what_is_in_an_autocommit_block_is_told_apart(written: Written) -> None:
    code = """
    op.drop_table("t")
    with op.get_context().autocommit_block():
        op.execute("VACUUM u")
    op.get_bind().execution_options(isolation_level="AUTOCOMMIT") if False else None
    """
    (run,) = written.one(written.add("a", None, code)).runs
    assert [one.autocommit for one in run.operations] == [False, True]
    assert len(run.blocks) == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module_of_ours", "needs the module 'no_such_module_of_ours'"),
        ("raise ValueError('no')", "raised ValueError: no"),
        ("import sys\nsys.exit(3)", "raised SystemExit: 3"),
        (f"{BIND}.execute(sa.text({_ASKED!r})).fetchone()[0]", "raised TypeError: .*subscriptable"),
        ("op.execute('SELECT :name')", "raised .*name"),
        ("sa.create_engine('sqlite://').connect()", "connects to a sqlite database by itself"),
        ("Session(bind=sa.create_engine('sqlite://')).execute(sa.text('SELECT 1'))", "connects to a sqlite"),
        ("op.drop_constraint(None, 't')", "raised CompileError: .*no name"),
    ],
)
def test_what_stops_it_is_named_with_its_line(written: Written, code: str, reason: str) -> None:
    file = written.add("a", None, f"op.drop_table('before')\n{code}")
    recorded = written.one(file)
    assert recorded.unrenderable is not None
    assert re.match(reason, recorded.unrenderable.reason)
    assert recorded.unrenderable.line == line_of(file, code.splitlines()[-1])
    assert sql_of(recorded)[0].strip() == "DROP TABLE before"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("revision = 'a'\ndef upgrade(:\n", "SyntaxError"),
        ("revision = 'a'\n", "has no `revision`, or no `upgrade\\(\\)`"),
        ("def upgrade(): pass\n", "has no `revision`"),
        ("import no_such_module_of_ours\nrevision = 'a'\n", "needs the module"),
        ("raise SystemExit(1)\nrevision = 'a'\n", "raised SystemExit: 1"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_no_pass(written: Written, text: str, reason: str) -> None:
    file = written.add("a", None, "pass")
    file.write_text(text)
    recorded = written.one(file)
    assert recorded.fault is not None
    assert re.match(reason, recorded.fault.reason)


SCHEMA = (
    "if not sa.inspect(op.get_bind()).has_table('t'): op.create_table('t')\nelse: op.drop_table('t')",
    (
        "if 'a' in {c['name'] for c in sa.inspect(op.get_bind()).get_columns('t')}: op.drop_column('t', 'a')\n"
        "else: op.add_column('t', sa.Column('a', sa.Integer))"
    ),
    (
        "if any(i['name'] == 'i' for i in sa.inspect(op.get_bind()).get_indexes('t')): op.drop_index('i')\n"
        "else: op.create_index('i', 't', ['a'])"
    ),
    "if op.get_bind().dialect.has_table(op.get_bind(), 't'): op.drop_table('t')\nelse: op.create_table('t')",
    "sa.Enum('x', name='mood').create(op.get_bind(), checkfirst=True)",
    "sa.Table('t', sa.MetaData(), sa.Column('a', sa.Text)).create(op.get_bind(), checkfirst=True)",
    "sa.Table('t', sa.MetaData(), sa.Column('a', sa.Text)).drop(op.get_bind(), checkfirst=True)",
)


@pytest.mark.parametrize("code", SCHEMA)
def test_both_answers_to_a_question_about_the_schema_are_recorded(written: Written, code: str) -> None:
    recorded = written.one(written.add("a", None, code))
    absent, present = recorded.runs
    assert [absent.present, present.present] == [False, True]
    assert [one.line for one in absent.questions] != []
    assert plain(sql_of(recorded, 0)) != plain(sql_of(recorded, 1))
    assert recorded.unrenderable is None


def test_a_table_that_is_reflected_is_there_in_the_second_run(written: Written) -> None:
    code = "t = sa.Table('t', sa.MetaData(), autoload_with=op.get_bind())\nop.execute(t.update().values(a=None))"
    recorded = written.one(written.add("a", None, code + "\n'a'"))
    absent, present = recorded.runs
    assert absent.fault is not None
    assert "NoSuchTableError" in absent.fault.reason
    assert plain([one.sql for one in present.operations]) == ["UPDATE t SET a=NULL"]
    assert recorded.unrenderable is None


def test_one_revision_leaves_nothing_behind_for_the_next(written: Written) -> None:
    first = written.one(written.add("a", None, "op.drop_table('t')\nraise ValueError('x')"))
    second = written.one(written.add("b", "a", "op.drop_table('u')"))
    assert plain(sql_of(first)) == ["DROP TABLE t"]
    assert plain(sql_of(second)) == ["DROP TABLE u"]
