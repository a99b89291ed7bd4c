"""What a product's repository tells about the product. It reads files and changes none; what it cannot tell is None.

Names and paths that would need quoting in a shell or in YAML are taken for not found: a person writes them better.
"""

import configparser
import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from stationmaster.blocks.git import Git
from stationmaster.domain.errors import InputError

CI = Literal["github", "gitlab"]
LOCKS = ("requirements.lock", "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "requirements.txt")
_NOT_OURS = {"node_modules", "build", "dist", "site-packages", "venv", "env"}
_NO_PACKAGES = {"tests", "test", "docs", "migrations", "alembic", "scripts", "tools"}
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_SCP = re.compile(r"^(?:[^@/]+@)?(?P<host>[^:/]+):(?P<path>[^/].*)$")
_EXPAND = re.compile(r"^branch_labels\b.*['\"]expand['\"]", re.MULTILINE)
_CLAUSE = re.compile(
    r"(?P<sign>===|==|~=|!=|<=|>=|<|>|\^|~)\s*(?P<major>\d+)(\.\*|\.(?P<minor>\d+)(?P<patch>\.(\*|\d+))?)?"
)
_OLDEST = 11  # the minor of the oldest Python 3 that we run on
_PYTEST = re.compile(r"^(?:\s*(?:import|from)\s+pytest\b|(?:async )?def test_)", re.MULTILINE)
_REQUIREMENT = re.compile(r"^\s*[^#\s]", re.MULTILINE)
_DECLARING = {  # files of other tools, and the word without which they declare nothing
    "setup.py": r"_requires?\b", "setup.cfg": r"_requires?\b", "Pipfile": r"packages\]",
    "package.json": "[dD]ependencies", "Cargo.toml": "dependencies", "go.mod": r"\brequire\b", "Gemfile": r"\bgem\b",
}  # fmt: skip
_DEEP = 4  # folders down from the root
_LARGEST = 1 << 20  # bytes read of a file


class NotARepositoryError(InputError):
    """The folder is none in which a product's files can lie."""

    code = "not_a_repository"


@dataclass(frozen=True)
class Alembic:
    """Its script folder, its ini file, and what expand goes up to."""

    scripts: str
    ini: str | None
    target: str


@dataclass(frozen=True)
class Remote:
    """Where a repository is hosted: `host` is the interface, None when the address does not tell."""

    host: CI | None
    server: str
    repository: str


@dataclass(frozen=True)
class Found:
    """What was found of a product. `declared`: its files say what pip installs for it. `requires`: they say that it
    needs something of others.

    `builds`: pip makes a package of it for certain. Without a build system setuptools looks for one, and gives up
    where several folders lie in the root; what lies there is found without being installed.
    """

    name: str
    package: str | None
    build: str | None
    migrations: Alembic | None
    tests: Literal["pytest", "unittest"] | None
    tests_package: bool
    lock: str | None
    declared: bool
    requires: bool
    fragments: bool
    builds: bool
    python: str
    branch: str | None
    remotes: tuple[Remote, ...]

    @property
    def installs(self) -> bool:
        """Whether pip can tell from the files what to install. A uv.lock says nothing without its project."""
        return self.declared or self.lock in ("requirements.lock", "requirements.txt")

    @property
    def our_python(self) -> str:
        """For the jobs that install us: the product's, unless we do not run on it."""
        return f"3.{max(int(self.python.removeprefix('3.')), _OLDEST)}"

    @property
    def ci(self) -> CI | None:
        """The host of the first remote that tells."""
        return next((remote.host for remote in self.remotes if remote.host), None)


def look(folder: Path) -> Found:
    """What the repository with this root tells.

    Raises:
        NotARepositoryError: there is no such folder, or it lies inside a repository.
    """
    _must_be_a_root(folder)
    project = _toml(folder / "pyproject.toml")
    return Found(
        name=_id(str(project.get("project", {}).get("name") or folder.resolve().name)),
        package=_package(folder),
        build="build.py" if (folder / "build.py").is_file() else None,
        migrations=_alembic(folder),
        tests=_tests(folder, project),
        tests_package=(folder / "tests" / "__init__.py").is_file(),
        lock=next((name for name in LOCKS if (folder / name).is_file()), None),
        builds=(folder / "setup.py").is_file()
        or "build-system" in project
        or ("project" in project and (folder / "src").is_dir()),
        requires=declares_dependencies(folder),
        fragments=any((folder / "changes").glob("*.md")),
        declared=(folder / "setup.py").is_file() or "project" in project or "build-system" in project,
        python=_python(folder, project),
        branch=_branch(folder),
        remotes=tuple(remotes(folder)),
    )


def _must_be_a_root(folder: Path) -> None:
    must_exist(folder)
    if not (folder / ".git").exists():
        above = next((one for one in folder.resolve().parents if (one / ".git").exists()), None)
        if above is not None:
            raise NotARepositoryError(
                f"{folder} lies inside the repository {above}", hint=f"the files lie in its root: give {above}"
            )


def must_exist(folder: Path) -> None:
    """Raises NotARepositoryError when there is no such folder."""
    if not folder.is_dir():
        raise NotARepositoryError(f"there is no folder {folder}", hint="name the product's repository")


def declares_dependencies(folder: Path) -> bool:
    """Whether a file of the root says that something else must be installed."""
    document = _toml(folder / "pyproject.toml")
    project = _table(document, "project")
    said = [project.get("dependencies"), project.get("optional-dependencies"), document.get("dependency-groups")]
    said.append(set(_table(document, "tool", "poetry", "dependencies")) - {"python"})
    said.append(_table(document, "tool", "poetry", "group"))
    if any(said) or "dependencies" in str(project.get("dynamic")):
        return True
    if any(_REQUIREMENT.search(_text(path)) for path in _requirements(folder)):
        return True
    return any(re.search(word, _text(folder / name)) for name, word in _DECLARING.items())


def _requirements(folder: Path) -> list[Path]:
    return [*folder.glob("*requirements*.txt"), *folder.glob("requirements/*.txt")]


def _id(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", letters.lower()).strip("-")[:63].strip("-") or "product"


def _package(folder: Path) -> str | None:
    """The one package, in `src` or in the root; None when there are several."""
    for place in (folder / "src", folder):
        names = [path.parent.name for path in sorted(place.glob("*/__init__.py"))]
        names = [name for name in names if name not in _NO_PACKAGES and _PLAIN.fullmatch(name)]
        if names:
            return names[0] if len(names) == 1 else None
    return None


def _tests(folder: Path, project: dict[str, Any]) -> Literal["pytest", "unittest"] | None:
    if not (folder / "tests").is_dir():
        return None
    named = [folder / name for name in ("pyproject.toml", "setup.cfg", *LOCKS[:2])]
    named += _requirements(folder)
    wanted = "pytest" in project.get("tool", {}) or any(re.search(r"\bpytest\b", _text(path)) for path in named)
    tests = sorted((folder / "tests").glob("**/*.py"))
    wanted = wanted or any(path.name == "conftest.py" or _PYTEST.search(_text(path)) for path in tests)
    return "pytest" if wanted else "unittest"


def _alembic(folder: Path) -> Alembic | None:
    """By its ini file, else by the two files that every script folder has."""
    for ini in _files(folder, "alembic.ini"):
        scripts = _script_location(ini, folder)
        if scripts is not None:
            return Alembic(scripts, ini.relative_to(folder).as_posix(), _target(folder / scripts))
    for mako in _files(folder, "script.py.mako"):
        scripts = mako.parent.relative_to(folder).as_posix()
        if (mako.parent / "env.py").is_file() and _PLAIN.fullmatch(scripts):
            return Alembic(scripts, None, _target(folder / scripts))
    return None


def _script_location(ini: Path, folder: Path) -> str | None:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(_text(ini))
        location = parser.get("alembic", "script_location").replace("%(here)s", str(ini.parent.resolve()))
    except configparser.Error:
        return None
    path = folder.resolve() / location  # relative to where alembic is called, which is the root
    if not (path / "env.py").is_file() or not path.is_relative_to(folder.resolve()):
        return None
    scripts = path.relative_to(folder.resolve()).as_posix()
    return scripts if _PLAIN.fullmatch(scripts) else None


def _target(scripts: Path) -> str:
    """The branch `expand`, where the revisions have one; else all there is."""
    expands = any(_EXPAND.search(_text(path)) for path in sorted(scripts.glob("versions/**/*.py")))
    return "expand@head" if expands else "heads"


def _files(folder: Path, name: str) -> Iterator[Path]:
    """Files of that name, the highest first, not in what others wrote."""
    for depth in range(_DEEP):
        for path in sorted(folder.glob("*/" * depth + name)):
            parts = path.relative_to(folder).parts[:-1]
            if not any(part.startswith(".") or part in _NOT_OURS for part in parts) and path.is_file():
                yield path


def _branch(folder: Path) -> str | None:
    """The remote's main branch, else the one that is checked out."""
    git = git_of(folder)
    if git is None:
        return None
    for name in ("refs/remotes/origin/HEAD", "HEAD"):
        told = git.bytes("symbolic-ref", "--quiet", name)
        branch = re.sub(r"^refs/(heads|remotes/origin)/", "", told.decode(errors="replace").strip()) if told else ""
        if _PLAIN.fullmatch(branch):
            return branch
    return None


def _python(folder: Path, project: dict[str, Any]) -> str:
    """What .python-version says, else the lowest that the project admits and we run on, else one that we run on."""
    found = re.match(r"3\.\d+", _text(folder / ".python-version"))
    if found:
        return found[0]
    wanted = _table(project, "project").get("requires-python")
    wanted = wanted or _table(project, "tool", "poetry", "dependencies").get("python")
    clauses = [_CLAUSE.fullmatch(clause.strip()) for clause in wanted.split(",")] if isinstance(wanted, str) else [None]
    known = [clause for clause in clauses if clause]
    if len(known) < len(clauses):
        return "3.12"
    minors = (*range(_OLDEST, 3 * _OLDEST), *range(_OLDEST - 1, 5, -1))
    return f"3.{next((minor for minor in minors if all(_admits(one, minor) for one in known)), 12)}"


def _admits(clause: "re.Match[str]", minor: int) -> bool:
    """Whether the latest 3.minor fits one clause of `requires-python`, or of Poetry's `^` and `~`."""
    sign, asked = clause["sign"], (int(clause["major"]), int(clause["minor"] or 0))
    if clause["minor"] is None and sign in ("==", "~=", "~"):
        return asked[0] == 3  # noqa: PLR2004 - every minor of Python 3
    if sign in ("==", "===", "~") or (sign == "~=" and clause["patch"]):
        return asked == (3, minor)
    if sign == "!=":
        return asked != (3, minor) or clause["patch"] != ".*"
    return (3, minor) < asked if sign in ("<", "<=") else (3, minor) >= asked


def _table(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A table of a TOML document; empty where there is none."""
    for key in keys:
        found = document.get(key)
        document = found if isinstance(found, dict) else {}
    return document


def remotes(folder: Path) -> Iterator[Remote]:
    """Where the repository is hosted, `origin` first. Nothing when it is no repository, or has no remote."""
    git = git_of(folder)
    told = git.call(("config", "--get-regexp", r"^remote\..*\.url$"), {}) if git else None
    lines = told.out.decode(errors="replace").splitlines() if told and told.code == 0 else []
    for line in sorted(lines, key=lambda one: not one.startswith("remote.origin.url ")):
        found = _remote(line.partition(" ")[2])
        if found is not None:
            yield found


def git_of(folder: Path) -> Git | None:
    """Git over the repository with this root, a second work tree included; None when it is none."""
    git = folder.resolve() / ".git"
    if git.is_file():
        git = folder.resolve() / _text(git).removeprefix("gitdir:").strip()
    return Git(str(git), str(folder)) if git.is_dir() else None


def _remote(address: str) -> Remote | None:
    scp = _SCP.match(address) if "://" not in address else None
    try:
        parts = urlsplit(address)
    except ValueError:  # an address that git takes and that is none
        return None
    server, path = (scp["host"], scp["path"]) if scp else (parts.hostname, parts.path)
    if not server or parts.scheme == "file":
        return None
    labels = server.lower().split(".")
    host: CI | None = "github" if "github" in labels else "gitlab" if "gitlab" in labels else None
    return Remote(host, server.lower(), path.strip("/").removesuffix(".git"))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError:
        return {}


def _text(path: Path) -> str:
    """The beginning of a file; empty when there is none."""
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST).decode(errors="replace")
    except OSError:
        return ""
