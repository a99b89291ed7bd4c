"""What is missing in a product's repository and at its code host. It reads and asks; it changes nothing."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from stationmaster.blocks.code_host import CodeHost
from stationmaster.deployments.adoption.detection import CI, LOCKS, declares_dependencies, must_exist, remotes
from stationmaster.deployments.adoption.writing import GATE, todos
from stationmaster.domain.documents import Document, DocumentError, check_directory, read
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Directory

M = TypeVar("M", bound=BaseModel)

PRODUCT, TENANTS = "stationmaster.yaml", "tenants.yaml"
PROTECTION = "branch protection"
_OTHER_LOCKS = (
    "Pipfile.lock",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "Cargo.lock",
    "go.sum",
    "Gemfile.lock",
)
_LOOSE = "requirements.txt"  # a lock file only when it pins everything
_PINNED = re.compile(r"^\s*(#.*|-.*|--.*|[^#\s;=<>!~]+\s*(===?|@).*|)$")
_SERVERS: dict[str, tuple[CI, tuple[str, ...]]] = {  # where a token of the environment may go
    "github.com": ("github", ("GITHUB_TOKEN", "GH_TOKEN")),
    "gitlab.com": ("gitlab", ("GITLAB_TOKEN",)),
}
_CI_PATTERNS = (".github/workflows/*.yml", ".github/workflows/*.yaml", ".gitlab-ci.yml", ".gitlab/**/*.yml")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
_NAME = re.compile(r"\s*(-\s+)?name:")
_RUNS_US = re.compile(r"(?<![\w.-])stationmaster(?:[=@]\S+)?[ \t]+(?:doctor|checks)\b")
_WRITTEN = "`stationmaster init` wrote it"  # in the head of every file that it writes
_REQUIRED: dict[CI, tuple[str, ...]] = {"github": (GATE,), "gitlab": ("checks",)}
_HOW: dict[CI, str] = {
    "github": f"Settings → Rules: require the check `{GATE}` on it, or give a token that may read the settings",
    "gitlab": "Settings → Merge requests: pipelines must succeed; Repository → Protected branches: no one may push",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `unknown` is said where nobody could tell, which is never ok."""

    name: str
    ok: bool
    detail: str
    hint: str = ""
    unknown: bool = False


def inspect(folder: Path, today: date) -> Iterator[Finding]:
    """The files of the repository with this root, on a day in UTC.

    Raises:
        NotARepositoryError: there is no such folder.
    """
    must_exist(folder)
    product, findings = _document(folder, Product, PRODUCT)
    yield from findings
    yield from _tenants(folder, product)
    if product is not None:
        yield from _declared(folder, product.value, today)
    yield from _lock(folder)
    yield from _ci(folder)
    yield from _todo(folder)


def product_of(folder: Path) -> str | None:
    """The product's name, when the file can be read."""
    found, _ = _document(folder, Product, PRODUCT)
    return found.value.product if found else None


def _document(folder: Path, model: type[M], name: str) -> tuple[Document[M] | None, list[Finding]]:
    try:
        found = read(model, (folder / name).read_text("utf-8"), name)
    except DocumentError as error:
        return None, _problems(name, error)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        return None, [Finding(name, ok=False, detail=str(why), hint="stationmaster init")]
    return found, [Finding(name, ok=True, detail="is valid")]


def _problems(name: str, error: DocumentError) -> list[Finding]:
    return [
        Finding(name, ok=False, detail=f"line {one.line or 1}: {one.message}", hint=one.hint or "correct the line")
        for one in error.problems
    ]


def _tenants(folder: Path, product: Document[Product] | None) -> Iterator[Finding]:
    """They may lie elsewhere; then the tenants block says where."""
    if not (folder / TENANTS).exists():
        yield Finding(TENANTS, ok=True, detail="not in this repository; the tenants block says where it lies")
        return
    directory, findings = _document(folder, Directory, TENANTS)
    if directory is not None and product is not None:
        try:
            check_directory(product.value, directory)
        except DocumentError as error:
            findings = _problems(TENANTS, error)
    yield from findings


