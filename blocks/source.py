"""The product's source repository: which commit a name means, what changed since another, a clean export.

Works on a mirror of its own, so that nobody's working tree is read or written. It runs no code of the product.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, Field

from stationmaster.blocks import space
from stationmaster.blocks.git import Git, SourceUnreachableError, shown
from stationmaster.blocks.mirror import fetch
from stationmaster.domain.artifact import Change, Commit
from stationmaster.domain.authors import co_authors
from stationmaster.domain.boarding import Merged, taken_back
from stationmaster.domain.errors import InputError, nearest

_OUTSIDE = (OSError, SourceUnreachableError, space.NoSpaceError)
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MERGED = "--format=%x00%H%n%ct%n%P%n%B"
_NUMBER = re.compile(r"\AMerge pull request #(\d+)\b|\A.*\(#(\d+)\)$|^See merge request \S*!(\d+)$", re.MULTILINE)
_REVERTERS = "--format=%x00%H%n%B"
_REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{40,64})\b", re.MULTILINE)
_SECTION = re.compile(rb"^diff --git ", re.MULTILINE)  # a line of content begins with a sign
_HUNK = re.compile(rb"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_PATCH = ("--patch", "--text", "--unified=0", "--no-ext-diff", "--no-textconv")
_COMPARED = 1 << 20  # bytes of a file; what is larger nobody looks through, and its patch could fill the memory
_EMPTY_TREES = {  # by the length of the repository's ids
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_LOG, _FIELDS = "--format=%H%x00%ct%x00%s%x00%an <%ae>%x00%cn <%ce>%x00%B%x00", 6


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
        change, at = next(_changes(self._git.text("log", "-1", _LOG, commit)))
        return Commit(**change.model_dump(), version=self._version(commit), at=at)

    def changes(self, since: tuple[str, ...], until: str) -> tuple[Change, ...]:
        """What is in `until` and in none of `since`, oldest first.

        Raises:
            UnknownRefError: one of `since` is in no branch or tag any more, so that nobody can tell.
        """
        self._must_have(since)
        listed = self._git.text("log", "--reverse", "--date-order", _LOG, until, *(f"^{one}" for one in since))
        return tuple(change for change, _ in _changes(listed))

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

    def beside(self, merge: str, head: str) -> tuple[str, ...]:
        """Commits that came with a merge, itself aside, and are not in `head`; all of them when nobody has `head`."""
        known = (f"^{head}",) if _ID.fullmatch(head) and self._commit(head) else ()
        came = self._git.text("rev-list", merge, f"^{merge}^1", *known).split()
        return tuple(one for one in came if one != merge)

    def is_plain_merge(self, merge: str) -> bool:
        """Whether a merge of two says nothing of its own: git makes the same files of its parents by itself. No when
        git cannot say.
        """
        parents = self._git.text("rev-list", "--parents", "-n1", merge).split()[1:]
        if len(parents) != len(("first", "second")):
            return False
        made = self._git.bytes("merge-tree", "--write-tree", *parents)
        tree = self._git.bytes("rev-parse", f"{merge}^{{tree}}")
        return made is not None and made.split() == (tree or b"").split()

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

    def additions(self, since: tuple[str, ...], until: str) -> dict[str, frozenset[int]]:
        """Lines of the files at `until` that were in none of `since`, as numbers from 1 by path; with no `since`, every
        line. A file that git takes for binary has lines too, between its line feeds. One above 1 MiB is not compared:
        its first line stands for it. `since` as for `changes`.

        Raises:
            UnknownRefError: as `changes`.
        """
        self._must_have(since)
        found = [self._additions(one, until) for one in since or (_EMPTY_TREES[len(until)],)]
        every = {path: frozenset.intersection(*(one.get(path, frozenset()) for one in found)) for path in found[0]}
        return {path: lines for path, lines in every.items() if lines}

    def _additions(self, one: str, other: str) -> dict[str, frozenset[int]]:
        """By plumbing, which no setting of a person's changes, and no `.gitattributes` of the product's."""
        asked = ("diff-tree", "-r", "-z", "--no-renames", "--diff-filter=AMT", one, other)
        plain = {"GIT_ATTR_SOURCE": _EMPTY_TREES[len(other)], "GIT_INDEX_FILE": f"{self.mirror}/no-index"}
        rows = os.fsdecode(self._git.content(*asked, "--name-status")).split("\0")[:-1]
        sizes = self._sizes(other)
        large = {path for path in rows[1::2] if sizes.get(path, 0) > _COMPARED}
        kinds = [(kind, path) for kind, path in zip(rows[::2], rows[1::2], strict=True) if path not in large]
        paths = [path for kind, path in kinds for _ in range(1 + (kind == "T"))]
        but = (f":(exclude,literal){path}" for path in sorted(large))
        patch = self._git.content(*asked, *_PATCH, "--", *but, **plain)
        found: dict[str, set[int]] = {path: {1} for path in large}
        for path, section in zip(paths, _SECTION.split(patch)[1:], strict=True):
            for start, count in _HUNK.findall(section):
                found.setdefault(path, set()).update(range(int(start), int(start) + int(count or 1)))
        return {path: frozenset(lines) for path, lines in found.items()}

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

    def fingerprint(self, commit: str, path: str) -> str | None:
        """The digest over names, modes and contents of a file, or of all below a folder; None when there are none."""
        rows = sorted(row for row in self._tree(commit, path) if row)
        sha = hashlib.sha256()
        for row in rows:
            told, _, name = row.partition("\t")
            mode, kind, blob = told.split()
            content = self._git.content("cat-file", "blob", blob) if kind == "blob" else blob.encode()
            sha.update(f"{mode} {len(name.encode())} {name} {len(content)} ".encode() + content)
        return f"sha256:{sha.hexdigest()}" if rows else None

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
        rows = self._tree(commit, path)
        found = next((row.split() for row in rows if row.partition("\t")[2] == path), None)
        return found[2] if found and found[1] == "blob" else None

    def _tree(self, commit: str, path: str) -> list[str]:
        """Mode, kind, id and name of a file, or of each file below a folder."""
        return self._git.text("ls-tree", "-r", "-z", commit, "--", path, GIT_LITERAL_PATHSPECS="1").split("\0")

    def _size(self, commit: str) -> int:
        """Bytes of all files of a commit; 0 when git cannot tell."""
        try:
            return sum(self._sizes(commit).values())
        except _OUTSIDE:
            return 0

    def _sizes(self, commit: str) -> dict[str, int]:
        """Bytes of each file of a commit, by its path."""
        listed = os.fsdecode(self._git.content("ls-tree", "-r", "-l", "-z", commit)).split("\0")
        told = ((path, row.rpartition(" ")[2]) for row, _, path in (one.partition("\t") for one in listed))
        return {path: int(size) for path, size in told if size.isdecimal()}

    def _files(self, commit: str, folder: str) -> set[str]:
        return {*self._git.text("ls-tree", "-r", "-z", "--name-only", commit, f"{folder}/").split("\0")} - {""}


def mirror_of(url: str, home: Path) -> str:
    """Where the mirror of `url` lies under the toolbox's home."""
    return str(home / "mirrors" / hashlib.sha256(url.encode()).hexdigest()[:16])


def _changes(listed: str) -> Iterator[tuple[Change, int]]:
    """What was printed as `_LOG`, with the commit's time. No part of a commit holds the sign that ends a part."""
    parts = listed.split("\0")
    for first in range(0, len(parts) - 1, _FIELDS):
        commit, at, subject, author, committer, message = parts[first : first + _FIELDS]
        others = (f"{name} <{address}>" for name, address in co_authors(message))
        people = tuple(dict.fromkeys([author, committer, *others]))
        yield Change(commit=commit.strip(), subject=subject.strip(), authors=people), int(at)


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
