"""`backfills.yaml` as people write it: every wrong line is named with the nearest right spelling."""

from itertools import product
from typing import Any

import pytest

from stationmaster.domain.backfill_faults import fault, told
from stationmaster.domain.backfill_states import EDGES, STATES, TABLE, before
from stationmaster.domain.backfills import Backfill, Backfills
from stationmaster.domain.documents import DocumentError, read

GOOD: dict[str, Any] = {"name": "n", "table": "orders", "key": "id", "set": "n = n + 1"}
PAGE = """\
backfills:
  - {name: orders-total-minor, revision: 8f3c, table: orders, key: id, tenant: tenant_id,
     set: "total_minor = (total * 100)::bigint", todo: "total_minor IS NULL",
     verify: "total_minor IS NOT DISTINCT FROM (total * 100)::bigint"}
"""


def test_the_file_of_the_page_is_read() -> None:
    (one,) = read(Backfills, PAGE, "backfills.yaml").value.backfills
    assert (one.key, one.changed, one.batch.target_ms) == (("id",), ("total_minor",), 50)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tabel: orders", "unknown key 'tabel' in backfills[1] (did you mean 'table'?)"),
        ("set: 'n = 1'\n    function: 'a:b'", "either `set` or `function`"),
        ("set: 'n ='", "must be `column = expression, …`: syntax error"),
        ("set: 'n = 1 WHERE id = 2'", "syntax error"),
        ("set: 'n = 1 FROM other'", "the list behind SET alone"),
        ("set: 'id = 1'", "changes 'id', by which rows are walked"),
        ("set: 'tenant_id = 1'", "changes 'tenant_id', by which rows are walked"),
        ("todo: 'n IS NULL; DROP TABLE orders'", "must be one expression of SQL"),
        ("todo: 'n IS NULL'\n    created_before: made", "where there is no `todo`"),
        ("table: a.b.c", "not the name of a table"),
        ("key: []", "must not be empty"),
        ("key: [id, id]", "names a column twice"),
        ("batch: {least: 9, most: 3}", "9 is more than `most`, which is 3"),
        ("batch: {target: 9}", "did you mean 'target_ms'?"),
        ("rows_per_second: 0", "greater than 0"),
        ("reads: [a]", "are those of a `function`"),
        ("function: 'a b'", "pattern"),
        ("throttle: {replication_lag: {pause_at: 1, resume_at: 0}}", "did you mean 'replication_lag_bytes'?"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(line: str, said: str) -> None:
    key = line.partition(":")[0]
    rest = "".join(f"    {name}: {value!r}\n" for name, value in {**GOOD, "tenant": "tenant_id"}.items() if name != key)
    text = f"backfills:\n  -\n{rest}    {line}\n"
    with pytest.raises(DocumentError) as caught:
        read(Backfills, text, "backfills.yaml")
    assert said in str(caught.value)
    assert all(problem.line for problem in caught.value.problems)


def test_a_function_says_what_it_reads_and_writes() -> None:
    given = {"name": "n", "table": "orders", "key": "id", "function": "shop.fill:fill"}
    with pytest.raises(ValueError, match="needs `reads` and `writes`"):
        Backfill.model_validate(given)
    one = Backfill.model_validate({**given, "reads": "total", "writes": ["n"]})
    assert (one.reads, one.changed) == (("total",), ("n",))


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="given twice"):
        Backfills.model_validate({"backfills": [GOOD, GOOD]})


def test_what_makes_it_another_job_is_what_is_done_to_which_rows() -> None:
    one = Backfill.model_validate(GOOD)
    assert Backfill.model_validate({**GOOD, "verify": "n > 0", "rows_per_second": 5}).digest == one.digest
    for more in ({"set": "n = 2"}, {"key": "no"}, {"table": "x"}, {"tenant": "t"}, {"todo": "n = 0"}):
        assert Backfill.model_validate({**GOOD, **more}).digest != one.digest


def test_every_pair_of_state_and_event_is_decided_once() -> None:
    events = {edge.event for edge in EDGES}
    pairs = [(state, edge.event) for edge in EDGES for state in edge.states]
    assert len(pairs) == len(set(pairs)) == len(TABLE)
    for state, event in product(STATES, events):
        assert (state in before(event)) == ((state, event) in TABLE)
    assert {edge.to for edge in EDGES} == set(STATES)


@pytest.mark.parametrize(
    ("state", "kind"),
    [(None, "away"), ("57P01", "away"), ("08006", "away"), ("53300", "away"), ("25P03", "away"), ("40001", "busy"),
     ("40P01", "busy"), ("55P03", "busy"), ("53100", "full"), ("57014", "slow"), ("23514", "row"), ("22003", "row"),
     ("P0001", "row"), ("42703", "ours"), ("42501", "ours"), ("XX001", "ours")],
)  # fmt: skip
def test_what_an_error_means(state: str | None, kind: str) -> None:
    assert fault(state) == kind


def test_values_are_not_repeated() -> None:
    assert told("22P02", 'invalid input syntax for type integer: "hunter2"') == (
        'invalid input syntax for type integer: "…"'
    )
    assert told("23514", 'violates check constraint "small"') == 'violates check constraint "small"'
    assert told(None, None) == "the connection broke"
    assert len(told("P0001", "x" * 999)) < 210
