"""Writes what a product needs to be released with us: its two files and its CI. What lies there is never touched."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stationmaster.deployments.adoption.detection import CI, Found
from stationmaster.domain.errors import OutsideError

GATE = "stationmaster"  # the job that main must require: it passes when all others did
CI_FILES: dict[CI, str] = {"github": ".github/workflows/stationmaster.yml", "gitlab": ".gitlab-ci.yml"}
Choice = Literal["github", "gitlab", "both", "none"]
_TEMPLATES: dict[str, str] = {
    "stationmaster.yaml": "stationmaster.yaml.j2",
    "tenants.yaml": "tenants.yaml.j2",
    CI_FILES["github"]: "github.yml.j2",
    CI_FILES["gitlab"]: "gitlab.yml.j2",
}
_TODO = re.compile(r"#\s*TODO:?\s*(?P<what>.+?)\s*$")


class NotWritableError(OutsideError):
    """A file cannot be written where it belongs."""

    code = "not_writable"


@dataclass(frozen=True)
class Todo:
    """A line that a person must complete."""

    file: str
    line: int
    what: str


@dataclass(frozen=True)
class Written:
    """What was written, what lay there already and stays, and what is left to do in what was written."""

    written: tuple[str, ...]
    kept: tuple[str, ...]
    todo: tuple[Todo, ...]


def files(found: Found, ci: Choice) -> dict[str, str]:
    """Place, relative to the root, to text."""
    wanted: tuple[CI, ...] = ("github", "gitlab") if ci == "both" else () if ci == "none" else (ci,)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=False,  # noqa: S701 - YAML
        variable_start_string="<<", variable_end_string=">>", block_start_string="<%", block_end_string="%>",
        comment_start_string="<#", comment_end_string="#>",
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    places = ("stationmaster.yaml", "tenants.yaml", *(CI_FILES[one] for one in wanted))
    given = {"found": found, "gate": GATE, "version": version("stationmaster")}
    return {place: _tidy(environment.get_template(_TEMPLATES[place]).render(given)) for place in places}


def _tidy(text: str) -> str:
    """What the templates' own lines leave: spaces at ends, several empty lines."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ ]+$", "", text, flags=re.MULTILINE)).strip() + "\n"


def write(folder: Path, texts: dict[str, str]) -> Written:
    """Each file that is not there yet.

    Raises:
        NotWritableError: the folder or the disk refuses one; those before it are written.
    """
    written, kept = list[str](), list[str]()
    for place, text in texts.items():
        (written if _create(folder / place, text) else kept).append(place)
    return Written(tuple(written), tuple(kept), tuple(todo for place in written for todo in todos(place, texts[place])))


def _create(path: Path, text: str) -> bool:
    """Whether the file is new. Nothing is replaced, not even what appears there in this moment."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise NotWritableError(f"it cannot be written: {error.strerror}", file=str(path)) from None
    return True


def todos(place: str, text: str) -> Iterator[Todo]:
    """The lines of a text that are marked as left to do."""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _TODO.search(line):
            yield Todo(place, number, found["what"])
