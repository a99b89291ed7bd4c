"""What is built once and carried everywhere: the commit it comes from, the changes aboard, the file and its digest."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Id

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Value):
    """One commit aboard a release."""

    commit: str
    subject: str
    authors: tuple[str, ...] = Field(description="Author, committer and co-authors, as `Name <address>`.")


class Commit(Change):
    """The commit a release is cut from."""

    version: str = Field(description="The version its nearest tag gives it.", examples=["1.2.0", "1.2.0-3-g1a2b3c4"])
    at: int = Field(description="Commit time, seconds since the epoch; builds see it as SOURCE_DATE_EPOCH.")


class Cut(_Value):
    """A release that knows what it carries."""

    release: Id
    product: Product
    commit: Commit
    previous: tuple[str, ...] = Field(description="Commits that run in production now.")
    changes: tuple[Change, ...]
    fragments: tuple[str, ...] = Field(description="Change fragments that came with them, as paths.")


class Artifact(_Value):
    """One built file, known by its digest."""

    digest: Digest
    size: int = Field(ge=0, description="Bytes.")
