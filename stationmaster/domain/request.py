"""What a person, a train or a webhook asks for when a release is started. It is the flow's parameter form."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.tenants import Id


class ReleaseRequest(BaseModel):
    """One release of one product."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id = Field(
        title="Release", description="Its name everywhere. The same name goes on where it stopped.",
        examples=["orderdesk-1-2-0"],
    )  # fmt: skip
    product: Id = Field(title="Product", description="The product's blocks carry this name.", examples=["orderdesk"])
    ref: str = Field(
        default="main", title="Branch, tag or commit", min_length=1,
        description="The release is cut from the commit that this names now.", examples=["main", "v1.2.0"],
    )  # fmt: skip
    kind: Literal["manual"] = Field(default="manual", title="Kind", description="Who or what asks for the release.")
    starter: str = Field(
        title="Started by", min_length=1, description="Your id, e-mail address or handle. Who starts cannot approve.",
        examples=["ana"],
    )  # fmt: skip
