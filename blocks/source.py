"""The product's source repository: which commit a name means, what changed since another, a clean export.

Works on a mirror of its own, so that nobody's working tree is read or written. It runs no code of the product.
"""

import hashlib
import os
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, Field

from stationmaster.blocks import space
from stationmaster.blocks.git import Git, SourceUnreachableError, shown
from stationmaster.blocks.mirror import fetch
from stationmaster.domain.artifact import Change, Commit
from stationmaster.domain.boarding import Merged, taken_back
from stationmaster.domain.errors import InputError, nearest

_OUTSIDE = (OSError, SourceUnreachableError, space.NoSpaceError)
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MERGED = "--format=%x00%H%n%ct%n%P%n%B"
_NUMBER = re.compile(r"\AMerge pull request #(\d+)\b|\A.*\(#(\d+)\)$|^See merge request \S*!(\d+)$", re.MULTILINE)
_REVERTERS = "--format=%x00%H%n%B"
_REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{40,64})\b", re.MULTILINE)
_PEOPLE = "%an <%ae>%x00%cn <%ce>%x00%(trailers:key=Co-authored-by,valueonly,unfold,separator=%x1f)"
_LOG = f"--format=%H%x00%ct%x00%s%x00{_PEOPLE}"


class UnknownRefError(InputError):
    """The repository has no such branch, tag or commit."""

    code = "unknown_ref"


class UnsafeTreeError(InputError):
    """The commit has a path or a link that leads out of its own files."""

    code = "unsafe_tree"


