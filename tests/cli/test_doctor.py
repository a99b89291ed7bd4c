"""`doctor` over a product's repository and its code host: what is missing, what is unknown; and nothing changes."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

import pytest
from pydantic import SecretStr

from stationmaster.blocks import toolbox
from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.toolbox import PrefectAwayError, remember
from stationmaster.cli.doctor import doctor
from stationmaster.cli.init import init
from stationmaster.deployments import flow_runs
from stationmaster.deployments.adoption.detection import NotARepositoryError
from stationmaster.deployments.adoption.inspection import protection, remote_host
from tests.blocks.code_host_server import Server, serving
from tests.cli.conftest import Desk
from tests.repository import Repository

GITHUB = ".github/workflows/stationmaster.yml"
CONTENTS = {
    "build.py": "", "tests/conftest.py": "", "requirements.lock": "", "migrations/alembic.ini": (
        "[alembic]\nscript_location = %(here)s\n"
    ), "migrations/env.py": "",
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[Server]:
    """After every test: nothing was done but asking."""
    with serving() as made:
        yield made
        assert {method for method, *_ in made.asked} <= {"GET"}


@pytest.fixture
def repository(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A product after `init`, all its lines completed. No Prefect server is known."""

    def nobody() -> NoReturn:
        raise flow_runs.NoServerError("no Prefect server is known here")

    monkeypatch.setattr(flow_runs, "connected", nobody)
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "home"))
    made = Repository.begin(tmp_path / "shop")
    made.commit("Begin", CONTENTS)
    init(made.path, ci="both")
    for path in (*made.path.glob("*.yaml"), made.path / GITHUB, made.path / ".gitlab-ci.yml"):
        path.write_text(path.read_text("utf-8").replace("TODO", "done"), "utf-8")
    capsys.readouterr()
    return made


