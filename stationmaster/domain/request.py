"""What a person, a train or a webhook asks for when a release is started. It is the flow's parameter form."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from stationmaster.domain.entries import WORDS
from stationmaster.domain.tenants import Id
from stationmaster.domain.ticket import must_be_ticket

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
    ticket: Annotated[str, AfterValidator(must_be_ticket)] | None = Field(
        default=None, title="Ticket",
        description="The request in your ticket system that asks for this release, beside those of its changes.",
        examples=["CHG-4711"],
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
            "from this form waits until you confirm it: `stationmaster release start RELEASE`, or any way to approve."
        ),
        examples=["ana"],
    )  # fmt: skip

    def asked(self) -> dict[str, Any]:
        """What is asked for, as the ledger keeps it: plain data, without who asks."""
        return self.model_dump(mode="json", exclude={"id", "starter"}, exclude_none=True)

    @model_validator(mode="after")
    def _no_word_of_the_ledger(self) -> Self:
        if self.id in WORDS:
            raise ValueError(f"{self.id!r} is a word of the ledger's own")
        return self


class TrainRequest(BaseModel):
    """The next release train of one product."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: Id = Field(title="Product", description="The product's blocks carry this name.", examples=["orderdesk"])


class ApprovalRequest(BaseModel):
    """An approval that somebody signed elsewhere, or that they want a release."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: Id = Field(title="Release", description="What is approved or wanted.", examples=["orderdesk-1-3-0"])
    product: Id = Field(title="Product", description="The product's blocks carry this name.", examples=["orderdesk"])
    code: str = Field(
        title="Code", min_length=1, max_length=20_000,
        description=(
            "What `stationmaster approve RELEASE --key FILE --print` printed, all of it; line breaks do not matter. "
            "With --confirm it says that you want a release that was started from this UI."
        ),
        examples=["stm1.eyJwYXlsb2FkIjoi….1f2e3d4c"],
    )  # fmt: skip


class ContractRequest(BaseModel):
    """The contract of one release: what code before it needs is taken away from the databases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: Id = Field(
        title="Release", description="Which release brings the contract; it must be over.", examples=["orderdesk-1-4-0"]
    )
    product: Id = Field(title="Product", description="The product's blocks carry this name.", examples=["orderdesk"])
    starter: str = Field(
        title="Asked for by", min_length=1,
        description="Your id, e-mail address or handle. Who asks for it cannot approve it.", examples=["ana"],
    )  # fmt: skip


class BackfillRequest(BaseModel):
    """The backfills of one release: rows of those who have it are filled in, tenant by tenant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: Id = Field(
        title="Release", description="Which release declares the backfills; only who has it is touched.",
        examples=["orderdesk-1-2-0"],
    )  # fmt: skip
    product: Id = Field(title="Product", description="The product's blocks carry this name.", examples=["orderdesk"])
    workers: int = Field(
        default=1, title="Workers", ge=1, le=32,
        description=(
            "How many flow runs fill in at once, this one included; the others are submitted to the work pool. No two "
            "work on one tenant."
        ),
    )  # fmt: skip
    starter: str = Field(
        title="Asked for by", min_length=1, description="Your id, e-mail address or handle.", examples=["ana"]
    )


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
