"""`init` in repositories of several kinds: what it writes is valid for our reader and for the CI it is meant for."""

import importlib
import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stationmaster.cli.init import init
from stationmaster.deployments.adoption.detection import Alembic, NotARepositoryError, Remote, look, remotes
from stationmaster.domain.documents import check_directory, read, schema
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory
from tests.repository import Repository

jsonschema: Any = importlib.import_module("jsonschema")  # has no types

GITHUB, GITLAB = ".github/workflows/stationmaster.yml", ".gitlab-ci.yml"
INI = "[alembic]\nscript_location = %(here)s\nfile_template = %%(rev)s\n"
EXPAND = 'revision = "a"\nbranch_labels = ("expand",)\n'
FULL = {
    "pyproject.toml": '[project]\nname = "Order_Desk"\n[tool.pytest.ini_options]\n',
    "src/orders/__init__.py": "", "build.py": "", "tests/test_a.py": "", "requirements.lock": "", "README.md": "",
    "migrations/alembic.ini": INI, "migrations/env.py": "", "migrations/script.py.mako": "",
    "migrations/versions/expand/a.py": EXPAND, ".python-version": "3.13.1\n",
}  # fmt: skip
PLAIN = {"app/__init__.py": "", "tests/test_a.py": "", "db/env.py": "", "db/script.py.mako": "", "uv.lock": ""}
KINDS = {"full": FULL, "plain": PLAIN, "empty": {"README": ""}, "poetry": {"poetry.lock": "", "app/__init__.py": ""}}


def repository(path: Path, contents: dict[str, str], remote: str | None = None) -> Repository:
    made = Repository.begin(path)
    made.commit("Begin", contents)
    if remote:
        made.git("remote", "add", "origin", remote)
    return made


def typed(capsys: pytest.CaptureFixture[str], folder: Path, **options: Any) -> tuple[int, dict[str, Any]]:
    code = init(folder, json=True, **options)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return code, json.loads(out)


def text(folder: Path, name: str) -> Any:
    return YAML(typ="safe").load((folder / name).read_text("utf-8"))