def looked(
    capsys: pytest.CaptureFixture[str], folder: Path | None, *, offline: bool = False
) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code, and what was found by name."""
    code = doctor(folder, offline=offline, json=True)
    told = json.loads(capsys.readouterr().out)
    found: dict[str, list[dict[str, Any]]] = {}
    for one in told["findings"]:
        assert set(one) == {"name", "ok", "detail", "hint", "unknown"}
        found.setdefault(one["name"], []).append(one)
    assert told["ok"] == (code == 0)
    return code, found


def test_a_product_after_init_lacks_nothing(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = looked(capsys, repository.path, offline=True)
    assert code == 0, found
    assert {"stationmaster.yaml", "tenants.yaml", "checks", "migrations", "lock file", "CI file"} == set(found)


def test_an_empty_folder_lacks_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = looked(capsys, tmp_path, offline=True)
    missing = {name for name, each in found.items() if not all(one["ok"] for one in each)}
    assert (code, missing) == (1, {"stationmaster.yaml", "CI file"})
    assert found["stationmaster.yaml"][0]["hint"] == "stationmaster init"


def test_a_folder_that_is_not_there_is_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(NotARepositoryError, match="there is no folder"):
        doctor(tmp_path / "gone")


def test_lines_that_are_left_to_do_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Repository.begin(tmp_path / "shop")
    made.commit("Begin", CONTENTS)
    init(made.path, ci="none")
    told = capsys.readouterr().out
    code, found = looked(capsys, made.path, offline=True)
    assert code == 1
    for one in found["left to do"]:
        assert one["detail"] in told


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("stationmaster.yaml", ("rings:", "rigns:"), ("stationmaster.yaml", "unknown key 'rigns'")),
        ("stationmaster.yaml", ('product: "shop"', "product: Shop!"), ("stationmaster.yaml", "line 5")),
        ("tenants.yaml", ("ring: pilot", "ring: pilto"), ("tenants.yaml", "unknown ring 'pilto'")),
        ("tenants.yaml", ("Europe/Berlin", "Berlin"), ("tenants.yaml", "unknown IANA zone")),
        ("stationmaster.yaml", ('migrations: "migrations"', "migrations: db"), ("db", "no such file")),
        (GITHUB, ("stationmaster", "trainmaster"), ("CI file", "calls stationmaster")),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    repository: Repository, capsys: pytest.CaptureFixture[str], file: str, change: tuple[str, str],
    told: tuple[str, str],
) -> None:  # fmt: skip
    (repository.path / ".gitlab-ci.yml").unlink()
    path = repository.path / file
    assert change[0] in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(*change), "utf-8")
    code, found = looked(capsys, repository.path, offline=True)
    assert code == 1
    assert any(told[1] in one["detail"] for one in found[told[0]] if not one["ok"]), found[told[0]]


@pytest.mark.parametrize(("expires", "code"), [("2100-01-01", 0), ("2020-01-01", 1)])
def test_a_quarantine_whose_term_ended_is_said(
    repository: Repository, capsys: pytest.CaptureFixture[str], expires: str, code: int
) -> None:
    path = repository.path / "stationmaster.yaml"
    line = f"    report: report.xml\n    quarantine: [{{test: t.a, ticket: S-1, owner: ana, expires: {expires}}}]\n"
    path.write_text(path.read_text("utf-8").replace("    report: report.xml\n", line), "utf-8")
    ended, found = looked(capsys, repository.path, offline=True)
    assert ended == code
    assert expires in found["quarantine"][0]["detail"]


@pytest.mark.parametrize(
    ("requirements", "ok"),
    [
        ("a==1\nb===2 # why\n\n# c\n--hash=x\n", True),
        ("a==1\nb>=2\n", False),
        ("a\n", False),
        ("a>=1;python_version=='3.12'\n", False),
        ("a @ file:///a\n", True),
    ],
)
def test_requirements_are_a_lock_file_when_they_pin_everything(
    repository: Repository, capsys: pytest.CaptureFixture[str], requirements: str, ok: bool,  # noqa: FBT001 - a table
) -> None:  # fmt: skip
    (repository.path / "requirements.lock").unlink()
    (repository.path / "requirements.txt").write_text(requirements)
    assert looked(capsys, repository.path, offline=True)[1]["lock file"][0]["ok"] is ok


@pytest.mark.parametrize(
    ("file", "contents", "ok"),
    [
        ("pyproject.toml", "[project]\nname = 'shop'\ndependencies = []\n", True),
        ("pyproject.toml", "[project]\nname = 'shop'\ndependencies = ['httpx']\n", False),
        ("pyproject.toml", "[project]\nname = 'shop'\ndynamic = ['dependencies']\n", False),
        ("pyproject.toml", "[tool.poetry.dependencies]\npython = '^3.12'\n", True),
        ("pyproject.toml", "[tool.poetry.dependencies]\npython = '^3.12'\nhttpx = '*'\n", False),
        ("requirements-dev.txt", "# none\n", True),
        ("requirements-dev.txt", "pytest\n", False),
        ("setup.py", "setup(install_requires=['httpx'])\n", False),
        ("package.json", '{"name": "shop"}', True),
        ("package.json", '{"devDependencies": {"vite": "*"}}', False),
    ],
)
def test_a_lock_file_is_needed_where_dependencies_are_declared(
    repository: Repository, capsys: pytest.CaptureFixture[str], file: str, contents: str, *, ok: bool
) -> None:
    (repository.path / "requirements.lock").unlink()
    (repository.path / file).write_text(contents)
    assert looked(capsys, repository.path, offline=True)[1]["lock file"][0]["ok"] is ok


@pytest.mark.parametrize(
    ("file", "line", "ok"),
    [
        (".github/workflows/ci.yaml", "      - run: stationmaster checks run .", True),
        (".gitlab/jobs/checks.yml", "    - .venv/bin/stationmaster doctor . --offline", True),
        (".github/workflows/ci.yml", "      # - run: stationmaster checks run .", False),
        (".github/workflows/ci.yml", "      - run: make   # as stationmaster checks run . does", False),
        (".github/workflows/ci.yml", "      - name: stationmaster checks", False),
        (".github/workflows/ci.yml", "      - run: pip install stationmaster", False),
    ],
)
def test_a_ci_file_counts_when_a_step_runs_us(
    repository: Repository, capsys: pytest.CaptureFixture[str], file: str, line: str, *, ok: bool
) -> None:
    for place in (GITHUB, ".gitlab-ci.yml"):
        (repository.path / place).unlink()
    (repository.path / file).parent.mkdir(parents=True, exist_ok=True)
    (repository.path / file).write_text(f"{line}\n")
    assert looked(capsys, repository.path, offline=True)[1]["CI file"][0]["ok"] is ok


def test_the_word_todo_in_a_ci_file_of_someone_else_is_theirs(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = repository.path / GITHUB
    ours.write_text(f"{ours.read_text('utf-8')}# TODO: ours\n", "utf-8")
    (repository.path / ".gitlab-ci.yml").write_text("# TODO: theirs\n", "utf-8")
    (one,) = looked(capsys, repository.path, offline=True)[1]["left to do"]
    assert one["detail"].endswith("  ours")


@pytest.fixture
def hosted(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The product's code-host block names the server. It has no rules unless told."""
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "home"))
    host = CodeHost(host="github", repository="shop/orders", url=server.url, token=SecretStr("hunter2-token"))
    remember("code-host", "shop", host)
    server.tell("/repos/shop/orders", {"default_branch": "main"})
    server.tell(RULES, [])
    return server


RULES = "/repos/shop/orders/rules/branches/main"
PROTECTION = "/repos/shop/orders/branches/main/protection/required_status_checks"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"contexts": ["stationmaster"]}, 200, 0), ({"contexts": ["lint"]}, 200, 1),
        ({"message": "Resource not accessible"}, 403, 3), ({"message": "Bad credentials"}, 401, 3),
        ({"message": "Not Found"}, 404, 3), ({"message": "API rate limit exceeded"}, 429, 3),
    ],
)  # fmt: skip
def test_the_host_is_asked_whether_main_requires_the_checks(
    repository: Repository, hosted: Server, capsys: pytest.CaptureFixture[str], body: Any, status: int, *, code: int
) -> None:
    hosted.tell(PROTECTION, body, status)
    ended, found = looked(capsys, repository.path)
    (one,) = found["branch protection"]
    assert (ended, one["unknown"], one["ok"]) == (code, code == 3, code == 0)
    assert "hunter2" not in json.dumps(found)
    assert doctor(repository.path) == code
    word = {0: "ok     ", 1: "MISSING", 3: "UNKNOWN"}[code]
    assert f"{word}  branch protection" in capsys.readouterr().out


