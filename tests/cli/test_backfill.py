"""`backfill run|status|pause|resume|skip` as a person types them, on a real PostgreSQL."""

import json
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.backfilling import Progress, TenantProgress
from stationmaster.cli.backfill_told import line
from stationmaster.cli.main import run
from tests.backfills import Shop
from tests.conftest import Postgres

TWO = """\
backfills:
  - name: minor
    table: orders
    key: id
    tenant: tenant_id
    set: "total_minor = (total * 100)::bigint"
    todo: "total_minor IS NULL"
  - {name: count, table: orders, key: id, tenant: tenant_id, set: "n = n + 1"}
"""


@pytest.fixture
def shop(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(postgres).orders(100)
    monkeypatch.setenv("DATABASE_URL", shop.url)
    return shop


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "backfills.yaml"
    file.write_text(TWO)
    return file


def typed(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> list[dict[str, Any]]:
    ended = run(["backfill", *words, "--json"])
    said = capsys.readouterr()
    assert ended == code, said
    return [json.loads(one) for one in said.out.splitlines()]


def test_each_backfill_of_the_file_answers_in_its_order(
    shop: Shop, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(capsys, "status") == [{"backfills": []}]
    assert shop.ask("SELECT to_regnamespace('stationmaster')") == [(None,)]
    first, second = typed(capsys, "run", "--spec", str(spec), "--workers", "2")
    assert (first["name"], second["name"]) == ("minor", "count")
    assert set(first) == {"name", "rows", "seconds", "batches", "tenants", "verified"}
    assert (first["rows"], first["tenants"], first["verified"]) == (100, {"done": 5, "failed": 0, "paused": 0}, True)
    (found,) = typed(capsys, "status")
    assert found["backfills"][1]["name"] == "count"
    assert found["backfills"][0]["eta_seconds"] == 0
    assert {"tenant": "t1", "state": "verified", "rows": 20} in found["backfills"][0]["tenants"]


def test_a_tenant_is_paused_and_the_exit_code_says_that_not_all_is_verified(
    shop: Shop, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.do("UPDATE orders SET total = 'NaN' WHERE id = 1")
    (first,) = typed(capsys, "run", "--spec", str(spec), "--only", "minor", code=1)
    assert first["reasons"] == {"t1": "row with key 1: cannot convert NaN to bigint"}
    assert typed(capsys, "pause", "minor", "--tenant", "t1") == [{"name": "minor", "tenant": "t1", "paused": True}]
    assert typed(capsys, "run", "--spec", str(spec), code=1)[0]["tenants"] == {"done": 4, "failed": 0, "paused": 1}
    typed(capsys, "resume", "minor")
    typed(capsys, "skip", "minor", "--tenant", "t1", "--key", "1", "--reason", "it is no number")
    assert typed(capsys, "run", "--spec", str(spec), code=1)[0]["tenants"] == {"done": 5, "failed": 0, "paused": 0}
    shop.do("DELETE FROM orders WHERE id = 1")
    assert typed(capsys, "run", "--spec", str(spec))[0]["verified"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("todo:", "tod:"), ("document", 7, "did you mean 'todo'?")),
        (("total_minor IS NULL", "total_mino IS NULL"), ("backfill_wrong", 7, "did you mean 'total_minor'?")),
        (("key: id\n", "key: ids\n"), ("backfill_wrong", 4, "did you mean 'id'?")),
        (("n = n + 1", "m = n + 1"), ("backfill_wrong", 8, "there is no column 'm'")),
        (("name: count", "name: minor"), ("document", 1, "given twice")),
    ],
)
def test_a_wrong_file_is_told_with_its_line_before_anything_is_changed(
    shop: Shop, spec: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], told: tuple[str, int, str]
) -> None:
    code, at, said = told
    spec.write_text(TWO.replace(*change))
    (answer,) = typed(capsys, "run", "--spec", str(spec), code=2)
    assert (answer["error"]["code"], answer["error"]["line"]) == (code, at)
    assert said in f"{answer['error']['message']} {answer['error']['hint']}"
    assert shop.ask("SELECT to_regnamespace('stationmaster')") == [(None,)]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "--spec", "/nowhere.yaml"], "backfill_option", "cannot be read"),
        (["run", "--spec", "SPEC", "--only", "mino"], "backfill_option", "did you mean 'minor'?"),
        (["run", "--spec", "SPEC", "--workers", "0"], "backfill_option", "--workers 0"),
        (["run", "--spec", "SPEC", "--database", "sqlite:///x.db"], "database_option", "PostgreSQL alone"),
        (["pause", "minor"], "backfill_unknown", "no backfill named 'minor'"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_what_does_not_fit_is_said(
    spec: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: str, said: str
) -> None:
    (answer,) = typed(capsys, *(word.replace("SPEC", str(spec)) for word in words), code=2)
    assert answer["error"]["code"] == code
    assert said in f"{answer['error']['message']} {answer['error']['hint']}"


def test_a_password_is_in_no_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:hunter2@127.0.0.1:1/shop?connect_timeout=1")
    assert run(["backfill", "status", "--json"]) == 3
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    assert "does not answer" in said.out


def test_how_far_it_is_fits_on_a_line() -> None:
    tenants = (
        TenantProgress("a", "verified", 50, 50, 0.0), TenantProgress("b", "running", 25, 50, 90.0),
    )  # fmt: skip
    told = line(Progress("minor", "public.orders", 75, 90.0, tenants, "the verdict is bad"))
    assert told == (
        "minor  [######################        ]  75%  75 rows, 1 of 2 tenants, 1 min left; "
        "stands still: the verdict is bad"
    )
    unknown = TenantProgress("c", "pending", 0)
    assert line(Progress("minor", "public.orders", 0, None, (unknown,))) == "minor  0 rows, 0 of 1 tenants"
