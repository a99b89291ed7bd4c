"""A product's repository as a sandbox takes it: its two files and its secrets, read and refused before anything starts.

Releases are cut from commits; what is read here lies in the working tree, so that an error names a line one can mend.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, SecretStr

from stationmaster.blocks.git import Git
from stationmaster.deployments.adoption.detection import NotARepositoryError, git_of, must_exist
from stationmaster.deployments.adoption.inspection import PRODUCT, TENANTS
from stationmaster.domain.documents import Document, check_directory, read
from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.journey import placeholders
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import SHARED, STAGE, Directory

M = TypeVar("M", bound=BaseModel)
_SETTING = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)")
_SECRET = "secret:"  # noqa: S105 - how a journey's placeholder of one begins


class NotAdoptedError(InputError):
    """The repository lacks a file that a release needs."""

    code = "not_adopted"


class NotCommittedError(InputError):
    """What a release would be cut from is not in a commit."""

    code = "not_committed"


class SecretMissingError(InputError):
    """A journey uses a secret that nobody gave."""

    code = "secret_missing"


class EnvFileError(InputError):
    """The file with the product's environment cannot be read as one."""

    code = "env_file"


@dataclass(frozen=True)
class Repository:
    """What a sandbox needs of a product. `environment` goes to every instance, and gives the journeys' secrets."""

    folder: Path
    tenants: Path
    document: Document[Product]
    directory: Directory
    environment: dict[str, SecretStr] = field(default_factory=dict)

    @property
    def product(self) -> Product:
        return self.document.value

    @property
    def name(self) -> str:
        return self.product.product

    @property
    def instances(self) -> list[str]:
        """Stage, the one that cloud tenants share, and one for each dedicated tenant."""
        return [STAGE, SHARED, *sorted(one.id for one in self.directory.tenants if one.hosting == "dedicated")]

    @property
    def journey_secrets(self) -> dict[str, SecretStr]:
        """Those of the environment that a journey names; the others are never masked out of its answers."""
        used = {name for journey in self.product.journeys for step in journey.steps for name in placeholders(step)}
        return {name: value for name, value in self.environment.items() if f"{_SECRET}{name}" in used}

    @property
    def ref(self) -> str:
        """What a release of it is started with: the branch that is checked out, else the commit."""
        branch = (self._git.bytes("symbolic-ref", "--quiet", "--short", "HEAD") or b"").decode().strip()
        return branch or self._git.text("rev-parse", "HEAD").strip()

    @property
    def authors(self) -> list[tuple[str, str]]:
        """Name and address of everybody whom a commit of any branch names as author or committer, each once, sorted by
        address.
        """
        lines = self._git.text("log", "--all", "--format=%an%x09%ae%n%cn%x09%ce").splitlines()
        found = {address.lower(): (name, address) for name, _, address in (line.partition("\t") for line in lines)}
        return [found[address] for address in sorted(found) if address]

    def committed(self, path: str) -> str:
        """A file as the commit that is checked out has it.

        Raises:
            NotCommittedError: it has none of that name.
        """
        found = self._git.bytes("cat-file", "blob", f"HEAD:{path}")
        if found is None:
            raise NotCommittedError("the file is in no commit of this branch", file=str(self.folder / path))
        return found.decode(errors="replace")

    @property
    def _git(self) -> Git:
        return _git(self.folder)

    def given(self, environment: dict[str, SecretStr]) -> "Repository":
        """The same with that environment.

        Raises:
            SecretMissingError: a journey names a secret that it does not have.
        """
        _must_have_secrets(self.document, environment)
        return replace(self, environment=environment)


def read_repository(folder: Path, tenants: Path | None = None) -> Repository:
    """The repository with this root. `tenants` is its own tenants.yaml unless given.

    Raises:
        NotARepositoryError, NotCommittedError: there is no repository, or nothing in it to release.
        NotAdoptedError: stationmaster.yaml or tenants.yaml is missing.
        DocumentError: one of them is wrong; every problem with its line.
    """
    folder = folder.resolve()
    must_exist(folder)
    _git(folder)  # says when there is none
    product = _read(Product, folder / PRODUCT)
    directory = _read(Directory, tenants or folder / TENANTS)
    check_directory(product.value, directory)
    _must_be_committed(folder)
    return Repository(folder, tenants or folder / TENANTS, product, directory.value)


def read_environment(path: Path) -> dict[str, SecretStr]:
    """NAME=VALUE a line; empty lines and those that begin with # are passed over, quotes belong to the value.

    Raises:
        EnvFileError: it cannot be read, or a line is none of these. Its values are in no message.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise EnvFileError(f"the environment cannot be read: {why}", file=str(path), hint="see --env-file") from None
    found = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        setting = _SETTING.fullmatch(line)
        if setting is None:
            raise EnvFileError("the line is not NAME=VALUE", file=str(path), line=number, hint="comments begin with #")
        found[setting["name"]] = SecretStr(setting["value"])
    return found


def _git(folder: Path) -> Git:
    found = git_of(folder)
    if found is None:
        above = next((one for one in folder.parents if (one / ".git").exists()), None)
        hint = f"give its root, {above}" if above else f"git init {folder}"
        raise NotARepositoryError(f"{folder} is not the root of a git repository", hint=hint)
    return found


def _must_be_committed(folder: Path) -> None:
    hint = f"git -C {folder} add --all && git -C {folder} commit"
    if _git(folder).bytes("rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
        raise NotCommittedError(f"{folder} has no commit, and releases are cut from commits", hint=hint)
    if _git(folder).bytes("cat-file", "-e", f"HEAD:{PRODUCT}") is None:
        raise NotCommittedError(
            "the file is in no commit of this branch, and releases are cut from commits",
            file=str(folder / PRODUCT), hint=hint,
        )  # fmt: skip


def _read(model: type[M], path: Path) -> Document[M]:
    try:
        return read(model, path.read_text("utf-8"), str(path))
    except FileNotFoundError:
        raise NotAdoptedError("there is no such file", file=str(path), hint="stationmaster init") from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise NotAdoptedError(f"it cannot be read: {why}", file=str(path), hint="stationmaster init") from None


def _must_have_secrets(product: Document[Product], environment: dict[str, SecretStr]) -> None:
    for number, journey in enumerate(product.value.journeys):
        for place, step in enumerate(journey.steps):
            wanted = sorted(name.removeprefix(_SECRET) for name in placeholders(step) if name.startswith(_SECRET))
            for name in (one for one in wanted if one not in environment):
                near = nearest(name, environment)
                raise SecretMissingError(
                    f"journey {journey.name!r}, step {step.name!r}: nobody gave the secret {name}",
                    file=product.file,
                    line=product.line("journeys", number, "steps", place),
                    hint=f"write {name}=VALUE into a file and give it with --env-file" + (f"; {near}" if near else ""),
                )
