"""What a person, a train or a webhook asks for when a release is started. It is the flow's parameter form."""

from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from stationmaster.domain.entries import FREEZE
from stationmaster.domain.tenants import Id

Kind = Literal["manual", "train", "hotfix"]
Scope = Literal["tenant", "instance", "release"]


class ReleaseRequest(BaseModel):
    """One release of one product."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id = Field(
        title="Release",
        description="Its name everywhere, for example orderdesk-1-2-0. The same name goes on where it stopped.",
        examples=["orderdesk-1-2-0"],
    )  # fmt: skip
    product: Id = Field(title="Product", description="The product's blocks carry this name.", examples=["orderdesk"])
    ref: str = Field(
        default="main", title="Branch, tag or commit", min_length=1,
        description="The release is cut from the commit that this names now, for example main or v1.2.0.",
        examples=["main", "v1.2.0"],
    )  # fmt: skip
    kind: Kind = Field(
        default="manual", title="Kind",
        description=(
            "manual: a person asks for it. hotfix: cut from a branch hotfix/VERSION of what runs, with approvals of "
            "its own; no gate is skipped. train: set by the flow of the train."
        ),
    )  # fmt: skip
    departs: AwareDatetime | None = Field(
        default=None, title="Not before",
        description="Production is not touched before this instant. A train sets its departure.",
        examples=["2026-11-24T09:00:00Z"],
    )  # fmt: skip
    starter: str = Field(
        title="Started by", min_length=1,
        description=(
            "Your id, e-mail address or handle. Who starts cannot approve. Prefect does not know who you are: a start "
            "from this form waits until you confirm it with `stationmaster release start RELEASE`."
        ),
        examples=["ana"],
    )  # fmt: skip

    def asked(self) -> dict[str, Any]:
        """What is asked for, as the ledger keeps it: plain data, without who asks."""
        return self.model_dump(mode="json", exclude={"id", "starter"}, exclude_none=True)

    @model_validator(mode="after")
    def _no_word_of_the_ledger(self) -> Self:
        if self.id == FREEZE:
            raise ValueError(f"{FREEZE!r} is a word of the ledger's own")
        return self


class TrainRequest(BaseModel):
    """The next release train of one product."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: Id = Field(title="Product", description="The product's blocks carry this name.", examples=["orderdesk"])


class RollbackRequest(BaseModel):
    """The way back of one release, for some of its tenants or all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: Id = Field(title="Release", description="Which release is taken back.", examples=["orderdesk-1-3-0"])
    product: Id = Field(title="Product", description="The product's blocks carry this name.", examples=["orderdesk"])
    scope: Scope = Field(
        default="instance", title="Scope",
        description=(
            "tenant: the named tenants. instance: they and all that share their instances. "
            "release: every tenant that has it and whose window is open."
        ),
    )  # fmt: skip
    tenants: tuple[Id, ...] = Field(
        default=(), title="Tenants", description="Who is affected. None are needed when the scope is the release.",
        examples=[["acme"]],
    )  # fmt: skip
    now: bool = Field(default=False, title="Now", description="Take tenants back whose window is closed, too.")
    reason: str = Field(title="Reason", min_length=1, description="Why; it stays in the ledger.")
    starter: str = Field(title="Asked for by", min_length=1, description="Your id, e-mail address or handle.")

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.scope != "release" and not self.tenants:
            raise ValueError("name the tenants that are affected, or choose the scope release")
        return self
