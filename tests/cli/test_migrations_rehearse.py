"""`migrations rehearse` as it is typed: what it answers, with which code, and what it refuses before it begins."""

import json
from pathlib import Path
from typing import Any

import pytest

from stationmaster.cli.main import run
from tests.conftest import Postgres
from tests.rehearsals import add, with_total


def call(*words: str) -> int:
    return run(["migrations", "rehearse", *words])


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(with_total(tmp_path).root / "export" / "migrations")


@pytest.mark.slow
def test_a_change_that_can_be_undone_is_zero_and_its_estimate_is_for_the_runner(
    postgres: Postgres, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, scratch = tmp_path / "estimate.json", postgres.url("postgres")
    assert call("--path", folder, "--scratch", scratch, "--rows", "orders=300", "--out", str(out), "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told == json.loads(out.read_text())
    assert (told["from"], told["to"], told["rows"], told["findings"]) == (["e1"], ["e2"], {"orders": 300}, [])
    words = ("--path", folder, "--database", postgres.create(), "--rehearsed", str(out), "--json")
    assert run(["migrations", "run", *words]) == 0
    compared = json.loads(capsys.readouterr().out)["rehearsed"]
    known = [one["sql"] for one in compared["statements"] if one["rehearsed_ms"] is not None]
    assert known == [one["sql"] for one in told["statements"]]
    unknown = [one["sql"] for one in compared["statements"] if one["rehearsed_ms"] is None]
    assert unknown == ["CREATE TABLE orders (id int PRIMARY KEY)"]


@pytest.mark.slow
def test_a_finding_is_one_and_says_what_to_do(
    postgres: Postgres, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.revisions import Scripts  # noqa: PLC0415 - here only

    add(Scripts(tmp_path), "e3", "e2", "ALTER TABLE orders ADD x int")
    assert call("--path", folder, "--scratch", postgres.url("postgres"), "--rows", "orders=3") == 1
    said = capsys.readouterr().out
    assert "no_way_back: e3.py: revision e3 has neither a downgrade nor `no_down`" in said
    assert (
        'instead, for no_way_back: write downgrade(), or decide against it where all can read it: no_down = "' in said
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give --rows or --dump"),
        (("--rows", "orders=1", "--dump", "x", "--anonymised"), "give --rows or --dump"),
        (("--rows", "orders"), "--rows 'orders' is not understood"),
        (("--rows", "orders=many"), "'many' is no number of rows"),
        (("--column", "orders.state='x'"), "--column is of --rows"),
        (("--anonymised",), "are of --dump"),
        (("--rows", "orders=1", "--smoke", "'"), "is not understood"),
        (("--rows", "orders=1", "--smoke", ""), "--smoke is empty"),
        (("--rows", "orders=1", "--timeout", "soon"), "--timeout: 'soon' is not a duration"),
        (("--dump", "x", "--anonymised", "--max-age", "old"), "--max-age: 'old' is not a duration"),
    ],
)
def test_options_that_do_not_fit_are_input_errors(
    folder: str, words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--path", folder, "--scratch", "postgresql://nobody@/none?host=/nowhere", *words, "--json") == 2
    assert says in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_server_that_is_away_is_three_and_no_password_is_told(
    folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATIONMASTER_SCRATCH", "postgresql://app:hunter2@/none?host=/nowhere")
    assert call("--path", folder, "--rows", "orders=1", "--json") == 3
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err


def test_without_a_scratch_server_it_says_which_variable_is_missing(
    folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATIONMASTER_SCRATCH", raising=False)
    assert call("--path", folder, "--rows", "orders=1", "--json") == 2
    assert "STATIONMASTER_SCRATCH" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_dump_that_nobody_calls_anonymised_is_refused(
    postgres: Postgres, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop.sql").write_text("SELECT 1;")
    words = ("--path", folder, "--scratch", postgres.url("postgres"), "--dump", str(tmp_path / "shop.sql"), "--json")
    assert call(*words) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "dump_not_anonymised"
