"""`stationmaster.yaml`: what a product is and how it is released.

Pure values. Reading the file with line numbers is `domain/documents.py`; where things are and with which
credentials is said by blocks.
"""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stationmaster.domain.calendar import Calendar
from stationmaster.domain.duration import Seconds
from stationmaster.domain.homes import HOLE
from stationmaster.domain.hotfix import Hotfix
from stationmaster.domain.located import PlaceError
from stationmaster.domain.migration_copy import Rehearsal
from stationmaster.domain.milestones import Milestone
from stationmaster.domain.modes import MODES, Mode
from stationmaster.domain.policy import Policy, Rules
from stationmaster.domain.quarantine import Quarantined, plain
from stationmaster.domain.retention import Retention
from stationmaster.domain.scans import Scans
from stationmaster.domain.tenants import Id, Word
from stationmaster.domain.train import Train
from stationmaster.domain.ways_out import Restore

Command = Annotated[
    tuple[str, ...],
    Field(min_length=1, description="Program and arguments; no shell. {artifact} and {socket} are replaced."),
]


class Part(BaseModel):
    """A part of the file: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Build(Part):
    """How the artifact is built, from a clean export of the commit."""

    command: Command
    output: str = Field(description="The file the command leaves, relative to the export.", examples=["dist/app.pyz"])
    timeout: Seconds = 600


class Check(Part):
    """A check of the product that runs against the built artifact; it passes with exit code 0.

    The command runs in a clean export. Its environment has ARTIFACT, the path of the built file, PYTHONPATH, the
    same, and DATABASE_URL, an empty scratch database, when `database` is given.

    With `report` the check must leave one, and it passes when each failing test in it is in `quarantine`, the term of
    none of them has ended, and the exit code is 0, or 1 because of them. With `coverage` it must leave that too; what
    it says is recorded with each build and stops nothing.
    """

    name: Id
    command: Command
    timeout: Seconds = 600
    report: str | None = Field(
        default=None,
        description="The JUnit XML that the command leaves, relative to the export.",
        examples=["report.xml"],
    )
    coverage: str | None = Field(
        default=None,
        description="The Cobertura XML that the command leaves, relative to the export.",
        examples=["coverage.xml"],
    )
    quarantine: tuple[Quarantined, ...] = Field(
        default=(), description="Tests that run and are reported, but stop no release until their term ends."
    )

    @model_validator(mode="after")
    def _reports_lie_in_the_export(self) -> "Check":
        for key, place in (("report", self.report), ("coverage", self.coverage)):
            if place is not None and not _is_inside(place):
                raise ValueError(f"`{key}` must lie in the export, {place!r} does not")
        if self.report is not None and self.report == self.coverage:
            raise ValueError(f"`report` and `coverage` are the same file, {self.report!r}")
        return self

    @model_validator(mode="after")
    def _quarantine_can_be_judged(self) -> "Check":
        if self.quarantine and self.report is None:
            raise ValueError("`quarantine` needs `report`, the JUnit XML that says which tests failed")
        if self.quarantine and (early := sorted(_ENDS_EARLY & {word.partition("=")[0] for word in self.command})):
            raise ValueError(f"`quarantine` needs every test to run; take {early[0]} out of `command`")
        tests = [plain(one.test) for one in self.quarantine]
        if twice := [test for test in tests if tests.count(test) > 1]:
            raise ValueError(f"test {twice[0]!r} is quarantined twice")
        return self


# A runner that ends at the first failing test would hide those after it behind a quarantined one.
_ENDS_EARLY = frozenset({"--exitfirst", "--failfast", "--fail-fast", "--maxfail"})


def _is_inside(place: str) -> bool:
    path = PurePosixPath(place)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


class Modes(Part):
    """The modes in which a tenant's service can be, other than in full, and who answers in each.

    router: the deploy target's own proxy; the product knows nothing of it.
    """

    read_only: Literal["router"] | None = Field(
        default=None, description="GET, HEAD and OPTIONS are answered as ever, all else by 403 and `read_only`."
    )
    maintenance: Literal["router"] | None = Field(
        default=None, description="Everything is answered by 503 and `maintenance`, with Retry-After."
    )

    @property
    def declared(self) -> tuple[Mode, ...]:
        """What there is, the mildest first."""
        return tuple(mode for mode in MODES if getattr(self, mode))


class Service(Part):
    """How an instance of the product is run and asked."""

    command: Command = Field(description="Must serve HTTP on the unix socket {socket}, from the file {artifact}.")
    health: str = Field(default="/healthz", description="Answers 200 when the instance can serve.")
    version: str = Field(default="/version", description='Answers {"version", "digest"} of the file it runs.')
    strategy: Literal["tenant_by_tenant"] = "tenant_by_tenant"
    start_timeout: Seconds = 60
    modes: Modes = Field(
        default=Modes(), description="For schema changes that cannot be made online; none when it is not given."
    )


class Contract(Part):
    """When and by what that which old code needs is taken away from a database, after the release that brings it."""

    target: str = Field(default="contract@head", description="What `alembic upgrade` is given in contract.")
    min_age: Seconds = Field(default=604_800, description="How long the release must have been in use by everybody.")
    way_back: Literal["keep", "give_up"] = Field(
        default="keep",
        description="keep: wait until what every tenant would go back to works without it, too. give_up: the way back "
        "to the version before the release ends with the contract.",
    )
    application: str | None = Field(
        default=None,
        description="How the product names itself to PostgreSQL (application_name), with {version}; sessions are not "
        "asked without it.",
        examples=["orderdesk {version}"],
    )

    @model_validator(mode="after")
    def _names_the_version(self) -> "Contract":
        if self.application is not None and self.application.count("{version}") != 1:
            raise ValueError("`application` must have {version} once")
        return self


class Database(Part):
    """The product's database and its migrations."""

    tenancy: Literal["shared", "schema", "database"] = Field(
        default="shared",
        description="shared: cloud tenants share tables, and a dedicated tenant has a database of its own. schema: "
        "each tenant has a schema in the database of its instance. database: each has a database; the address of its "
        "instance in the database block has {tenant} in it.",
    )
    schema_name: str = Field(
        default=HOLE,
        pattern=r"^[A-Za-z0-9_-]*\{tenant\}[A-Za-z0-9_-]*$",
        description="How a tenant's schema is called, where each has one. {tenant} is its id, or what the tenant "
        "directory says in `database`.",
        examples=["tenant_{tenant}"],
    )
    with_schemas: tuple[Word, ...] = Field(
        default=(),
        description="Schemas behind each tenant's own in the search path, for extensions and types that all share.",
        examples=[["public"]],
    )
    parallel: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="How many tenants' own schemas or databases are expanded at a time."
    )
    migrations: str = Field(description="Alembic's script folder, relative to the export.")
    expand: str = Field(default="expand@head", description="What `alembic upgrade` is given in expand.")
    env: bool = Field(default=False, description="Import the folder's env.py, which revisions do without otherwise.")
    statement_limit: Annotated[Seconds, Field(gt=0)] = Field(
        default=5, description="How long a statement may take at least for which others wait."
    )
    timeout: Seconds = 300
    backfills: str = Field(default="backfills.yaml", description="The file of backfills, if the commit has one.")
    contract: Contract | None = Field(
        default=None, description="No release of the product takes anything away when it is not given."
    )
    restore: Restore | None = Field(
        default=None, description="What it takes to bring the database back from its backup; unknown when not given."
    )
    rehearsal: Rehearsal | None = Field(
        default=None, description="On what a schema change is rehearsed before stage gets it; not when not given."
    )

    @model_validator(mode="after")
    def _says_how_tenants_live(self) -> "Database":
        fields = type(self).model_fields
        given = {key for key in self.model_fields_set if getattr(self, key) != fields[key].default}
        needs = {"schema_name": "schema", "with_schemas": "schema"}
        for key, tenancy in needs.items():
            if key in given and self.tenancy != tenancy:
                raise PlaceError((key,), f"`{key}` is of `tenancy: {tenancy}`, and this product says {self.tenancy}")
        if "parallel" in given and self.tenancy == "shared":
            raise PlaceError(("parallel",), "tenants that share a database are expanded at once; leave `parallel` out")
        return self

    @model_validator(mode="after")
    def _a_dump_is_of_one_tenant(self) -> "Database":
        asked = self.rehearsal
        if asked is None or asked.dump is None or bool(asked.dump_schema) == (self.tenancy == "schema"):
            return self
        said = "say which tenant's schema the dump has" if self.tenancy == "schema" else "is of `tenancy: schema`"
        raise PlaceError(("rehearsal",), f"`dump_schema`: {said}")

    @property
    def home(self) -> str | None:
        """What names a tenant's own schema or database; None where tenants share one."""
        return {"shared": None, "schema": self.schema_name, "database": HOLE}[self.tenancy]