@pytest.fixture(params=sorted(KINDS))
def begun(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A repository of each kind after `init --ci both`."""
    repository(tmp_path / "shop", KINDS[request.param])
    code, told = typed(capsys, tmp_path / "shop", ci="both")
    assert code == 0
    assert told["written"] == ["stationmaster.yaml", "tenants.yaml", GITHUB, GITLAB]
    return tmp_path / "shop"


def test_our_reader_takes_what_is_written(begun: Path) -> None:
    product = read(Product, (begun / "stationmaster.yaml").read_text("utf-8"), "stationmaster.yaml").value
    directory = read(Directory, (begun / "tenants.yaml").read_text("utf-8"), "tenants.yaml")
    check_directory(product, directory)
    assert {tenant.calendar for tenant in directory.value.tenants} == {None}


def test_our_schema_takes_what_is_written(begun: Path) -> None:
    for document, name in (("product", "stationmaster.yaml"), ("tenants", "tenants.yaml")):
        jsonschema.Draft202012Validator(schema(document)).validate(text(begun, name))


@pytest.mark.parametrize(("published", "name"), [("github-workflows", GITHUB), ("gitlab-ci", GITLAB)])
def test_the_published_schema_of_the_ci_takes_what_is_written(begun: Path, published: str, name: str) -> None:
    vendored = files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{published}.json"
    known = json.loads(vendored.read_text("utf-8"))
    jsonschema.validators.validator_for(known)(known).validate(text(begun, name))


def test_no_line_is_left_untidy_and_every_file_says_whose_it_is(begun: Path) -> None:
    for name in ("stationmaster.yaml", "tenants.yaml", GITHUB, GITLAB):
        written = (begun / name).read_text("utf-8")
        assert "`stationmaster init` wrote it" in "\n".join(written.splitlines()[:3])
        assert not re.search(r"[ \t]$|\n\n\n|<<|>>|<%|%>", written, re.MULTILINE)
        assert max(len(line) for line in written.splitlines()) <= 130


def test_actions_are_pinned_by_commit_and_the_gate_needs_every_job(begun: Path) -> None:
    jobs = text(begun, GITHUB)["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    pins = {step["uses"] for step in steps if "uses" in step}
    assert {pin.partition("@")[0] for pin in pins} == {"actions/checkout", "actions/setup-python", "actions/cache"}
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", pin) for pin in pins)
    assert set(jobs["stationmaster"]["needs"]) == set(jobs) - {"stationmaster"}
    assert jobs["stationmaster"]["if"] == "always()"
    assert text(begun, GITHUB)["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 60 for job in jobs.values())


def scripts(folder: Path) -> dict[str, str]:
    """Every shell script of both files, by job."""
    github, gitlab = text(folder, GITHUB)["jobs"], text(folder, GITLAB)
    found = {f"github {name}": [step.get("run", "") for step in job["steps"]] for name, job in github.items()}
    found |= {f"gitlab {name}": job["script"] for name, job in gitlab.items() if "script" in job}
    return {name: "\n".join(lines) for name, lines in found.items()}


def test_every_script_is_shell_and_both_files_do_the_same(begun: Path) -> None:
    found = scripts(begun)
    for script in found.values():
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    for name, script in found.items():
        where, _, job = name.partition(" ")
        if where == "gitlab":
            assert script.split() == found[f"github {job}"].split()
    jobs = {name.partition(" ")[2] for name in found}
    assert {"lint", "checks", "dependencies", "leaks"} <= jobs
    assert ("migrations-previous" in jobs) == any(begun.glob("*/env.py"))


@pytest.mark.parametrize(
    ("kind", "key"),
    [("full", "requirements.lock"), ("plain", "uv.lock"), ("poetry", "poetry.lock"), ("empty", "pyproject.toml")],
)
def test_caches_are_keyed_by_the_lock_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, key: str
) -> None:
    repository(tmp_path / "shop", KINDS[kind])
    typed(capsys, tmp_path / "shop", ci="both")
    caches = [step["with"]["key"] for job in text(tmp_path / "shop", GITHUB)["jobs"].values() for step in job["steps"]
              if "cache" in step.get("uses", "")]  # fmt: skip
    assert caches
    assert all(f"hashFiles('{key}')" in cache for cache in caches)
    assert text(tmp_path / "shop", GITLAB)["default"]["cache"]["key"]["files"] == [key]


CASE = "import unittest\n\n\nclass A(unittest.TestCase):\n    def test_a(self):\n        pass\n"


@pytest.mark.parametrize("package", [{}, {"tests/__init__.py": ""}])
def test_the_command_for_unittest_finds_the_tests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], package: dict[str, str]
) -> None:
    made = repository(tmp_path / "shop", {"tests/test_a.py": CASE, "README": ""} | package)
    typed(capsys, made.path)
    command = text(made.path, "stationmaster.yaml")["checks"][0]["command"]
    assert command[:3] == ["python", "-m", "unittest"]
    done = subprocess.run(
        [sys.executable, *command[1:]], cwd=made.path, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, "Ran 1 test" in done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("contents", "runner"),
    [
        ({"requirements-dev.txt": "pytest==9\n"}, "pytest"), ({"requirements/test.txt": "pytest\n"}, "pytest"),
        ({"tests/unit/test_b.py": "import pytest\n"}, "pytest"), ({"tests/test_b.py": "def test_b(): ...\n"}, "pytest"),
        ({"requirements-dev.txt": "ruff\n"}, "unittest"), ({"tests/test_b.py": "# pytest\n"}, "unittest"),
    ],
)  # fmt: skip
def test_what_runs_the_tests_is_told_by_requirements_and_imports(
    tmp_path: Path, contents: dict[str, str], runner: str
) -> None:
    assert look(repository(tmp_path / "shop", {"tests/test_a.py": CASE} | contents).path).tests == runner


PROJECT = '[project]\nname = "shop"\n'
ALEMBIC = {"db/env.py": "", "db/script.py.mako": ""}


@pytest.mark.parametrize(
    ("contents", "installed"),
    [
        ({}, []), ({"uv.lock": ""}, []), ({"poetry.lock": ""}, []), ({"pyproject.toml": "[tool.ruff]\n"}, []),
        ({"pyproject.toml": PROJECT}, ["."]), ({"setup.py": ""}, ["."]),
        ({"requirements.txt": ""}, ["-r requirements.txt"]),
        ({"pyproject.toml": PROJECT, "uv.lock": ""}, ["uv==0.13.9", "-r /tmp/requirements.txt"]),
        (
            {"pyproject.toml": PROJECT, "uv.lock": "", "src/shop/__init__.py": ""},
            ["uv==0.13.9", "-r /tmp/requirements.txt", "--no-deps ."],
        ),
        (
            {"pyproject.toml": f"{PROJECT}[build-system]\n", "requirements.lock": ""},
            ["-r requirements.lock", "--no-deps ."],
        ),
    ],
)  # fmt: skip
def test_only_what_is_declared_is_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], contents: dict[str, str], installed: list[str]
) -> None:
    made = repository(tmp_path / "shop", ALEMBIC | contents)
    _, told = typed(capsys, made.path, ci="both")
    found = scripts(made.path)
    for job in ("migrations-empty", "migrations-previous", "dependencies"):
        for host in ("github", "gitlab"):
            steps = re.findall(r"^python -m pip install (.*)$", found[f"{host} {job}"], re.MULTILINE)
            assert steps == installed, job
    left = [one for one in told["todo"] if one["what"].startswith("install Alembic")]
    assert len(left) == (0 if installed else 4)


@pytest.mark.parametrize(
    ("wanted", "python"),
    [
        (">=3.9", "3.11"), (">=3.13", "3.13"), (">= 3.11, <3.14, !=3.11.*", "3.12"), ("==3.13.*", "3.13"),
        ("~=3.12.1", "3.12"), ("~=3.12", "3.12"), (">=3,<4", "3.11"), ("<3.11", "3.10"), ("==3.9.*", "3.9"),
        ("some day", "3.12"),
    ],
)  # fmt: skip
def test_python_is_the_lowest_that_the_project_admits(tmp_path: Path, wanted: str, python: str) -> None:
    project = {"pyproject.toml": f'{PROJECT}requires-python = "{wanted}"\n'}
    assert look(repository(tmp_path / "shop", project).path).python == python
    assert look(repository(tmp_path / "other", project | {".python-version": "3.14.1"}).path).python == "3.14"
    poetry = {"pyproject.toml": f'[tool.poetry.dependencies]\npython = "{wanted}"\n'}
    assert look(repository(tmp_path / "poetry", poetry).path).python == python


def test_jobs_that_install_us_have_a_python_on_which_we_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = repository(tmp_path / "shop", ALEMBIC | {".python-version": "3.9\n"})
    typed(capsys, made.path, ci="both")
    steps = {name: job["steps"][1]["with"]["python-version"] for name, job in text(made.path, GITHUB)["jobs"].items()
             if name != "stationmaster"}  # fmt: skip
    gitlab = text(made.path, GITLAB)
    images = {name: gitlab[name].get("image", gitlab["default"]["image"]) for name in steps}
    assert {name for name, python in steps.items() if python == "3.11"} == {"lint", "checks"}
    assert images == {name: f"python:{python}" for name, python in steps.items()}


def shell(folder: Path, script: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """A job's script as a runner calls it, with a `python` that only says where it is and what it was given."""
    bin_ = folder.parent / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / "python").write_text('#!/bin/sh\necho "ran $(git describe --tags --always): $*"\n')
    (bin_ / "python").chmod(0o755)
    path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    command = ["sh", "-e", "-c", script]
    return subprocess.run(
        command, cwd=folder, env={"PATH": path, "HOME": str(folder), **env}, capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip


def test_the_previous_release_is_that_of_the_last_tag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = repository(tmp_path / "shop", FULL)
    made.git("tag", "v1.0.0")
    typed(capsys, made.path, ci="github")
    made.commit("Change")
    made.git("tag", "v1.1.0")
    made.commit("Change more")
    done = shell(made.path, scripts_of(made.path, "migrations-previous", "Upgrade from the previous release"))
    assert done.returncode == 0, done.stderr
    ini = "-m alembic -c migrations/alembic.ini upgrade"
    ran = [line for line in done.stdout.splitlines() if line.startswith("ran")]
    assert ran[0] == f"ran v1.1.0: {ini} heads"
    assert ran[1].startswith("ran v1.1.0-1-")
    assert ran[1].endswith(f": {ini} expand@head")


def test_before_the_first_release_there_is_nothing_to_upgrade_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = repository(tmp_path / "shop", FULL)
    typed(capsys, made.path, ci="github")
    script = scripts_of(made.path, "migrations-previous", "Upgrade from the previous release")
    for _ in range(2):  # on the first commit of all, and on another
        assert shell(made.path, script).stdout == "nothing was released yet\n"
        made.commit("Change")


def scripts_of(folder: Path, job: str, step: str) -> str:
    steps = text(folder, GITHUB)["jobs"][job]["steps"]
    return str(next(one["run"] for one in steps if one.get("name") == step))


@pytest.mark.parametrize(
    ("results", "code"),
    [("success success", 0), ("success failure", 1), ("success skipped", 1), ("cancelled success", 1)],
)
def test_the_gate_passes_only_when_all_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], results: str, code: int
) -> None:
    made = repository(tmp_path / "shop", PLAIN)
    typed(capsys, made.path, ci="github")
    script = scripts_of(made.path, "stationmaster", "Every other job passed")
    assert shell(made.path, script, RESULTS=results).returncode == code


