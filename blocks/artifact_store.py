"""A content-addressed directory of built files. A file is found by its digest and by nothing else.

Bytes are streamed; the digest is verified at every read. A half-written file has no address and is never seen.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from pydantic import BaseModel, Field

from stationmaster.blocks import space
from stationmaster.blocks.durable import draft, settle
from stationmaster.domain.artifact import Artifact
from stationmaster.domain.errors import InputError, OutsideError

_CHUNK = 1 << 20
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class ArtifactMissingError(InputError):
    """The store has no file of that digest."""

    code = "artifact_missing"


class ArtifactCorruptError(OutsideError):
    """The stored bytes do not have the digest they are stored under."""

    code = "artifact_corrupt"


class DirectoryStore(BaseModel):
    """Artifacts in a directory, by digest."""

    root: str = Field(description="The directory; it is created.", examples=["/var/lib/stationmaster/artifacts"])

    def publish(self, source: Path) -> Artifact:
        """Store the bytes of `source`; storing the same bytes again changes nothing, and mends a damaged copy.

        Raises:
            InputError: `source` cannot be read.
            NoSpaceError: no room for it; the partial copy is removed.
        """
        with _opened(source) as file, self._writable(_size(file)) as root, draft(root) as copy:
            artifact = _copy(file, copy)
            address = self._address(artifact.digest)
            address.parent.mkdir(parents=True, exist_ok=True)
            settle(copy, address, 0o444)
        return artifact

    def keep(self, content: bytes) -> str:
        """Store bytes, as `publish` does a file; their digest."""
        with NamedTemporaryFile(prefix="kept-") as file:
            file.write(content)
            file.flush()
            return self.publish(Path(file.name)).digest

    def bytes_of(self, digest: str) -> bytes:
        """The bytes of that digest, verified now. Raises as `path`."""
        return self.path(digest).read_bytes()

    def beside(self, name: str) -> "DirectoryStore":
        """A store of its own in a folder of this one: what it holds is never taken for an artifact."""
        return DirectoryStore(root=str(Path(self.root) / name))

    def path(self, digest: str) -> Path:
        """The file of that digest, verified now.

        Raises:
            ArtifactMissingError: there is none.
            ArtifactCorruptError: its bytes have another digest.
        """
        address = self._address(digest)
        found = self._found(address, digest)
        if found != digest:
            raise ArtifactCorruptError(
                f"{address} has digest {found}, not {digest}: somebody changed it",
                hint="restore the file from a backup of the store; it is never deployed like this",
            )
        return address

    def _found(self, address: Path, digest: str) -> str:
        try:
            with address.open("rb") as file:
                return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        except FileNotFoundError:
            raise ArtifactMissingError(
                f"the artifact store {self.root} has no {digest}",
                hint="is this the store the release was built into? a new release builds its own",
            ) from None
        except OSError as error:
            raise OutsideError(
                f"the artifact {address} cannot be read: {error.strerror}", hint="check the store and its permissions"
            ) from error

    def _address(self, digest: str) -> Path:
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise ArtifactMissingError(f"{digest!r} is not a digest", hint="one is sha256: and 64 hexadecimal digits")
        return Path(self.root) / "sha256" / match[1][:2] / match[1]

    @contextmanager
    def _writable(self, needed: int) -> Iterator[Path]:
        root = Path(self.root)
        try:
            with space.naming("the artifact", root, needed):
                root.mkdir(parents=True, exist_ok=True)
                yield root
        except OSError as error:
            raise OutsideError(
                f"the artifact store {root} cannot be written: {error.strerror}",
                hint="check the artifact-store block's root and its permissions",
            ) from error


def _opened(source: Path) -> IO[bytes]:
    try:
        return source.open("rb")
    except OSError as error:
        raise InputError(f"the built file cannot be read: {error.strerror}", file=str(source)) from None


def _size(source: IO[bytes]) -> int:
    return os.fstat(source.fileno()).st_size


def _copy(source: IO[bytes], out: IO[bytes]) -> Artifact:
    sha, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        out.write(chunk)
        sha.update(chunk)
        size += len(chunk)
    return Artifact(digest=f"sha256:{sha.hexdigest()}", size=size)
