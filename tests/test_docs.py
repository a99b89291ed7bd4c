"""The docs say what the code is: generated pages are current, links lead somewhere, every act is in the picture."""

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from stationmaster.domain.errors import Exit
from stationmaster.domain.stages import STAGES

ROOT = Path(__file__).parent.parent
PAGES = sorted(page for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if not page.is_symlink())
LINK = re.compile(r"\]\(([^)#\s]+)\)")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def acts(flow: str, runbook: str) -> set[str]:
    """The acts that a flow's runbook calls: what it imports from the floor of tasks."""
    tree = ast.parse((ROOT / "flows" / f"{flow}.py").read_text())
    (found,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == runbook]
    tasks = [node for node in tree.body if isinstance(node, ast.ImportFrom) and ".tasks." in str(node.module)]
    imported = {name.name for node in tasks for name in node.names}
    return imported & {node.id for node in ast.walk(found) if isinstance(node, ast.Name)}


def test_the_reference_pages_are_what_the_code_says() -> None:
    for name, text in generator().pages().items():
        assert (ROOT / "docs" / name).read_text() == text, f"run `make docs`: docs/{name} is stale"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_act_of_the_runbook_is_in_the_picture_and_on_the_walk() -> None:
    picture, walk = (ROOT / "docs" / "release.svg").read_text(), (ROOT / "docs/explanation/walk.md").read_text()
    found = acts("release", "runbook")
    assert len(found) > 15
    for act in found:
        assert f">{act}<" in picture
        assert f"`{act}`" in walk


def test_every_act_of_the_way_back_is_on_its_page() -> None:
    page = (ROOT / "docs/explanation/rollback.md").read_text()
    found = acts("rollback", "undo")
    assert len(found) > 5
    for act in found:
        assert f"`{act}`" in page


def test_every_stage_and_exit_code_is_told() -> None:
    stages, release = (ROOT / "docs/reference/stages.md").read_text(), (ROOT / "docs" / "release.md").read_text()
    for stage in STAGES:
        assert f"`{stage}`" in stages
    for code in Exit:
        assert f"| {code.value} |" in release


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    for page in PAGES:
        name = page.relative_to(ROOT / "docs").as_posix() if page.is_relative_to(ROOT / "docs") else "index.md"
        assert name == "index.md" or name.startswith("decisions/") or f"({name})" in index