def test_what_can_be_found_is_found(tmp_path: Path) -> None:
    repository(tmp_path / "shop", FULL)
    found = look(tmp_path / "shop")
    assert (found.name, found.package, found.build, found.tests) == ("order-desk", "orders", "build.py", "pytest")
    assert (found.lock, found.python) == ("requirements.lock", "3.13")
    assert found.migrations == Alembic("migrations", "migrations/alembic.ini", "expand@head")
    assert found.branch == "main"


def test_the_branch_is_the_remotes_main_one_else_that_which_is_checked_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = repository(tmp_path / "shop", PLAIN)
    made.git("checkout", "--quiet", "-b", "wip")
    assert look(made.path).branch == "wip"
    made.git("update-ref", "refs/remotes/origin/trunk", "HEAD")
    made.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert look(made.path).branch == "trunk"
    made.git("symbolic-ref", "--delete", "refs/remotes/origin/HEAD")
    made.git("checkout", "--quiet", "--detach")
    assert look(made.path).branch is None
    _, told = typed(capsys, made.path, ci="github")
    assert "the branch that is released" in [one["what"] for one in told["todo"]]
    assert text(made.path, GITHUB)["on"]["push"]["branches"] == ["main"]


def test_what_cannot_be_found_is_left_to_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository(tmp_path / "Übung #1", {"README": ""})
    found = look(tmp_path / "Übung #1")
    assert (found.name, found.package, found.migrations, found.tests, found.lock) == ("ubung-1", None, None, None, None)
    code, told = typed(capsys, tmp_path / "Übung #1")
    assert code == 0
    assert told["ci"] == "none"
    assert "--ci github" in " ".join(told["next"])
    lines = {(one["file"], one["line"]): one["what"] for one in told["todo"]}
    assert any("the command that builds" in what for what in lines.values())
    for (file, line), what in lines.items():
        assert what in (tmp_path / "Übung #1" / file).read_text("utf-8").splitlines()[line - 1]


