"""Places where checkpoints are published, each once and for ever: a folder of files that are written once, and refs in
a git repository. A place keeps texts by the size of the log they speak of, and believes nothing they say.

Publishing converges: who is killed does it again, and of two at once one is first and the other is told what is there.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stationmaster.blocks import space
from stationmaster.blocks.durable import draft, settle, sync
from stationmaster.blocks.git import Git, SourceUnreachableError, shown
from stationmaster.domain.entries import digest
from stationmaster.domain.errors import OutsideError

_REFS = "refs/stationmaster/checkpoints/"
_FILE = re.compile(r"(0|[1-9][0-9]*)\.checkpoint")
_REF = re.compile(rf"[0-9a-f]+\s{_REFS}(0|[1-9][0-9]*)")


class Place(Protocol):
    """What every place can do. Raises OutsideError when it cannot be asked."""

    @property
    def name(self) -> str:
        """What a message calls it."""

    def newest(self) -> list["Kept"]:
        """What is kept for the largest size, if anything is."""

    def every(self) -> list["Kept"]:
        """Everything, by size."""

    def put(self, size: int, text: str) -> "Kept":
        """What is there for the size from now on: the text, or what was there before."""


@dataclass(frozen=True)
class Kept:
    """A text at a place, which is to be a checkpoint of that size."""

    place: str
    size: int
    text: str


@dataclass(frozen=True)
class Shelf:
    """A folder of one log: `SIZE.checkpoint`, and the same file by its digest below `sha256/`."""

    folder: Path

    @property
    def name(self) -> str:
        return f"in {self.folder}"

    def newest(self) -> list[Kept]:
        return [self._read(size) for size in self._sizes()[-1:]]

    def every(self) -> list[Kept]:
        return [self._read(size) for size in self._sizes()]

    def put(self, size: int, text: str) -> Kept:
        """By a link that the system makes for the first alone. What a killed writer left has a digest and no size."""
        with self._naming("written"), space.naming("the checkpoint", self.folder, len(text)):
            address = self.folder / "sha256" / digest(text.encode()).removeprefix("sha256:")
            address.parent.mkdir(parents=True, exist_ok=True)
            with draft(address.parent) as file:
                file.write(text.encode())
                settle(file, address, 0o444)
            with contextlib.suppress(FileExistsError):
                os.link(address, self._file(size))
            sync(self.folder)
        return self._read(size)

    def _file(self, size: int) -> Path:
        return self.folder / f"{size}.checkpoint"

    def _sizes(self) -> list[int]:
        with self._naming("read"):
            names = [each.name for each in self.folder.iterdir()] if self.folder.exists() else []
        return sorted(int(match[1]) for name in names if (match := _FILE.fullmatch(name)))

    def _read(self, size: int) -> Kept:
        with self._naming("read"):
            return Kept(self.name, size, self._file(size).read_bytes().decode(errors="replace"))

    @contextlib.contextmanager
    def _naming(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutsideError(
                f"the checkpoints in {self.folder} cannot be {what}: {error.strerror}",
                hint="check the folder and its permissions",
            ) from error


@dataclass(frozen=True)
class Refs:
    """`refs/stationmaster/checkpoints/SIZE` in a repository that git can push to, each a blob."""

    url: str

    @property
    def name(self) -> str:
        return f"in {shown(self.url)}"

    def newest(self) -> list[Kept]:
        with self._scratch() as git:
            return self._fetched(git, self._sizes(git)[-1:])

    def every(self) -> list[Kept]:
        with self._scratch() as git:
            return self._fetched(git, self._sizes(git))

    def put(self, size: int, text: str) -> Kept:
        """By a push that succeeds only where the ref is not: the repository itself decides who is first."""
        with self._scratch() as git:
            content = Path(git.folder) / "checkpoint"
            content.write_bytes(text.encode())
            blob = git.text("hash-object", "-w", "--no-filters", "--", str(content)).strip()
            ref = f"{_REFS}{size}"
            pushed = git.call(("push", "--quiet", f"--force-with-lease={ref}:", "--", self.url, f"{blob}:{ref}"), {})
            if pushed.code != 0 and size not in self._sizes(git):
                raise SourceUnreachableError(
                    f"git push of {ref} failed for {shown(self.url)}: {pushed.said[-400:]}",
                    hint="check that the repository may be pushed to from here, and takes refs of that name",
                )
            return self._fetched(git, [size])[0]

    def _sizes(self, git: Git) -> list[int]:
        listed = git.text("ls-remote", "--quiet", "--refs", "--", self.url, f"{_REFS}*").splitlines()
        return sorted(int(match[1]) for line in listed if (match := _REF.fullmatch(line)))

    def _fetched(self, git: Git, sizes: list[int]) -> list[Kept]:
        if not sizes:
            return []
        wanted = str(sizes[0]) if len(sizes) == 1 else "*"
        git.text("fetch", "--quiet", "--no-tags", "--", self.url, f"+{_REFS}{wanted}:{_REFS}{wanted}")
        return [Kept(self.name, size, git.text("cat-file", "-p", f"{_REFS}{size}")) for size in sizes]

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Git]:
        """A repository of this one question: nothing is shared, and nothing is left."""
        with tempfile.TemporaryDirectory(prefix="stationmaster-checkpoints-") as folder:
            git = Git(f"{folder}/git", shown(self.url))
            git.text("init", "--quiet", "--bare", "--initial-branch=none")
            yield git
