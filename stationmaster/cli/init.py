"""`init`: the files with which a product's repository begins to be released with us."""

from pathlib import Path
from typing import Literal

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.deployments.adoption.detection import Found, look
from stationmaster.deployments.adoption.writing import GATE, Choice, Todo, Written, files, write
from stationmaster.domain.errors import Exit


def init(
    folder: Path = Path(), *, ci: Literal["github", "gitlab", "both", "none"] | None = None, json: Flag = False
) -> int:
    """Write stationmaster.yaml, tenants.yaml and a CI file. What lies there is left alone; exit code 1: something was.

    Parameters
    ----------
    folder
        The root of the product's repository.
    ci
        Whose CI file; unless given, that of the host that the repository's remotes name.
    json
        One object on standard output.
    """
    found = look(folder)
    choice: Choice = ci or found.ci or "none"
    done = write(folder, files(found, choice))
    steps = _next(folder, found, choice, done)
    value = {
        "product": found.name, "ci": choice, "written": list(done.written), "kept": list(done.kept),
        "todo": [{"file": one.file, "line": one.line, "what": one.what} for one in done.todo], "next": steps,
    }  # fmt: skip
    answer(value, as_json=json, text="\n".join(_told(done, steps)))
    return Exit.NO if done.kept else Exit.YES


def _told(done: Written, steps: list[str]) -> list[str]:
    return [
        *(f"wrote  {place}" for place in done.written),
        *(f"KEPT   {place}: it is there already and was not touched" for place in done.kept),
        *(["", "left to do:"] if done.todo else []),
        *(f"  {_place(one)}  {one.what}" for one in done.todo),
        "",
        "next:",
        *(f"  {number}. {step}" for number, step in enumerate(steps, start=1)),
    ]


def _place(one: Todo) -> str:
    return f"{one.file}:{one.line}"


def _next(folder: Path, found: Found, choice: Choice, done: Written) -> list[str]:
    steps = ["complete the lines marked TODO, then `stationmaster doctor .`"] if done.todo else []
    if choice == "none" and not found.ci:
        steps.append("no remote says which CI it has: `stationmaster init --ci github`, or gitlab")
    steps += [f"compare {place} with what `stationmaster init` writes into an empty folder" for place in done.kept]
    if choice in ("github", "both"):
        steps.append(f"let the main branch require the check `{GATE}`")
    if choice in ("gitlab", "both"):
        steps.append("let merge requests require a passed pipeline, and nobody push to the main branch")
    if not found.fragments:
        steps.append(
            "say in changes/first.md what the first release brings: `kind: added` between two ---, then a text"
        )
    steps.append("commit all of it")
    return [*steps, f"`stationmaster up {folder}` makes a sandbox of it here, for its first release"]