PYPROJECT = '[project]\nname = "shop"\nversion = "1"\n'


@pytest.mark.parametrize(
    ("contents", "left"),
    [
        ({"pyproject.toml": PYPROJECT}, []),
        ({"README": ""}, []),
        ({"pyproject.toml": PYPROJECT + 'dependencies = ["httpx"]\n'}, ["a lock file"]),
        ({"pyproject.toml": PYPROJECT + 'dependencies = ["httpx"]\n', "poetry.lock": ""}, ["install what poetry.lock"]),
        ({"Pipfile": "[packages]\nhttpx = '*'\n"}, ["install what is to be audited"]),
        (ALEMBIC, ["install what is to be audited"]),
    ],
)
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_lock_file_is_left_to_do_only_where_there_is_something_to_lock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], contents: dict[str, str], left: list[str], ci: str
) -> None:
    made = repository(tmp_path / "shop", contents)
    _, told = typed(capsys, made.path, ci=ci)
    words = ("lock file", "install what p", "to be audited")
    found = [one["what"] for one in told["todo"] if any(word in one["what"] for word in words)]
    assert [what[: len(wanted)] for what, wanted in zip(found, left, strict=True)] == left


def test_a_test_runner_of_python_itself_needs_no_installation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tests = {"tests/test_a.py": "import unittest\n"}
    _, told = typed(capsys, repository(tmp_path / "plain", tests).path)
    assert not any("what the tests need" in one["what"] for one in told["todo"])
    _, told = typed(capsys, repository(tmp_path / "more", tests | {"requirements.txt": "httpx==1\n"}).path)
    assert any("what the tests need" in one["what"] for one in told["todo"])


