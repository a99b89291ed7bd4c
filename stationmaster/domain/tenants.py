"""A tenant as the directory knows it, and the order in which rings and instances take tenants.

When it may be touched is said by its `calendar` (`calendar.py`); without one it is closed.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from stationmaster.domain.calendar import Calendar
from stationmaster.domain.calendar_fields import Days
from stationmaster.domain.duration import Seconds

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Lower case, digits and hyphens.")]


Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$", description="Letters, digits, _ and -.")]

SHARED = "cloud"  # the instance that all cloud tenants share
STAGE = "stage"  # the instance of the stage environment


def _calendar(given: object) -> object:
    """A mapping is a calendar and a text the name of one, so that what is wrong is told of that alone."""
    if isinstance(given, dict):
        return Calendar.model_validate(given)
    if given is not None and not isinstance(given, str | Calendar):
        raise ValueError("must be the name of a calendar file, or a calendar: a mapping of keys to values")
    return given


class Consent(BaseModel):
    """That a tenant's own people agree to each release before it comes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    required: Literal[True] = True
    contacts: tuple[str, ...] = Field(
        min_length=1, description="Who may agree for the tenant, by e-mail address.", examples=[["it@acme.example"]]
    )
    within: Annotated[Seconds, Field(gt=0)] = Field(
        default=604_800, description="How long they have from the moment they were asked."
    )
    default: Literal["skip", "go"] = Field(
        default="skip", description="What counts when they said nothing in that time: skip leaves the tenant out."
    )


class Tenant(BaseModel):
    """One customer of the product."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id
    name: str = Field(description="As the customer writes it.", examples=["Acme GmbH"])
    ring: Id = Field(description="The ring of stationmaster.yaml in which the tenant receives releases.")
    plan: str = "standard"
    hosting: Literal["cloud", "dedicated"] = Field(
        default="cloud", description="cloud tenants share one instance; a dedicated tenant has its own."
    )
    timezone: str = Field(default="UTC", description="IANA zone.", examples=["Europe/Berlin"])
    calendar: Annotated[Calendar | str | None, BeforeValidator(_calendar)] = Field(
        default=None,
        description="When the tenant may be touched: a calendar file beside the directory, or a calendar. Closed "
        "without one.",
        examples=["calendars/acme.yaml"],
    )
    notice_days: Days = Field(
        default=0, ge=0, le=400, description="Whole local days that must lie between a notice and a change."
    )
    sites: tuple[Id, ...] = ()
    contacts: dict[str, str] = Field(default_factory=dict)
    pinned: str | None = Field(default=None, description="A version the tenant stays on.")
    max_lag: int | None = Field(
        default=None, ge=0, description="How many versions it may be behind others while it is pinned; said when it is."
    )
    tags: tuple[str, ...] = ()
    database: Word | None = Field(
        default=None,
        description="What its own schema or database is called by, where `database.tenancy` of the product gives it "
        "one; its id when not given.",
        examples=["acme_gmbh"],
    )
    approval: Consent | None = Field(default=None, description="What the tenant's contract asks for before a release.")

    @property
    def instance(self) -> str:
        """The instance that serves the tenant: its own, or the one all cloud tenants share."""
        return self.id if self.hosting == "dedicated" else SHARED


class Directory(BaseModel):
    """The tenant directory, as a YAML file holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenants: tuple[Tenant, ...] = Field(min_length=1)
