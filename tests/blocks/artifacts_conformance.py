"""What every artifact store must do. A test class inherits and gives `store`."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.artifact_store import ArtifactMissingError


def built(folder: Path, content: bytes) -> Path:
    path = folder / "app.pyz"
    path.write_bytes(content)
    return path


class ArtifactStoreConformance:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Any:
        raise NotImplementedError

    @pytest.mark.parametrize("content", [b"", b"x", b"chunk" * 700_000], ids=["empty", "one byte", "3.5 MB"])
    def test_what_was_published_is_found_by_its_digest(self, store: Any, tmp_path: Path, content: bytes) -> None:
        artifact = store.publish(built(tmp_path, content))
        assert artifact.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert artifact.size == len(content)
        assert store.path(artifact.digest).read_bytes() == content

    def test_the_same_bytes_have_one_address(self, store: Any, tmp_path: Path) -> None:
        first = store.publish(built(tmp_path, b"same"))
        before = store.path(first.digest)
        assert store.publish(built(tmp_path, b"same")) == first
        assert store.path(first.digest) == before

    def test_another_artifact_changes_nothing(self, store: Any, tmp_path: Path) -> None:
        one, other = (store.publish(built(tmp_path, content)) for content in (b"one", b"other"))
        assert store.path(one.digest).read_bytes() == b"one"
        assert store.path(other.digest).read_bytes() == b"other"

    @pytest.mark.parametrize("digest", [f"sha256:{'0' * 64}", "sha256:../../../etc/passwd", "", "0" * 64])
    def test_what_is_not_there_is_missing(self, store: Any, digest: str) -> None:
        with pytest.raises(ArtifactMissingError):
            store.path(digest)
