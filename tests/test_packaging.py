"""What is installed is what lies in the folders: packages, links, the files beside the code, the entry points."""

import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
UPPER = ("flows", "tasks", "blocks", "deployments")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS: dict[str, Any] = PROJECT["tool"]["setuptools"]


def folders() -> dict[str, Path]:
    """Every folder with code, by the name under which it is imported."""
    found = {}
    for top, name in [("stationmaster", "stationmaster"), *((each, f"stationmaster.{each}") for each in UPPER)]:
        for path in sorted((ROOT / top).rglob("*.py")):
            folder = path.parent.relative_to(ROOT / top)
            if not any((ROOT / top / part).is_symlink() for part in (folder, *folder.parents)):
                found[".".join((name, *folder.parts))] = path.parent
    return found


def test_every_folder_with_code_is_a_package_that_is_installed() -> None:
    assert set(SETUPTOOLS["packages"]) == set(folders())
    for name, folder in folders().items():
        assert (folder / "__init__.py").is_file(), f"{name} has no __init__.py"


def test_every_package_is_mapped_to_its_folder() -> None:
    mapped = {name: ROOT / place for name, place in SETUPTOOLS["package-dir"].items()}
    for name, folder in folders().items():
        nearest = max((known for known in mapped if f"{name}.".startswith(f"{known}.")), key=len)
        rest = name.removeprefix(nearest).strip(".")
        assert mapped[nearest].joinpath(*rest.split(".") if rest else ()) == folder


def test_the_links_lead_to_the_upper_floors() -> None:
    links = {path.name: path.readlink() for path in (ROOT / "stationmaster").iterdir() if path.is_symlink()}
    assert links == {name: Path("..") / name for name in UPPER}


def test_empty_packages_stay_empty() -> None:
    for name in ("stationmaster", "blocks", "flows"):
        assert (ROOT / name / "__init__.py").read_text().strip() == ""


def test_what_pyproject_promises_can_be_imported() -> None:
    scripts = [point for point in entry_points(group="console_scripts") if point.module.startswith("stationmaster")]
    collections = entry_points(group="prefect.collections").select(name="stationmaster")
    assert {point.name for point in scripts} == {"stationmaster", "stm"}
    assert [point.value for point in collections] == ["stationmaster.blocks.collection"]
    for point in (*scripts, *collections):
        assert point.load() is not None


def copied(into: Path) -> Path:
    """What git knows of this folder, as somebody would clone it."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            (into / name).symlink_to((ROOT / name).readlink())
        elif (ROOT / name).exists():
            (into / name).write_bytes((ROOT / name).read_bytes())
    return into


def expected(source: Path) -> set[str]:
    """Where each file of the packages must be in the wheel."""
    tops = {"stationmaster": "stationmaster", **{name: f"stationmaster/{name}" for name in UPPER}}
    return {
        f"{place}/{path.relative_to(source / top).as_posix()}"
        for top, place in tops.items()
        for path in (source / top).rglob("*")
        if path.is_file() and not any(part.is_symlink() for part in path.parents)
    }


@pytest.mark.slow
def test_the_wheel_has_all_code_and_the_files_beside_it(tmp_path: Path) -> None:
    source = copied(tmp_path / "source")
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, timeout=120, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        inside = {name for name in opened.namelist() if ".dist-info/" not in name}
    assert inside == expected(copied(tmp_path / "again"))  # the build leaves files beside the first
    for kind, least in ((".patch", 10), (".j2", 2), ("prefect.yaml", 1), ("tenants.yaml", 1)):
        assert len([name for name in inside if name.endswith(kind)]) >= least
