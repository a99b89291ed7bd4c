"""`migrations lint PATH`: which revisions are told of, from files, folders, alembic.ini and git; and what cannot be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stationmaster.blocks import migration_recordings
from stationmaster.blocks.migration_folder import Folder
from stationmaster.domain.migration_recorded import Recorded
from tests.cli.conftest import Desk
from tests.recordings import Written

DROP = "op.drop_column('t', 'a')"


@pytest.fixture
def written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Written:
    root = desk.root / "migrations"
    root.mkdir()
    (root / "env.py").write_text("raise SystemExit('env.py is not run')\n")
    monkeypatch.chdir(desk.root)
    return Written(root)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded in this process: what the guest costs is paid where the guest is tested."""

    def recorded(folder: Folder, **_options: object) -> list[Recorded]:
        return [Written(folder.scripts).one(file, Path.cwd()) for file in folder.files]

    monkeypatch.setattr(migration_recordings, "recorded", recorded)


def git(root: Path, *command: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    subprocess.run(("git", "-C", str(root), *who, *command), check=True, capture_output=True)


def told(desk: Desk, *more: str) -> list[tuple[str, str, int]]:
    answered = desk.run("migrations", "lint", "--json", *more)
    assert answered.code == (1 if any(one["severity"] == "error" for one in answered.json["findings"]) else 0)
    return [(one["rule"], one["revision"], one["line"]) for one in answered.json["findings"]]


@pytest.mark.usefixtures("quick_guests")
def test_a_folder_is_recorded_in_the_guest_and_told_with_file_and_line(desk: Desk, written: Written) -> None:
    written.add("a", None, "op.create_table('t', sa.Column('a', sa.Text))")
    written.add("b", "a", f"import os\nassert 'STATIONMASTER_LEDGER' not in os.environ\n{DROP}")
    report = desk.root / "lint.sarif"
    answered = desk.run("migrations", "lint", "migrations", "--sarif", str(report))
    assert answered.code == 1
    assert "migrations/versions/b.py:12: error: drop_column: drops column t.a" in answered.out
    assert answered.out.endswith("revisions: 2, errors: 1, warnings: 0, infos: 0\n")
    (result,) = json.loads(report.read_text())["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "migrations/versions/b.py"}, "region": {"startLine": 12}}


@pytest.mark.usefixtures("here")
def test_each_way_to_name_the_revisions_finds_them(desk: Desk, written: Written) -> None:
    file = written.add("a", None, DROP)
    (desk.root / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    expected = [("drop_column", "a", 10)]
    for path in ("migrations", "migrations/versions", "alembic.ini", ".", str(file)):
        assert told(desk, path) == expected, path
    (desk.root / "alembic.ini").unlink()
    (desk.root / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    assert told(desk, ".") == told(desk, "pyproject.toml") == expected


@pytest.mark.usefixtures("here")
def test_revisions_in_folders_below_and_elsewhere_are_found(desk: Desk, written: Written) -> None:
    written.add("root", None, "")
    for name in ("expand", "contract"):
        written.add(name, "root", DROP, label=name)
        (written.root / "versions" / name).mkdir()
        (written.root / f"versions/{name}.py").rename(written.root / f"versions/{name}/1.py")
    assert told(desk, "migrations") == [("drop_column", "expand", 10), ("contract_in_expand", "expand", 10)]
    (desk.root / "more").mkdir()
    (written.root / "versions/expand/1.py").rename(desk.root / "more/1.py")
    (desk.root / "alembic.ini").write_text(
        "[alembic]\nscript_location = migrations\nversion_locations = migrations/versions more\n"
    )
    assert told(desk, "alembic.ini") == [("drop_column", "expand", 10), ("contract_in_expand", "expand", 10)]


@pytest.mark.usefixtures("here")
def test_a_pull_request_is_judged_on_its_own_revisions(desk: Desk, written: Written) -> None:
    git(desk.root, "init", "-q", "-b", "main", ".")
    written.add("a1", None, DROP)
    written.add("a2", "a1", DROP)
    git(desk.root, "add", ".")
    git(desk.root, "commit", "-q", "-m", "one")
    assert [name for _, name, _ in told(desk, "migrations")] == ["a1", "a2"]
    assert told(desk, "migrations", "--since", "main") == []
    assert [name for _, name, _ in told(desk, "migrations", "--since", "a1")] == ["a2"]
    git(desk.root, "checkout", "-q", "-b", "change")
    written.add("a3", "a2", DROP)
    git(desk.root, "add", ".")
    git(desk.root, "commit", "-q", "-m", "two")
    written.add("a4", "a3", DROP)  # not committed yet
    assert [name for _, name, _ in told(desk, "migrations", "--since", "main")] == ["a3", "a4"]
    answered = desk.run("migrations", "lint", "migrations", "--since", "mian", "--json")
    answered.refused(2, "since_unknown", "'mian'", "origin/main")


@pytest.mark.usefixtures("here")
def test_a_pull_request_has_its_revisions_wherever_alembic_looks_for_them(desk: Desk, written: Written) -> None:
    git(desk.root, "init", "-q", "-b", "main", ".")
    git(desk.root, "config", "diff.relative", "true")
    written.add("a1", None, DROP)
    ini = "[alembic]\nscript_location = migrations\nversion_locations = migrations/versions more\n"
    (desk.root / "alembic.ini").write_text(ini)
    git(desk.root, "add", ".")
    git(desk.root, "commit", "-q", "-m", "one")
    (desk.root / "more").mkdir()
    for number, name in enumerate(("a2", "a3"), 1):
        written.add(name, f"a{number}", DROP).rename(desk.root / "more" / f"{name}.py")
        if name == "a2":
            git(desk.root, "checkout", "-q", "-b", "change")
            git(desk.root, "add", ".")
            git(desk.root, "commit", "-q", "-m", "two")
    assert [name for _, name, _ in told(desk, "alembic.ini", "--since", "main")] == ["a2", "a3"]


@pytest.mark.usefixtures("here")
def test_of_an_alembic_ini_only_the_folders_are_read(desk: Desk, written: Written) -> None:
    written.add("a", None, DROP)
    url = "sqlalchemy.url = postgresql://app:hunter2%2F%(nobody)s@db/shop\n"
    (desk.root / "alembic.ini").write_text(f"[alembic]\nscript_location = %(here)s/migrations\n{url}")
    assert told(desk, "alembic.ini") == [("drop_column", "a", 10)]
    (desk.root / "alembic.ini").write_text(f"[alembic]\nscript_location = %(gone)s/migrations\n{url}")
    answered = desk.run("migrations", "lint", "alembic.ini", "--json")
    answered.refused(2, "revisions_not_found", "gone")
    assert "hunter2" not in answered.out + answered.err


@pytest.mark.usefixtures("quick_guests")
def test_a_revision_that_ends_the_process_is_named_and_the_rest_goes_on(desk: Desk, written: Written) -> None:
    written.add("a", None, "import os\nprint('farewell', flush=True)\nos._exit(7)")
    written.add("b", "a", DROP)
    written.add("c", "b", "import os\nos._exit(0)")
    answered = desk.run("migrations", "lint", "migrations", "--json")
    found = {one["revision"]: (one["rule"], one["message"]) for one in answered.json["findings"]}
    assert found["b"][0] == "drop_column"
    assert found["a"][1].startswith("ended the process with exit code 7: farewell; nothing is known")
    assert "exit code 0" in found["c"][1]
    assert [one["revision"] for one in answered.json["unrenderable"]] == ["a", "c"]


@pytest.mark.usefixtures("quick_guests")
@pytest.mark.slow
def test_a_revision_that_does_not_end_is_named_and_the_rest_goes_on(desk: Desk, written: Written) -> None:
    written.add("c", None, "import time\ntime.sleep(600)")
    written.add("d", "c", DROP)
    answered = desk.run("migrations", "lint", "migrations", "--timeout", "15", "--json")
    found = {one["revision"]: (one["rule"], one["message"]) for one in answered.json["findings"]}
    assert found["d"][0] == "drop_column"
    assert "did not end within 15 s" in found["c"][1]


@pytest.mark.usefixtures("quick_guests")
def test_another_python_records_with_what_it_has(desk: Desk, written: Written) -> None:
    written.add("a", None, "import only_there\nop.execute(only_there.SQL)")
    answered = desk.run("migrations", "lint", "migrations", "--json")
    assert "'only_there', which this Python does not have" in answered.json["unrenderable"][0]["message"]
    assert "--python" in answered.json["findings"][0]["fix"]
    python = desk.root / "python"
    (desk.root / "place").mkdir()
    (desk.root / "place/only_there.py").write_text("SQL = 'DROP VIEW v'\n")
    script = f"import sys; sys.path.append({str(desk.root / 'place')!r})"
    python.write_text(f"#!{sys.executable} -I\n{_WITH.format(script=script)}")
    python.chmod(0o755)
    assert told(desk, "migrations", "--python", "./python") == [("drop_view", "a", 11)]
    python.write_text("#!/bin/sh\nexit 3\n")
    desk.run("migrations", "lint", "migrations", "--python", "./python", "--json").refused(
        2, "recorder_broken", "exit code 3", "alembic and sqlalchemy"
    )
    desk.run("migrations", "lint", "migrations", "--python", "pyton", "--json").refused(
        2, "recorder_broken", "no Python", "pyton"
    )


_WITH = """{script}
assert sys.argv[1] == "-I" and sys.argv[2] == "-c"
sys.argv = sys.argv[2:]
source = sys.argv[1]
del sys.argv[1]
exec(source)
"""


def test_what_is_no_folder_of_revisions_says_so(desk: Desk, written: Written) -> None:
    lint = ("migrations", "lint", "--json")
    desk.run(*lint, "migratoins").refused(2, "revisions_not_found", "did you mean 'migrations'")
    desk.run(*lint, "migrations").refused(2, "revisions_not_found", "env.py and versions/")
    written.add("a", None, "")
    (written.root / "versions/plain.py").write_text("x = 1\n")
    desk.run(*lint, "migrations/versions/plain.py").refused(2, "revisions_not_found", "no Alembic revision")
    (desk.root / "alembic.ini").write_text("[alembic]\nscript_location = product:migrations\n")
    desk.run(*lint, "alembic.ini").refused(2, "revisions_not_found", "script_location")
    for name in ("alembic.ini", "pyproject.toml"):
        (desk.root / name).write_text("[broken\n")
        desk.run(*lint, name).refused(2, "revisions_not_found", name)
