"""The docs say what the code is: generated pages are current, the site builds strictly and by itself, links and anchors
lead somewhere, commands that are shown can be typed, and every act, stage, exit code and variable is told.
"""

import ast
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest
from cyclopts import CycloptsError

from stationmaster.cli.main import app
from stationmaster.domain.errors import Exit
from stationmaster.domain.release import Status
from stationmaster.domain.stages import STAGES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
FLOORS = ("stationmaster", "deployments", "flows", "tasks", "blocks")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)(```|~~~)(\w*)[^\n]*\n(.*?)^\1\2$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(stationmaster\s[^`]+)`")
OUTSIDE = re.compile(
    r'(?:\bsrc="|<link[^>]*(?:stylesheet|icon|preconnect)[^>]*href="|@import |url\(["\']?)(?:https?:)?//'
)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
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


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site makes them."""
    plain = FENCE.sub("", page.read_text())
    heads = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head) for head in re.findall(r"^#+ (.+)$", plain, re.MULTILINE)]
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", head).strip().lower()) for head in heads}


def commands(text: str) -> Iterator[str]:
    """Every command line of ours in a page: lines of its fences, and what is named in a sentence."""
    for _, _, language, block in FENCE.findall(text):
        if language in {"sh", ""}:
            yield from (line.strip() for line in block.splitlines() if line.strip().startswith("stationmaster "))
    yield from (" ".join(said.split()) for said in INLINE.findall(FENCE.sub("", text)))


def parses(command: str) -> bool:
    """Whether it can be typed so; of `plan|start`, each. The name of a command alone is enough in a sentence."""
    tokens = [token.split("|") for token in shlex.split(command, comments=True)[1:]]
    return all(_fits(list(each)) for each in product(*tokens))


def _fits(tokens: list[str]) -> bool:
    try:
        app.parse_args(tokens, exit_on_error=False, print_error=False)
    except CycloptsError:
        return not app.parse_commands(tokens)[2]
    return True


def test_the_generated_pages_are_what_the_code_says() -> None:
    for name, text in generator().pages().items():
        assert (DOCS / name).read_text() == text, f"run `make docs`: docs/{name} is stale"


def test_the_site_builds_strictly_and_asks_nobody_when_it_is_read(tmp_path: Path) -> None:
    """Strictly: every page is in the navigation, and every link and anchor of the site exists. Not `--quiet`: then a
    warning would not count.
    """
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = [page for kind in ("html", "css") for page in tmp_path.rglob(f"*.{kind}")]
    assert len(pages) > len(PAGES)
    assert [page.name for page in pages if OUTSIDE.search(page.read_text())] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_and_anchor_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(there), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_shown_can_be_typed(page: Path) -> None:
    assert [command for command in commands(page.read_text()) if not parses(command)] == []


def test_a_command_that_is_not_one_is_found() -> None:
    fence, sentence = (
        "stationmaster release begin\nstationmaster down --force  # all\n",
        "`stationmaster\nfreeze off|on`",
    )
    assert [parses(one) for one in commands(f"```sh\n{fence}```\nsee {sentence}")] == [False, False, True]


def test_every_act_of_the_runbook_is_in_the_picture_and_on_the_walk() -> None:
    picture, walk = (DOCS / "release.svg").read_text(), (DOCS / "explanation/walk.md").read_text()
    found = acts("release", "prove") | acts("release", "carry") | acts("release", "is_good")
    assert len(found) > 25
    for act in found:
        assert f">{act}<" in picture
        assert f"`{act}`" in walk


def test_every_act_of_the_contract_is_on_the_walk() -> None:
    walk = (DOCS / "explanation/walk.md").read_text()
    found = acts("contract", "carry")
    assert len(found) > 8
    for act in found:
        assert f"`{act}`" in walk


def test_every_act_of_the_way_back_is_on_its_page() -> None:
    page = (DOCS / "explanation/rollback.md").read_text()
    found = acts("rollback", "undo")
    assert len(found) > 5
    for act in found:
        assert f"`{act}`" in page


def test_every_stage_exit_code_and_key_of_a_status_is_told() -> None:
    pages = {name: (DOCS / f"reference/{name}.md").read_text() for name in ("stages", "errors", "status")}
    for stage in STAGES:
        assert f"| `{stage}` |" in pages["stages"]
    for code in Exit:
        assert f"| {code.value} |" in pages["errors"]
    for key, field in Status.model_fields.items():
        assert (f"| `{key}` |" in pages["status"]) == (field.exclude is not True)


def test_every_variable_of_the_environment_is_told() -> None:
    texts = [file.read_text() for floor in FLOORS for file in (ROOT / floor).rglob("*.py")]
    used = {name for text in texts for name in re.findall(r"\bSTATIONMASTER_[A-Z_]+", text)}
    told = set(
        re.findall(r"^\| `(STATIONMASTER_[A-Z_]+)` \|", (DOCS / "reference/environment.md").read_text(), re.MULTILINE)
    )
    assert told == used