def _declared(folder: Path, product: Product, today: date) -> Iterator[Finding]:
    """What the file names is there, and what it holds back has not come of age."""
    several = bool(product.checks)
    names = ", ".join(check.name for check in product.checks)
    yield Finding("checks", several, names or "none is declared", f"declare the tests in {PRODUCT}")
    for check in product.checks:
        for one in check.quarantine:
            ended = one.expires <= today
            said = f"{one.test}: {'ended' if ended else 'until'} {one.expires} ({one.ticket}, {one.owner})"
            yield Finding(
                "quarantine", not ended, said, "mend the test and take it out; it stops releases when it fails"
            )
    places = [product.database.migrations] if product.database else []
    for place in [*places, *([product.flags] if product.flags else [])]:
        there = (folder / place).exists()
        yield Finding(place, there, "is there" if there else "no such file", f"correct {PRODUCT}")


def _lock(folder: Path) -> Iterator[Finding]:
    found = [name for name in (*LOCKS, *_OTHER_LOCKS) if (folder / name).is_file()]
    if found == [_LOOSE] and not _pins(folder / _LOOSE):
        yield Finding(
            "lock file", ok=False, detail=f"{_LOOSE} does not pin every version", hint="pip-compile, or uv lock"
        )
        return
    if not found and not declares_dependencies(folder):
        yield Finding("lock file", ok=True, detail="none, and no dependencies are declared")
        return
    yield Finding(
        "lock file", bool(found), ", ".join(found) or "none", "pin what is installed: uv lock, or pip-compile"
    )


def _pins(path: Path) -> bool:
    return all(_PINNED.match(line) for line in path.read_text("utf-8", errors="replace").splitlines())


def _ci(folder: Path) -> Iterator[Finding]:
    """A file that calls us; which jobs it has beside is its owner's matter."""
    calling = [place for place in _ci_files(folder) if _calls_us(folder / place)]
    hint = "stationmaster init --ci github, or gitlab, into an empty folder, and take over what it has"
    yield Finding("CI file", bool(calling), ", ".join(calling) or "none calls stationmaster", hint)


def _ci_files(folder: Path) -> list[str]:
    found = {path for pattern in _CI_PATTERNS for path in folder.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _calls_us(path: Path) -> bool:
    """Whether a line that is neither a comment nor a name runs us."""
    lines = _COMMENT.sub("", path.read_text("utf-8", errors="replace")).splitlines()
    return any(_RUNS_US.search(line) and not _NAME.match(line) for line in lines)


def _todo(folder: Path) -> Iterator[Finding]:
    """In our two files, and in the CI files that we wrote: elsewhere the word is its owner's."""
    for name in (PRODUCT, TENANTS, *_ci_files(folder)):
        if not (folder / name).is_file():
            continue
        text = (folder / name).read_text("utf-8", errors="replace")
        if name in (PRODUCT, TENANTS) or any(_WRITTEN in line for line in text.splitlines()[:3]):
            for one in todos(name, text):
                detail = f"{one.file}:{one.line}  {one.what}"
                yield Finding("left to do", ok=False, detail=detail, hint="complete the line")


def remote_host(folder: Path) -> CodeHost | None:
    """The public host that the repository's first remote names, with the token that the environment has for it. A
    self-hosted one needs a block: a token goes only where somebody said that it may.
    """
    for remote in remotes(folder):
        if remote.server in _SERVERS:
            host, variables = _SERVERS[remote.server]
            token = next((os.environ[name] for name in variables if os.environ.get(name)), None)
            try:
                return CodeHost(host=host, repository=remote.repository, token=SecretStr(token) if token else None)
            except ValidationError:
                return None
    return None


def protection(host: CodeHost | None) -> Finding:
    """Whether the main branch requires the checks, as its host says."""
    if host is None:
        hint = "make a code-host block for the product where PREFECT_API_URL points; a public remote needs none"
        return Finding(PROTECTION, ok=False, detail="no code host is known to ask", hint=hint, unknown=True)
    try:
        branch = host.default_branch()
    except StationmasterError as error:
        return Finding(PROTECTION, ok=False, detail=error.message, hint=error.hint or "", unknown=True)
    told = host.requires(branch, _REQUIRED[host.host])
    return Finding(PROTECTION, told.answer == "yes", told.detail, _HOW[host.host], unknown=told.answer == "unknown")