class GitRepository(BaseModel):
    """The product's git repository."""

    url: str = Field(
        description="A path or anything `git clone` takes. Credentials are left to git's own helpers.",
        examples=["https://code.example/orderdesk"],
    )
    mirror: str = Field(description="The folder in which the toolbox keeps its own mirror of the repository.")

    def resolve(self, ref: str) -> Commit:
        """The commit that a branch, tag or (shortened) id names now. A whole id that the mirror has needs no source.

        Raises:
            UnknownRefError: with the nearest branch or tag.
        """
        commit = self._commit(ref) if _ID.fullmatch(ref) else None
        if commit is None:
            fetch(self._git, self.url)
            commit = self._commit(ref)
        if commit is None:
            names = self._git.text("for-each-ref", "--format=%(refname:lstrip=2)").splitlines()
            raise UnknownRefError(f"{self._name} has no branch, tag or commit {ref!r}", hint=nearest(ref, names))
        change, at = _change(self._git.text("log", "-1", _LOG, commit).rstrip("\n"))
        return Commit(**change.model_dump(), version=self._version(commit), at=at)

    def changes(self, since: tuple[str, ...], until: str) -> tuple[Change, ...]:
        """What is in `until` and in none of `since`, oldest first.

        Raises:
            UnknownRefError: one of `since` is in no branch or tag any more, so that nobody can tell.
        """
        self._must_have(since)
        listed = self._git.text("log", "--reverse", "--date-order", _LOG, until, *(f"^{one}" for one in since))
        return tuple(_change(line)[0] for line in listed.split("\n") if line)

    def merged(self, since: tuple[str, ...], until: str) -> tuple[Merged, ...]:
        """What came into the branch that ends at `until` and is in none of `since`, one by one, in the order in which
        it came (git's first parents). `since` as for `changes`.

        git keeps no time of merging but that of the commit, and clocks differ: nothing counts as merged before what
        came before it.

        Raises:
            UnknownRefError: as `changes`.
        """
        self._must_have(since)
        listed = self._git.text("log", "--first-parent", "--reverse", _MERGED, until, *(f"^{one}" for one in since))
        found: list[Merged] = []
        for entry in listed.split("\0")[1:]:
            commit, at, parents, message = entry.split("\n", 3)
            when = datetime.fromtimestamp(int(at), UTC)
            brought, said = self._brought(commit) if " " in parents else (frozenset[str](), message)
            number = next((int(one) for match in _NUMBER.findall(message) for one in match if one), None)
            found.append(
                Merged(commit, max([when, *(one.at for one in found[-1:])]), taken_back(said), number, brought)
            )
        return tuple(found)

    def missing(self, branch: str, commit: str) -> tuple[str, ...]:
        """Commits in `commit` that a branch lacks, newest first; one whose change the branch has by a cherry-pick is
        not missing. The commit itself is, when there is no such branch, or nobody has the commit any more.

        Raises:
            SourceUnreachableError: the repository cannot be asked.
        """
        fetch(self._git, self.url)
        head = self._commit(branch)
        if head is None or self._commit(commit) is None:
            return (commit,)
        cherries = ("--cherry-pick", "--right-only", "--no-merges", "--format=%H")
        return tuple(self._git.text("log", *cherries, f"{head}...{commit}").split())

    def reverts(self, since: tuple[str, ...], until: str) -> frozenset[str]:
        """Commits that a commit in `until` and in none of `since` takes back, by the words that git itself writes. With
        a merge goes what it merged; a revert that is itself reverted takes nothing back.
        """
        listed = self._git.text("log", "--topo-order", _REVERTERS, until, *(f"^{one}" for one in since))
        back: set[str] = set()
        for commit, _, message in (entry.partition("\n") for entry in listed.split("\0") if entry.strip()):
            if commit not in back:
                back.update(one for said in _REVERTS.findall(message) for one in self._with_merged(said))
        return frozenset(back)

    def _must_have(self, since: tuple[str, ...]) -> None:
        for commit in since:
            if self._commit(commit) is None:
                raise UnknownRefError(
                    f"{self._name} no longer has commit {commit[:12]}, which runs in production",
                    hint=f"push a branch or tag that has {commit[:12]}",
                )

    def _brought(self, merge: str) -> tuple[frozenset[str], str]:
        """The other commits that came with a merge, and the messages of all."""
        listed = self._git.text("log", _MERGED, merge, f"^{merge}^1").split("\0")[1:]
        entries = [entry.split("\n", 3) for entry in listed]
        return frozenset(one[0] for one in entries) - {merge}, "\n".join(one[3] for one in entries)

    def _with_merged(self, commit: str) -> list[str]:
        """The commit, and what came with it where it is a merge."""
        if self._commit(f"{commit}^2") is None:
            return [commit]
        return self._git.text("rev-list", commit, f"^{commit}^1").split()

    def added(self, since: tuple[str, ...], until: str, folder: str) -> tuple[str, ...]:
        """Files under `folder` that exist at `until` and at none of `since`."""
        there = self._files(until, folder)
        return tuple(sorted(there.difference(*(self._files(commit, folder) for commit in since))))

    def read(self, commit: str, path: str) -> str:
        """A file's text at a commit.

        Raises:
            InputError: the commit has no such file, or it is not text.
            SourceUnreachableError: git did not say whether it has.
        """
        blob = self._blob(commit, path)
        if blob is None:
            raise InputError(
                f"commit {commit[:12]} has no file {path}", file=path, hint=f"commit {path} to the product"
            )
        try:
            return self._git.content("cat-file", "blob", blob).decode()
        except UnicodeDecodeError:
            raise InputError(f"the file is not UTF-8 at commit {commit[:12]}", file=path) from None

    def differs(self, one: str, other: str, path: str) -> bool:
        """Whether a file is not the same at two commits."""
        ids = [self._git.bytes("rev-parse", "--verify", "--quiet", f"{commit}:{path}") for commit in (one, other)]
        return ids[0] != ids[1]

    def export(self, commit: str, into: Path) -> None:
        """The commit's files, and nothing else, in the folder `into`, which is created. Each has the commit's time.

        Raises:
            NoSpaceError: they do not fit; nothing stays.
            UnsafeTreeError: a path or a link leads out of `into`; nothing stays.
        """
        into.mkdir(parents=True)
        try:
            with tempfile.TemporaryDirectory(prefix=".index-", dir=into.parent) as index:
                place = {"GIT_INDEX_FILE": f"{index}/index", "GIT_WORK_TREE": str(into.absolute())}
                self._git.text("read-tree", commit, **place)
                self._git.text("checkout-index", "--all", **place)
            _settle(into, int(self._git.text("log", "-1", "--format=%ct", commit)))
        except BaseException as error:
            shutil.rmtree(into)
            needed = self._size(commit)
            if isinstance(error, _OUTSIDE) and space.was_short(into, needed=needed):
                raise space.no_space(f"the files of commit {commit[:12]}", into, needed) from error
            if isinstance(error, SourceUnreachableError) and "invalid path" in error.message:
                raise UnsafeTreeError(f"commit {commit[:12]} has a path that leads out: {error.message}") from None
            raise

    @property
    def _name(self) -> str:
        return shown(self.url)

    @property
    def _git(self) -> Git:
        return Git(self.mirror, self._name)

    def _commit(self, name: str) -> str | None:
        """The id of the commit a name means in the mirror."""
        if "\0" in name:
            return None
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        found = (self._git.bytes(*asked) or b"").decode().strip()
        return found if _ID.fullmatch(found) else None

    def _version(self, commit: str) -> str:
        """The newest version tag on the commit, else the nearest before it with the distance."""
        listing = ("for-each-ref", "--sort=-version:refname", "--format=%(refname:lstrip=2)", "--points-at", commit)
        tags = self._git.text(*listing, "refs/tags/v[0-9]*").splitlines()
        described = self._git.bytes("describe", "--tags", "--abbrev=12", "--match", "v[0-9]*", commit) or b""
        return (tags[0] if tags else described.decode().strip()).removeprefix("v") or f"0.0.0-g{commit[:12]}"

    def _blob(self, commit: str, path: str) -> str | None:
        """The id of a file's content; None only when git lists no such file."""
        rows = self._git.text("ls-tree", "-z", commit, "--", path, GIT_LITERAL_PATHSPECS="1").split("\0")
        found = next((row.split() for row in rows if row.partition("\t")[2] == path), None)
        return found[2] if found and found[1] == "blob" else None

    def _size(self, commit: str) -> int:
        """Bytes of all files of a commit; 0 when git cannot tell."""
        try:
            listed = self._git.text("ls-tree", "-r", "-l", "-z", commit).split("\0")
        except _OUTSIDE:
            return 0
        sizes = (row.partition("\t")[0].rpartition(" ")[2] for row in listed)
        return sum(int(size) for size in sizes if size.isdecimal())

    def _files(self, commit: str, folder: str) -> set[str]:
        return {*self._git.text("ls-tree", "-r", "-z", "--name-only", commit, f"{folder}/").split("\0")} - {""}


def mirror_of(url: str, home: Path) -> str:
    """Where the mirror of `url` lies under the toolbox's home."""
    return str(home / "mirrors" / hashlib.sha256(url.encode()).hexdigest()[:16])


def _change(line: str) -> tuple[Change, int]:
    commit, at, subject, author, committer, others = line.split("\0")
    people = dict.fromkeys([author, committer, *filter(None, others.split("\x1f"))])
    return Change(commit=commit, subject=subject.strip(), authors=tuple(people)), int(at)


def _settle(root: Path, at: int) -> None:
    """Refuse links that lead out, and give everything the commit's time, so that a build does not see ours."""
    inside = os.path.realpath(root)
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, name) for name in (*folders, *files)):
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
                raise UnsafeTreeError(
                    f"the link {path.relative_to(root)} leads out of the repository, to {path.readlink()}",
                    hint="commit the file itself, or a relative link to a file of the repository",
                )
            os.utime(path, (at, at), follow_symlinks=False)
