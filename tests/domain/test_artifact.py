import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stationmaster.domain.artifact import Artifact, Commit, Cut
from tests.shop import product

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(HEX, st.integers(0, 2**50))
def test_an_artifact_is_a_digest_and_a_size(digest: str, size: int) -> None:
    assert Artifact.model_validate_json(Artifact(digest=f"sha256:{digest}", size=size).model_dump_json()).size == size


@pytest.mark.parametrize(
    "digest", ["", 64 * "a", f"sha1:{40 * 'a'}", f"sha256:{64 * 'A'}", f"sha256:{63 * 'a'}", f"sha256:{64 * 'a'}\n"]
)
def test_what_is_no_digest_is_refused(digest: str) -> None:
    with pytest.raises(ValidationError):
        Artifact(digest=digest, size=1)


def test_values_cannot_be_changed_or_carry_more() -> None:
    artifact = Artifact(digest=f"sha256:{64 * 'a'}", size=1)
    with pytest.raises(ValidationError):
        artifact.size = 2  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Artifact.model_validate({**artifact.model_dump(), "name": "x"})
    with pytest.raises(ValidationError):
        Artifact(digest=artifact.digest, size=-1)


def test_a_cut_survives_its_way_through_json() -> None:
    commit = Commit(commit=40 * "c", subject="s", authors=("Ana <ana@shop.example>",), version="2.0.0", at=1)
    cut = Cut(release="r2", product=product(), commit=commit, previous=(), changes=(), fragments=("changes/a.md",))
    assert Cut.model_validate_json(cut.model_dump_json(by_alias=True)) == cut