def test_a_first_fragment_is_asked_for_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, told = typed(capsys, repository(tmp_path / "shop", {"README": ""}).path)
    assert "changes/first.md" in " ".join(told["next"])
    _, told = typed(capsys, repository(tmp_path / "more", {"changes/first.md": "---\nkind: added\n---\nIt.\n"}).path)
    assert "changes/" not in " ".join(told["next"])
    assert f"stationmaster up {tmp_path / 'more'}" in told["next"][-1]


@pytest.mark.parametrize("name", ["2048", "null", "1e3"])
def test_names_that_yaml_takes_for_something_else_stay_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    made = repository(tmp_path / name, {f"{name}/env.py": "", f"{name}/script.py.mako": ""})
    made.git("checkout", "--quiet", "-b", name)
    typed(capsys, made.path, ci="github")
    product = read(Product, (made.path / "stationmaster.yaml").read_text("utf-8"), "stationmaster.yaml").value
    assert product.database is not None
    assert (product.product, product.database.migrations) == (name, name)
    assert text(made.path, GITHUB)["on"]["push"]["branches"] == [name]


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ({"alembic.ini": "[alembic]\nscript_location = db\n", "db/env.py": ""}, Alembic("db", "alembic.ini", "heads")),
        ({"db/env.py": "", "db/script.py.mako": ""}, Alembic("db", None, "heads")),
        ({"alembic.ini": "[alembic]\nscript_location = gone\n"}, None),
        ({"alembic.ini": "no ini"}, None),
        ({"alembic.ini": "[alembic]\nscript_location = ../else\n"}, None),
        ({".venv/x/alembic.ini": INI, ".venv/x/env.py": ""}, None),
        ({"a b/env.py": "", "a b/script.py.mako": ""}, None),
    ],
)
def test_where_alembic_lies(tmp_path: Path, contents: dict[str, str], expected: Alembic | None) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "env.py").touch()
    repository(tmp_path / "shop", contents)
    assert look(tmp_path / "shop").migrations == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("git@github.com:shop/orders.git", Remote("github", "github.com", "shop/orders")),
        ("https://github.com/shop/orders", Remote("github", "github.com", "shop/orders")),
        ("https://ana:word@gitlab.shop.example/a/b/c.git", Remote("gitlab", "gitlab.shop.example", "a/b/c")),
        ("ssh://git@gitlab.com:22/a/b.git", Remote("gitlab", "gitlab.com", "a/b")),
        ("https://notgithub.example/a/b", Remote(None, "notgithub.example", "a/b")),
        ("https://code.example/github.com/b", Remote(None, "code.example", "github.com/b")),
    ],
)
def test_where_it_is_hosted(tmp_path: Path, address: str, expected: Remote) -> None:
    made = repository(tmp_path / "shop", PLAIN, address)
    assert list(remotes(made.path)) == [expected]
    made.git("worktree", "add", "--quiet", str(tmp_path / "second"))
    assert look(tmp_path / "second").remotes == (expected,)


