"""`checks run` over a real repository: the commit is built, its checks run as a release runs them, and tests in
quarantine are told.
"""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stationmaster.blocks.guest import GuestFailedError
from stationmaster.blocks.source import UnknownRefError
from stationmaster.cli.checks import ArtifactMissingError, DatabaseNotNamedError, UnknownCheckError, run
from stationmaster.deployments.adoption.detection import NotARepositoryError
from stationmaster.domain.documents import DocumentError
from tests.conftest import Postgres
from tests.repository import Repository
from tests.shop import PRODUCT
from tests.tasks.test_checks import FAILS, HELD, ONE, SUITE

PLAIN = PRODUCT.replace("database: {migrations: migrations}\n", "")
APP = {"app.json": '{"version": "1"}', "left.xml": SUITE.format(name="flaky")}


def repository(path: Path, *checks: str, product: str = PLAIN) -> Repository:
    made = Repository.begin(path / "shop")
    given = product.replace(ONE, f"checks: [{', '.join(checks)}]") if checks else product
    made.commit("Begin", {"stationmaster.yaml": given, **APP})
    return made


def ran(capsys: pytest.CaptureFixture[str], made: Repository, *names: str, **options: Any) -> tuple[int, Any, str]:
    code = run(made.path, *names, json=True, **options)
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_a_check_sees_the_built_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told, err = ran(capsys, repository(tmp_path))
    assert (code, told["passed"], told["checks"][0]["error"]) == (0, True, None)
    assert "passed  smoke" in err


def test_every_check_runs_also_after_one_that_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = repository(tmp_path, "{name: a, command: [sh, -c, 'echo 3 failed; exit 1']}", "{name: b, command: ['true']}")
    code, told, err = ran(capsys, made)
    assert (code, told["passed"]) == (1, False)
    assert [(one["name"], bool(one["error"])) for one in told["checks"]] == [("a", True), ("b", False)]
    assert "3 failed" in told["checks"][0]["error"]["message"]
    assert "FAILED  a" in err
    assert [one["name"] for one in ran(capsys, made, "b")[1]["checks"]] == ["b"]


@pytest.mark.parametrize(("expires", "code"), [("2100-01-01", 0), ("2020-01-01", 1)])
def test_a_test_in_quarantine_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], expires: str, code: int
) -> None:
    command = f"command: [sh, -c, '{FAILS}', left.xml]"
    made = repository(
        tmp_path, f"{{name: a, {command}, report: out/r.xml, quarantine: [{HELD.format(expires=expires)}]}}"
    )
    ended, told, err = ran(capsys, made)
    assert ended == code
    if code == 0:
        assert told["checks"][0]["quarantined"][0]["outcome"] == "failed"
        assert "in quarantine: t.flaky failed, until 2100-01-01 (SHOP-1)" in err


def test_what_is_not_committed_is_not_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = repository(tmp_path)
    (made.path / "stationmaster.yaml").write_text("broken")
    assert ran(capsys, made)[0] == 0
    made.commit("Break")
    with pytest.raises(DocumentError):
        run(made.path)
    assert ran(capsys, made, ref="HEAD~1")[0] == 0


def test_the_repository_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A detached head that no branch and no tag names, as CI checks it out, and a second work tree."""
    made = repository(tmp_path)
    made.git("checkout", "--quiet", "--detach")
    made.commit("Merge")
    made.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "second"))
    before = sorted(path for path in made.path.rglob("*"))
    assert ran(capsys, made)[0] == 0
    assert run(tmp_path / "second") == 0
    assert made.git("status", "--porcelain") == ""
    assert sorted(path for path in made.path.rglob("*")) == before


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("output: dist/shop", "output: dist/shoe", ArtifactMissingError),
        ("mkdir dist", "exit 1", GuestFailedError),
    ],
)
def test_a_build_that_leaves_nothing_is_said(tmp_path: Path, old: str, new: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run(repository(tmp_path, product=PLAIN.replace(old, new)).path)


def test_what_is_asked_for_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = repository(tmp_path, product=PRODUCT)
    with pytest.raises(UnknownCheckError) as unknown:
        run(made.path, "smoek")
    assert unknown.value.hint == "did you mean 'smoke'?"
    for ref in ("v9", "--all"):
        with pytest.raises(UnknownRefError):
            run(made.path, ref=ref)
    with pytest.raises(NotARepositoryError):
        run(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(DatabaseNotNamedError):
        run(made.path)


def test_a_check_gets_an_empty_database_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres.url("postgres"))
    seen = tmp_path / "seen"
    made = repository(tmp_path, f"{{name: a, command: [sh, -c, 'echo $DATABASE_URL > {seen}']}}", product=PRODUCT)
    assert ran(capsys, made)[0] == 0
    assert "/check_a?" in seen.read_text()
    with postgres.connect() as connection:
        connection.row_factory = psycopg.rows.scalar_row
        assert "check_a" not in connection.execute("SELECT datname FROM pg_database").fetchall()
