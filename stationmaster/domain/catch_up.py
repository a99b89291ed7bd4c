"""What a run of the flow `catch-up` is asked for. It is the flow's parameter form."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class CatchUpRequest(BaseModel):
    """Which merged pull requests were missed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: str = Field(
        title="The receiver's file", min_length=1,
        description="A path on the machine of the worker, for example /etc/stationmaster/receiver.yaml.",
        examples=["/etc/stationmaster/receiver.yaml"],
    )  # fmt: skip
    since: AwareDatetime | None = Field(
        default=None, title="Since",
        description="Ask from this instant on, for example 2026-11-20T00:00:00Z; where it was left when not given.",
        examples=["2026-11-20T00:00:00Z"],
    )  # fmt: skip