class Ring(Part):
    """One ring: its tenants form the next waves."""

    name: Id
    watch: Seconds = Field(default=300, description="How long a wave is watched before it may be widened.")
    soak: Seconds = Field(default=0, description="How long the ring after it waits once its last wave has ended.")


class Capacity(Part):
    """How much may be done at once; no limit where a key is not given."""

    per_wave: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Tenants in a wave.", examples=[50])
    per_day: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Tenants whose wave starts on one day, by the zone of `support.hours`, or UTC without.",
        examples=[200],
    )


class Expect(Part):
    """What an answer must be like."""

    status: int = 200
    json_: dict[str, Any] = Field(
        default_factory=dict, alias="json", description="Key (dots go deeper) to the value it must have."
    )
    within: Seconds = Field(default=5, description="The longest the answer may take.")


class Step(Part):
    """One request of a journey. {tenant}, {secret:NAME} and captured names are replaced in every text."""

    name: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] | None = None
    expect: Expect = Expect()
    capture: dict[str, str] = Field(default_factory=dict, description="Name to the key of the answer's JSON.")
    cleanup: bool = Field(default=False, description="Runs at the end also when an earlier step failed.")


class Journey(Part):
    """Ordered requests a customer's day depends on, run per tenant against the version just deployed."""

    name: Id
    steps: tuple[Step, ...] = Field(min_length=1)


