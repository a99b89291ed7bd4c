"""`checks scan` in a checkout: what a release would refuse, told before there is one."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.source import UnknownRefError
from stationmaster.cli.checkout import NoBaseError, base_of
from stationmaster.cli.scan import ArtifactNotThereError, scan
from stationmaster.deployments.adoption.detection import NotARepositoryError
from stationmaster.domain.duration import instant
from stationmaster.domain.scans import SbomUnusableError
from tests.advisories import osv, write_zip
from tests.blocks.test_scan_secrets import AWS, LINE
from tests.built import dist_info, zipped
from tests.cli.test_checks import repository
from tests.repository import Repository
from tests.shop import PRODUCT


def scanned(capsys: pytest.CaptureFixture[str], made: Repository, **options: Any) -> tuple[int, Any, str]:
    code = scan(made.path, json=True, **options)
    out, err = capsys.readouterr()
    return code, json.loads(out), err


@pytest.fixture
def change(tmp_path: Path) -> Repository:
    """A branch that left main, which went on."""
    made = repository(tmp_path)
    made.commit("Before", {"old.py": LINE})
    made.git("switch", "--quiet", "-c", "topic")
    made.commit("Change", {"f.py": "x = 1\n"})
    made.git("switch", "--quiet", "main")
    made.commit("Meanwhile", {"main.py": LINE})
    made.git("switch", "--quiet", "topic")
    return made


def test_a_change_without_findings_passes(change: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    code, told, err = scanned(capsys, change)
    assert (code, told["passed"], told["errors"], told["secrets"]["lines"]) == (0, True, [], 1)
    assert "passed   secrets: clean" in err
    assert "vulnerabilities: not scanned: no advisory database" in err


def test_a_secret_is_told_with_its_place_and_the_way_out(
    change: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    change.commit("Oops", {"f.py": f"x = 1\n{LINE}"})
    code, told, err = scanned(capsys, change)
    assert (code, told["passed"]) == (1, False)
    assert [(one["code"], one["file"], one["line"]) for one in told["errors"]] == [("secrets_found", "f.py", 2)]
    assert "REFUSED  secrets: 1 found" in err
    assert "pragma: allowlist secret" in err
    assert AWS not in f"{told}{err}"


def test_only_what_is_committed_and_only_the_change_is_scanned(
    change: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    (change.path / "f.py").write_text(LINE)
    assert scanned(capsys, change)[0] == 0
    assert scanned(capsys, change, since="main~2")[0] == 1
    assert scanned(capsys, change, ref="main", since="main~1")[0] == 1


def test_parts_come_from_the_built_file_and_are_looked_up(
    change: Repository, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    artifact = tmp_path / "shop.pyz"
    artifact.write_bytes(zipped({**dist_info("alpha", "1.0"), **dist_info("beta", "1.0")}))
    today = instant(datetime.now(UTC))
    database = write_zip(tmp_path / "osv.zip", {"1.json": osv("PYSEC-1", "alpha", modified=today)})
    code, told, _ = scanned(capsys, change, artifact=artifact, advisories=database)
    assert (code, told["sbom"]["from"]) == (1, "artifact")
    assert [one["code"] for one in told["errors"]] == ["vulnerabilities_found"]
    assert told["vulnerabilities"]["found"][0]["ids"] == ["PYSEC-1"]


def test_the_workers_database_is_not_asked_for_here(change: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    product = (change.path / "stationmaster.yaml").read_text()
    rules = "scans: {vulnerabilities: {database: /nowhere/osv, required: true}}\n"
    change.commit("Rules", {"stationmaster.yaml": product + rules})
    code, told, _ = scanned(capsys, change)
    assert (code, told["vulnerabilities"]["result"]) == (0, "not scanned: no advisory database")


def test_the_builds_sbom_is_held_to_what_a_release_holds_it_to(
    change: Repository, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    product = (change.path / "stationmaster.yaml").read_text()
    change.commit("Rules", {"stationmaster.yaml": f"{product}scans: {{sbom: sbom.json}}\n"})
    (tmp_path / "built").write_bytes(b"x")
    assert scanned(capsys, change)[0] == 0  # nothing is built, so nothing has left one
    with pytest.raises(SbomUnusableError, match="left no SBOM"):
        scan(change.path, artifact=tmp_path / "built")
    (change.path / "sbom.json").write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6"}')
    assert scanned(capsys, change, artifact=tmp_path / "built")[1]["sbom"]["from"] == "build"


# Since when a change is one


def test_the_remotes_branch_is_believed_first_and_a_train_names_it(tmp_path: Path, change: Repository) -> None:
    head, main = (change.git("rev-parse", name).strip() for name in ("HEAD", "main~1"))
    assert base_of(change.path, head, "main") == (main,)
    change.git("update-ref", "refs/remotes/origin/main", f"{main}~1")
    assert base_of(change.path, head, "main") == (change.git("rev-parse", "main~2").strip(),)


def test_on_the_branch_itself_the_change_is_its_last_commit(change: Repository) -> None:
    change.git("switch", "--quiet", "main")
    head, before, first = (change.git("rev-parse", f"main{at}").strip() for at in ("", "~1", "~2"))
    assert base_of(change.path, head, "main") == (before,)
    assert base_of(change.path, first, "main") == ()


def test_without_the_branch_nobody_can_tell(change: Repository) -> None:
    head = change.git("rev-parse", "HEAD").strip()
    with pytest.raises(NoBaseError, match="left trunk: the branch is not here"):
        base_of(change.path, head, "trunk")
    change.git("switch", "--quiet", "--orphan", "island")
    other = change.commit("Alone")
    with pytest.raises(NoBaseError, match="its history is not here"):
        base_of(change.path, other, "main")


def test_what_is_asked_for_must_be_there(change: Repository, tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotThereError):
        scan(change.path, artifact=tmp_path / "nothing")
    with pytest.raises(UnknownRefError):
        scan(change.path, ref="v9")
    with pytest.raises(UnknownRefError):
        scan(change.path, since="v9")
    with pytest.raises(NotARepositoryError):
        scan(tmp_path)


def test_the_repository_stays_as_it_is(change: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(change.path.rglob("*"))
    assert scanned(capsys, change)[0] == 0
    assert sorted(change.path.rglob("*")) == before
    assert "scans" not in PRODUCT
