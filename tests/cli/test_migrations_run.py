"""`migrations run|status` as a person types them, on a real PostgreSQL."""

import json
from pathlib import Path
from typing import Any

import pytest

from stationmaster.cli.main import run
from tests.blocks.test_migration_runner import World
from tests.conftest import Postgres
from tests.guests import forked

LEAKING = "import os\nprint('> it is', os.environ)\nraise RuntimeError(os.environ['DATABASE_URL'])"


@pytest.fixture
def world(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    forked(monkeypatch)
    world = World(postgres, tmp_path)
    monkeypatch.setenv("SHOP_URL", world.url)
    return world


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", "postgresql://app@127.0.0.1:1/shop")


def typed(
    world: World, capsys: pytest.CaptureFixture[str], command: str, *more: str, code: int = 0
) -> tuple[dict[str, Any], str]:
    """The object on standard output, and what was said beside it."""
    path = str(world.scripts.root / "export" / "migrations")
    ended = run(["migrations", command, "--database", "env:SHOP_URL", "--path", path, "--json", *more])
    said = capsys.readouterr()
    assert ended == code, said
    return dict(json.loads(said.out)), said.err


def test_a_run_answers_with_statements_and_a_second_one_has_nothing_to_do(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.at_e1().scripts.add("e2", "e1", "ALTER TABLE orders ADD note text")
    answer, said = typed(world, capsys, "run")
    assert (answer["from"], answer["to"], answer["blocked_by"]) == ("e1", "e2", [])
    (one,) = answer["statements"]
    assert (one["sql"], one["lock"], one["attempts"]) == ("ALTER TABLE orders ADD note text", "ACCESS EXCLUSIVE", 1)
    assert 0 < one["ms"] <= one["held_ms"]
    assert "running revision e2" in said
    again, _ = typed(world, capsys, "run")
    assert (again["from"], again["to"], again["statements"]) == ("e2", "e2", [])


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (["--database", "env:SHOP_UR"], "database_option", "the environment has no SHOP_UR"),
        (["--database", "mysql://app:hunter2@db/shop"], "database_option", "none of PostgreSQL"),
        (["--down"], "run_option", "--down needs --target"),
        (["--parallel", "0"], "run_option", "--parallel 0"),
        (["--patience", "soon"], "duration", "--patience: 'soon' is not a duration"),
        (["--tenancy", "schema"], "tenant_schemas", "nobody said which schemas"),
        (["--schema", "x"], "tenant_schemas", "are of --tenancy schema"),
        (["--tenancy", "database"], "tenant_schemas", "{tenant} in it"),
        (
            ["--tenancy", "schema", "--schema", "x", "--database", "sqlite:///x.db"],
            "tenant_schemas",
            "on PostgreSQL alone",
        ),
        (["--rehearsed", "/nowhere.json"], "run_option", "cannot be read"),
    ],
)
@pytest.mark.usefixtures("nowhere")
def test_what_does_not_fit_is_said_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], code: str, said: str
) -> None:
    (tmp_path / "versions").mkdir()
    database = [] if "--database" in given else ["--database", "env:SHOP_URL"]
    assert run(["migrations", "run", *database, "--path", str(tmp_path), "--json", *given]) == 2
    out = capsys.readouterr().out
    error = json.loads(out)["error"]
    assert error["code"] == code
    assert said in error["message"] + (error["hint"] or "")
    assert "hunter2" not in out


def test_a_folder_without_revisions_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "migratons").mkdir()
    assert run(["migrations", "run", "--database", "postgresql:///x", "--path", str(tmp_path), "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["hint"]) == ("revisions_not_found", "did you mean 'migratons'?")


@pytest.mark.slow
def test_a_password_is_in_no_answer(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_URL", world.url.replace("app@", "app:hunter2@"))
    world.at_e1().scripts.add("e2", "e1", code=LEAKING)
    answer, said = typed(world, capsys, "run", code=1)
    assert answer["error"]["code"] == "migration_failed"
    assert "hunter2" not in json.dumps(answer) + said


@pytest.mark.slow
def test_status_says_what_is_pending_and_what_is_broken(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.at_e1().scripts.add("e2", "e1", "ALTER TABLE orders ADD CONSTRAINT small CHECK (id < 9) NOT VALID")
    before, _ = typed(world, capsys, "status", code=1)
    assert (before["revision"], before["target"], before["pending"]) == ("e1", "e2", ["e2"])
    typed(world, capsys, "run")
    world.do("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_pkey'::regclass")
    with world.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", (0x57_41_54_4E,))
        after, _ = typed(world, capsys, "status", code=1)
        assert [one["pid"] for one in after["runners"]] == [other.info.backend_pid]
    assert (after["revision"], after["pending"]) == ("e2", [])
    assert after["not_valid"] == [{"schema": "public", "table": "orders", "constraint": "small"}]
    assert after["invalid_indexes"] == [
        {"schema": "public", "table": "orders", "index": "orders_pkey", "building": False}
    ]
    world.do("UPDATE alembic_version SET version_num = 'e9'")
    unknown, _ = typed(world, capsys, "status", code=1)
    assert unknown["unknown"] == ["e9"]
