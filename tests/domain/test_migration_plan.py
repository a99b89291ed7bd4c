"""What runs when: phases, locks, waits and gates of branches and of a linear history."""

from pathlib import Path

import pytest

from stationmaster.domain.migration_plan import CONTRACT, RevisionNotHereError, Step, plan
from tests.recordings import Written

KEY = "op.create_foreign_key('f', 't', 'u', ['a'], ['a']"
LONG = "while it reads or writes the table"
ADD, DROP = "op.add_column('t', sa.Column('a', sa.Text))", "op.drop_column('t', 'b')"


@pytest.fixture
def written(tmp_path: Path) -> Written:
    written = Written(tmp_path)
    written.add("root", None, "op.create_table('t', sa.Column('b', sa.Text))")
    return written


def planned(written: Written, *begin: str, to: tuple[str, ...] = ()) -> list[Step]:
    return [*plan([*written.judged().values()], begin, to)]


def names(steps: list[Step]) -> list[str]:
    return [one.judged.revision.name for one in steps]


def test_branches_run_expand_first_and_contract_waits_for_its_gate(written: Written) -> None:
    written.add("c1", "root", DROP, label="contract")
    written.add("e1", "root", ADD, label="expand")
    first, expand, contract = planned(written)
    assert names([first, expand, contract]) == ["root", "e1", "c1"]
    assert expand.waits_for == ("lint",)
    assert contract.waits_for == ("lint", *CONTRACT)
    assert contract.record()["statements"] == [
        {"sql": "ALTER TABLE t DROP COLUMN b", "line": 10, "lock": "ACCESS EXCLUSIVE", "wait": "a moment",
         "work": "contract", "transaction": True},
    ]  # fmt: skip


def test_from_and_to_leave_out_what_has_run_and_what_does_not_lead_there(written: Written) -> None:
    written.add("e1", "root", ADD, label="expand")
    written.add("c1", "root", DROP, label="contract")
    written.add("e2", "e1", "")
    assert names(planned(written, "root")) == ["e1", "e2", "c1"]
    assert names(planned(written, "e1", "c1")) == ["e2"]
    assert names(planned(written, to=("e1",))) == ["root", "e1"]
    assert names(planned(written, "expand", to=("contract",))) == ["c1"]
    with pytest.raises(RevisionNotHereError) as told:
        planned(written, "rot")
    assert told.value.hint == "did you mean 'root'?"


def test_in_a_linear_history_an_expand_waits_for_the_contract_it_stands_on(written: Written) -> None:
    written.whole("c", "root", f"phase = 'contract'\n\n\ndef upgrade():\n    {DROP}\n\n\ndef downgrade():\n    {ADD}")
    written.add("e", "c", ADD)
    assert planned(written)[-1].waits_for == ("lint", "c, which is of the contract and comes before it")


def test_what_mixes_phases_moves_rows_or_takes_long_says_so(written: Written) -> None:
    written.add("m", "root", f"{ADD}\n{DROP}")
    written.add("d", "m", "op.execute('UPDATE t SET a = b WHERE a IS NULL')")
    written.add("l", "d", "op.create_unique_constraint('u', 't', ['a'])")
    _, mixed, data, long = planned(written)
    assert mixed.waits_for == ("lint: 1 error stands: drop_column on line 11", mixed.waits_for[1])
    assert "split" in mixed.waits_for[1]
    assert "backfill" in data.waits_for[1]
    assert "window" in long.waits_for[-1]
    assert [one.wait for one in long.judged.statements] == [LONG]


def test_what_is_not_known_waits_for_being_known(written: Written) -> None:
    written.add("a", "root", "import gone_module_of_ours")
    written.add("b", "root", "import gone_module_of_ours", label="contract")
    _, unknown, contract = planned(written)
    assert (unknown.judged.phase.name, contract.judged.phase.name) == ("unknown", "contract")
    assert unknown.waits_for == ("lint: 1 error stands: unrenderable on line 10", unknown.waits_for[1])
    assert "not known" in unknown.waits_for[1]


@pytest.mark.parametrize(
    ("code", "lock", "wait"),
    [
        ("op.create_table('n', sa.Column('a', sa.Text))", None, "nobody waits"),
        ("op.create_index('i', 't', ['a'])", "SHARE", LONG),
        ("op.create_index('i', 't', ['a'], postgresql_concurrently=True)", "SHARE UPDATE EXCLUSIVE", "nobody waits"),
        ("op.add_column('t', sa.Column('a', sa.Text))", "ACCESS EXCLUSIVE", "a moment"),
        (f"{KEY}, postgresql_not_valid=True)", "SHARE ROW EXCLUSIVE", "a moment"),
        (f"{KEY})", "SHARE ROW EXCLUSIVE", LONG),
        ("op.execute('ALTER TABLE t VALIDATE CONSTRAINT f')", "SHARE UPDATE EXCLUSIVE", "nobody waits"),
        ("op.alter_column('t', 'a', type_=sa.BigInteger)", "ACCESS EXCLUSIVE", LONG),
        ("op.execute('UPDATE t SET a = 1')", "ROW EXCLUSIVE", "as long as there are rows"),
        ("op.execute(\"INSERT INTO t VALUES ('a')\")", "ROW EXCLUSIVE", "a moment"),
        ("op.execute(\"COMMENT ON COLUMN t.a IS 'x'\")", "SHARE UPDATE EXCLUSIVE", "nobody waits"),
    ],
)  # fmt: skip
def test_each_statement_has_its_lock_and_its_wait(tmp_path: Path, code: str, lock: str | None, wait: str) -> None:
    written = Written(tmp_path)
    written.add("a", None, code)
    (statement,) = written.judged()["a"].statements
    assert (statement.lock, statement.wait) == (lock, wait)
