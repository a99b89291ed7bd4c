"""Which files of a folder are Alembic revisions, and which folder Alembic would be given. It reads and runs nothing."""

import configparser
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from stationmaster.domain.errors import InputError, nearest

_REVISION = re.compile(r"^(?:revision\s*(?::[^=\n]+)?=|(?:async\s+)?def\s+upgrade\b)", re.MULTILINE)
_CONFIGURED = ("alembic.ini", "pyproject.toml")
_USUAL = ("migrations", "alembic")  # where products have them, below their root
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


class RevisionsNotFoundError(InputError):
    """There is no folder of Alembic revisions at the path."""

    code = "revisions_not_found"


@dataclass(frozen=True)
class Folder:
    """`scripts` is what Alembic calls script_location, `files` every revision below it, `asked` those that were given
    as files, or all. `root` is the first folder above that is no Python package: where its imports begin.
    """

    scripts: Path
    files: tuple[Path, ...]
    asked: frozenset[Path]
    root: Path


def revisions_at(*paths: Path) -> Folder:
    """The folder that the paths mean: a script location, a folder of revisions, an alembic.ini, or some of its files.

    Raises:
        RevisionsNotFoundError: no revisions there, or the files are of different folders.
    """
    found = [_folder(path) for path in paths]
    if len({one.scripts for one in found}) > 1:
        raise RevisionsNotFoundError(
            f"{found[0].scripts} and {found[-1].scripts} are two histories", hint="lint one after the other"
        )
    asked = frozenset(file for one in found for file in one.asked)
    return Folder(found[0].scripts, found[0].files, asked, found[0].root)


def _folder(path: Path) -> Folder:
    path = path.absolute()
    if not path.exists():
        raise RevisionsNotFoundError("there is no such file or folder", file=str(path), hint=_near(path))
    scripts, places = _meant(path)
    if not path.is_file() and not any(place.is_dir() for place in places):
        places = [scripts]
    files = _files([scripts / "versions", *places] if path.suffix == ".py" else places)
    if path.suffix == ".py" and path not in files:
        raise RevisionsNotFoundError("this file is no Alembic revision: it has no `revision`", file=str(path))
    if not files:
        raise RevisionsNotFoundError(
            "no Alembic revision is in this folder", file=str(scripts),
            hint="give the folder with env.py and versions/, the folder of the revisions, or alembic.ini",
        )  # fmt: skip
    return Folder(scripts, files, frozenset([path] if path.suffix == ".py" else files), _root(scripts))


def scripts_at(path: Path) -> Path:
    """The script location that the path means, as Alembic is given it; whether a revision is in it is not looked at.

    Raises:
        RevisionsNotFoundError: it has no folder for revisions.
    """
    scripts, places = _meant(path.absolute())
    if not any(place.is_dir() for place in places):
        below = [one.name for one in path.iterdir() if one.is_dir()] if path.is_dir() else []
        hint = nearest("migrations", below) if path.is_dir() else _near(path.absolute())
        raise RevisionsNotFoundError("no folder `versions` with revisions is here", file=str(path), hint=hint)
    return scripts


def _meant(path: Path) -> tuple[Path, list[Path]]:
    """The script location, and the folders in which its revisions are."""
    if path.is_file() and path.suffix == ".py":
        return _around(path), [path.parent]
    ini = path if path.is_file() else next((path / one for one in _CONFIGURED if (path / one).is_file()), path)
    if ini.is_file() and not (path / "env.py").is_file() and _says(ini):
        return _configured(ini)
    for scripts in (path, *(path / one for one in _USUAL)):
        if (scripts / "versions").is_dir():
            return scripts, [scripts / "versions"]
    return (path.parent, [path]) if path.name == "versions" else (path, [path / "versions"])


def _says(ini: Path) -> bool:
    """Whether it is of Alembic: most pyproject.toml are not."""
    return ini.suffix != ".toml" or "tool.alembic" in ini.read_text(encoding="utf-8", errors="replace")


def _around(file: Path) -> Path:
    """The script location of one revision: the folder above it with env.py, or its own."""
    return next((folder for folder in file.parents[:4] if (folder / "env.py").is_file()), file.parent)


def _configured(ini: Path) -> tuple[Path, list[Path]]:
    """`script_location` and `version_locations` of an alembic.ini, or of a pyproject.toml."""
    try:
        said = _of_toml(ini) if ini.suffix == ".toml" else _of_ini(ini)
    except (configparser.Error, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RevisionsNotFoundError(str(error).splitlines()[0], file=str(ini)) from None
    location = said.get("script_location", "")
    if not location or ":" in location:
        raise RevisionsNotFoundError(
            "script_location is no folder here", file=str(ini), hint="give the folder with env.py and versions/"
        )
    several = said.get("version_locations", "")
    places = [_from(ini, one) for one in re.split(r"[\s,;:]+", several) if one]
    scripts = _from(ini, location)
    return scripts, places or [scripts / "versions"]


def _of_ini(ini: Path) -> dict[str, str]:
    """Only what is asked for is read: the address of the database, with its password, is beside it."""
    parser = configparser.ConfigParser({"here": str(ini.parent)})
    parser.read_string(ini.read_text(encoding="utf-8"))
    section = "alembic" if parser.has_section("alembic") else "DEFAULT"
    return {name: parser.get(section, name, fallback="") for name in ("script_location", "version_locations")}


def _of_toml(ini: Path) -> dict[str, str]:
    table = tomllib.loads(ini.read_text(encoding="utf-8")).get("tool", {}).get("alembic", {})
    texts = {key: " ".join(value) if isinstance(value, list) else str(value) for key, value in table.items()}
    return {key: value.replace("%(here)s", str(ini.parent)) for key, value in texts.items()}


def _from(ini: Path, named: str) -> Path:
    """A folder that an alembic.ini names: for Alembic from the folder where it is started, mostly that of the file."""
    return next((one for one in (ini.parent / named, Path(named)) if one.is_dir()), ini.parent / named).absolute()


def _files(places: list[Path]) -> tuple[Path, ...]:
    found = (file for place in places if place.is_dir() for file in sorted(place.rglob("*.py")))
    return tuple(dict.fromkeys(file.absolute() for file in found if _is_revision(file)))


def _is_revision(file: Path) -> bool:
    if file.name in {"env.py", "__init__.py"} or _SKIPPED & set(file.parts) or file.name.startswith("."):
        return False
    return _REVISION.search(file.read_text(encoding="utf-8", errors="replace")) is not None


def _root(scripts: Path) -> Path:
    """The first folder above that is no package."""
    folder = scripts
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return folder


def _near(path: Path) -> str | None:
    parent = path.parent
    return nearest(path.name, [one.name for one in parent.iterdir()]) if parent.is_dir() else None