class HardLimit(Part):
    """A plain threshold: roll back when more than `max_bad` of at least `min_count` requests are bad."""

    max_bad: float = Field(gt=0, lt=1, examples=[0.05])
    min_count: int = Field(ge=1, examples=[20])


class Support(Part):
    """What the support brief says beside the release itself, and when support is there."""

    channel: str = Field(default="releases", description="The Slack channel.")
    escalation: str = Field(default="", description="Whom support calls.")
    watch: str = Field(default="", description="What to look at in the first 24 hours.")
    hours: Calendar | None = Field(
        default=None, description="When somebody is there for customers: a wave lies in it from start to end."
    )


class Calendars(Part):
    """What closes for everybody, beside the tenants' own calendars: open only if all are open."""

    product: Calendar | None = Field(default=None, description="For every change of the product.")
    production: Calendar | None = Field(default=None, description="For what is changed in production.")
    stage: Calendar | None = Field(default=None, description="For what is changed in stage.")


class Product(Part):
    """The whole of `stationmaster.yaml`."""

    product: Id
    build: Build
    checks: tuple[Check, ...] = ()
    service: Service
    database: Database | None = None
    rings: tuple[Ring, ...] = Field(min_length=1)
    slot: Annotated[Seconds, Field(gt=0)] = Field(
        default=2700, description="How long a wave takes in the windows of its tenants."
    )
    gather: Seconds = Field(
        default=86_400, description="How long after its first slot a tenant may wait, so that more start together."
    )
    capacity: Capacity = Capacity()
    calendars: Calendars = Calendars()
    journeys: tuple[Journey, ...] = Field(min_length=1)
    hard_limits: dict[Literal["availability"], HardLimit] = Field(min_length=1)
    approvals: Policy
    scans: Scans = Scans()
    retention: Retention = Field(default=Retention(), description="How long evidence is kept at least, by kind.")
    require_ticket: bool = Field(
        default=False, description="Refuse a release to which no ticket is linked, by its start or a change fragment."
    )
    stage_tenant: Id = Field(default="stage-probe", description="The tenant that journeys use in stage.")
    changes: str = Field(default="changes", description="The folder of change fragments.")
    flags: str | None = Field(default=None, description="The flagd file that is published at deploy.")
    support: Support = Support()
    milestones: dict[Id, Milestone] = Field(default={}, description="What a contract calls a milestone, by name.")
    train: Train | None = Field(default=None, description="When release trains leave; none when it is not given.")
    hotfix: Hotfix = Field(default=Hotfix(), description="Which branches are hotfixes, and what a hotfix owes.")

    @property
    def rules(self) -> Rules:
        """Who must agree to its releases, as this commit would have it; what is in force is what was ratified."""
        return Rules(self.approvals, self.hotfix.approvals)

    @model_validator(mode="after")
    def _trains_are_no_hotfixes(self) -> "Product":
        if self.train and self.hotfix.version(self.train.branch):
            raise ValueError(f"train.branch {self.train.branch!r} is a hotfix branch")
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Product":
        for kind, names in (
            ("ring", [ring.name for ring in self.rings]),
            ("check", [check.name for check in self.checks]),
            ("journey", [journey.name for journey in self.journeys]),
        ):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{kind} {name!r} is given twice")
        return self