@pytest.mark.parametrize("address", ["../other", "/srv/git/shop.git", "file:///srv/git/shop.git", "https://[bad/x"])
def test_a_folder_and_what_is_no_address_host_nothing(tmp_path: Path, address: str) -> None:
    assert list(remotes(repository(tmp_path / "shop", PLAIN, address).path)) == []


@pytest.mark.parametrize(
    ("remote", "ci", "written"),
    [
        ("git@github.com:shop/orders.git", None, [GITHUB]),
        ("git@gitlab.com:shop/orders.git", None, [GITLAB]),
        ("git@gitlab.com:shop/orders.git", "github", [GITHUB]),
        ("git@github.com:shop/orders.git", "none", []),
        (None, "both", [GITHUB, GITLAB]),
        (None, None, []),
    ],
)
def test_whose_ci_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], remote: str | None, ci: str | None, written: list[str]
) -> None:
    made = repository(tmp_path / "shop", PLAIN, remote)
    _, told = typed(capsys, made.path, ci=ci)
    assert told["written"] == ["stationmaster.yaml", "tenants.yaml", *written]


def test_what_lies_there_is_left_alone_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = repository(tmp_path / "shop", {**PLAIN, GITLAB: "mine: {script: [make]}\n", "tenants.yaml": "mine"})
    code, told = typed(capsys, made.path, ci="gitlab")
    assert (code, told["written"], told["kept"]) == (1, ["stationmaster.yaml"], ["tenants.yaml", GITLAB])
    assert (made.path / GITLAB).read_text() == "mine: {script: [make]}\n"
    assert {one["file"] for one in told["todo"]} == {"stationmaster.yaml"}
    before = {path: path.read_bytes() for path in made.path.rglob("*") if path.is_file()}
    assert init(made.path, ci="gitlab") == 1
    out = capsys.readouterr().out
    assert "KEPT   stationmaster.yaml: it is there already and was not touched" in out
    assert {path: path.read_bytes() for path in made.path.rglob("*") if path.is_file()} == before


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = repository(tmp_path / "shop", PLAIN)
    (made.path / "tenants.yaml").symlink_to(tmp_path / "elsewhere")
    assert typed(capsys, made.path)[1]["kept"] == ["tenants.yaml"]
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_of_a_repository_is_not_its_root(tmp_path: Path) -> None:
    made = repository(tmp_path / "shop", FULL)
    with pytest.raises(NotARepositoryError, match="lies inside the repository") as refused:
        init(made.path / "src")
    assert str(made.path) in str(refused.value.hint)
    with pytest.raises(NotARepositoryError, match="there is no folder"):
        init(made.path / "gone")


def test_a_person_is_told_what_was_written_what_is_left_and_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = repository(tmp_path / "shop", FULL, "git@github.com:shop/orders.git")
    assert init(made.path) == 0
    out = capsys.readouterr().out
    for words in ("wrote  stationmaster.yaml", "left to do:", "stationmaster.yaml:", "next:", "check `stationmaster`"):
        assert words in out
