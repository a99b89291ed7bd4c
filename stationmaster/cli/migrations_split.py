"""`migrations split`: writes a generated revision as two, and sets it aside."""

from pathlib import Path
from typing import TYPE_CHECKING

from stationmaster.cli.migrations_lint import judged_at
from stationmaster.cli.output import answer
from stationmaster.domain.errors import Exit, InputError

if TYPE_CHECKING:
    from stationmaster.domain.migration_split import Half


class SplitInTheWayError(InputError):
    """What split would write is there already, or what it is given is no single revision."""

    code = "split_in_the_way"


def split_file(file: Path, *, python: Path | None, timeout: float, as_json: bool) -> int:
    """Writes both, then sets the file aside; nothing is written where it cannot be divided."""
    from stationmaster.blocks.migration_folder import revisions_at  # noqa: PLC0415 - a parser costs; --help never pays
    from stationmaster.domain.migration_history import History  # noqa: PLC0415
    from stationmaster.domain.migration_split import split  # noqa: PLC0415

    if file.is_dir():
        raise SplitInTheWayError("split takes one revision, as a file", file=str(file))
    revisions_at(file)  # says what is wrong with it
    everything = judged_at([_folder(file)], None, python, timeout)
    (this,) = [one for one in everything if Path(one.revision.file).resolve() == file.resolve()]
    others = History.of([one.revision for one in everything if one is not this])
    halves = split(file.read_text(encoding="utf-8"), this, others)
    written, aside = [_place(file, half) for half in halves], file.with_suffix(".py.split")
    if there := [one for one in (*written, aside) if one.exists()]:
        raise SplitInTheWayError("this is there already; nothing was written", file=str(there[0]))
    for path, half in zip(written, halves, strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_text(half.text, encoding="utf-8")
    file.rename(aside)
    undo = f"rm {' '.join(map(str, written))} && mv {aside} {file}"
    text = [f"wrote {one}" for one in written] + [f"set aside {aside}", f"undo: {undo}"]
    answer(
        {"written": [str(one) for one in written], "aside": str(aside), "undo": undo},
        as_json=as_json,
        text="\n".join(text),
    )
    return Exit.YES


def _folder(file: Path) -> Path:
    """The script location, or else the folder of the file."""
    return next((one for one in file.absolute().parents[:4] if (one / "env.py").is_file()), file.absolute().parent)


def _place(file: Path, half: "Half") -> Path:
    """In `versions/expand` or `versions/contract`."""
    versions = file.parent.parent if file.parent.name in {"expand", "contract"} else file.parent
    return versions / half.phase / f"{file.stem}_{half.phase}.py"