def test_what_is_missing_weighs_more_than_what_is_unknown(
    repository: Repository, hosted: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    hosted.tell(PROTECTION, {"message": "no"}, 403)
    (repository.path / "requirements.lock").unlink()
    (repository.path / "requirements.txt").write_text("httpx\n")
    code, found = looked(capsys, repository.path)
    assert (code, found["branch protection"][0]["unknown"]) == (1, True)


def test_it_changes_nothing(repository: Repository, hosted: Server, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in everything(repository)}
    looked(capsys, repository.path)
    after = {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in everything(repository)}
    assert after == before
    assert [(method, path) for method, path, *_ in hosted.asked] == [
        ("GET", "/repos/shop/orders"), ("GET", RULES), ("GET", PROTECTION)
    ]  # fmt: skip


def everything(repository: Repository) -> list[Path]:
    return sorted([repository.path, *repository.path.rglob("*")])


@pytest.fixture
def away(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The product, and a Prefect server that is known and does not answer."""

    def no_answer(kind: str, product: str) -> NoReturn:
        raise PrefectAwayError(f"no answer about {kind} of {product}")

    monkeypatch.setattr(flow_runs, "connected", nullcontext)
    monkeypatch.setattr(toolbox, "_from_server", no_answer)
    return repository


def test_a_block_that_was_made_in_the_ui_is_found(
    away: Repository, hosted: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    host = CodeHost(host="github", repository="shop/other", url=hosted.url)
    monkeypatch.setattr(toolbox, "_from_server", lambda kind, product: {("code-host", "shop"): host}[kind, product])
    looked(capsys, away.path)
    assert hosted.asked[0][1] == "/repos/shop/other"


def test_while_the_server_is_away_the_copy_is_asked(
    away: Repository, hosted: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    hosted.tell(PROTECTION, {"contexts": ["stationmaster"]})
    assert looked(capsys, away.path)[0] == 0


def test_with_the_server_away_and_no_copy_it_is_unknown_and_the_rest_is_told(
    away: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = looked(capsys, away.path)
    (one,) = found["branch protection"]
    assert (code, one["unknown"], one["detail"]) == (3, True, "no answer about code-host of shop")
    assert "PREFECT_API_URL" in one["hint"]
    assert found["lock file"][0]["ok"]


def test_a_damaged_copy_is_unknown_and_the_rest_is_told(
    repository: Repository, hosted: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home" / "blocks" / "code-host" / "shop.json").write_text("{")
    code, found = looked(capsys, repository.path)
    assert (code, found["branch protection"][0]["unknown"], hosted.asked) == (3, True, [])
    assert found["lock file"][0]["ok"]


def test_a_repository_that_is_hosted_nowhere_is_unknown(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = looked(capsys, repository.path)
    assert (code, found["branch protection"][0]["unknown"]) == (3, True)


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("git@github.com:shop/orders.git", ("github", "shop/orders", "gh-token")),
        ("https://gitlab.com/shop/back/orders", ("gitlab", "shop/back/orders", None)),
        ("https://github.shop.example/shop/orders", None),  # a token goes nowhere by the look of a name
        ("git@gitlab.shop.example:shop/orders.git", None),
        ("https://github.com/orders", None),
    ],
)
def test_a_token_of_the_environment_goes_to_its_public_host_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: str, expected: tuple[str, str, str | None] | None
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "gh-token")
    monkeypatch.delenv("GITLAB_TOKEN", raising=False)
    made = Repository.begin(tmp_path / "shop")
    made.git("remote", "add", "origin", remote)
    host = remote_host(made.path)
    found = host and (host.host, host.repository, host.token.get_secret_value() if host.token else None)
    assert found == expected
    if host is None:
        assert protection(host).unknown


def test_without_a_folder_it_looks_at_the_machine_and_where_you_stand(
    desk: Desk, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.root)
    names = {one["name"] for one in desk.run("doctor", "--offline", "--json").json["findings"]}
    assert {"python", "git", "shop ledger", "shop keys"} <= names
    assert "lock file" not in names
    monkeypatch.chdir(repository.path)
    assert "lock file" in {one["name"] for one in desk.run("doctor", "--offline", "--json").json["findings"]}


def test_a_key_that_cannot_sign_is_missing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.root)
    (keys,) = found_keys(desk)
    assert not keys["ok"]  # the desk's signer has none
    key = desk.key("service").read_text()
    remember("signer", "shop", FileSigner(key=SecretStr(key), approvers=str(desk.root / "approvers.yaml")))
    (keys,) = found_keys(desk)
    assert (keys["ok"], keys["detail"]) == (True, "it can sign; 3 in approvers.yaml")


def found_keys(desk: Desk) -> list[dict[str, Any]]:
    return [one for one in desk.run("doctor", "--json").json["findings"] if one["name"] == "shop keys"]
