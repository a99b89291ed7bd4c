"""`backfills.yaml` of the product: what is filled in after an expand, row by row and tenant by tenant. It fills in
nothing.
"""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from stationmaster.domain.backfill_pace import LEAST, MOST, TARGET_MS, Throttle
from stationmaster.domain.backfill_sql import Assignment, assignments, condition, names_of
from stationmaster.domain.entries import canonical, digest
from stationmaster.domain.located import PlaceError


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Column = Annotated[str, Field(min_length=1)]
Columns = Annotated[tuple[Column, ...], BeforeValidator(_several)]
Condition = Annotated[str, Field(min_length=1), AfterValidator(condition)]
# What makes it another job: rows that were done by one are not done by the other.
_IDENTITY = ("table", "key", "tenant", "set", "function", "reads", "writes", "todo", "created_before")


class Batch(BaseModel):
    """How long one transaction is to take, and how many rows it may have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_ms: int = Field(
        default=TARGET_MS, ge=1, le=5000, description="What is tuned: milliseconds that a batch takes."
    )
    least: int = Field(default=LEAST, ge=1, description="Rows of a batch at least.")
    most: int = Field(default=MOST, ge=1, le=1_000_000, description="Rows of a batch at most.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.least > self.most:
            raise PlaceError(("least",), f"{self.least} is more than `most`, which is {self.most}")
        return self


class Backfill(BaseModel):
    """One of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200, description="By which it is paused, resumed and shown.")
    revision: str | None = Field(default=None, description="The revision that made room for it.")
    table: str = Field(description="TABLE or SCHEMA.TABLE, exactly as PostgreSQL has it.", examples=["orders"])
    key: Columns = Field(
        min_length=1,
        description="The column, or columns, by which rows are walked: NOT NULL, and unique together with the tenant.",
        examples=["id", ["year", "number"]],
    )
    tenant: Column | None = Field(default=None, description="The column that says whose row it is.")
    set: str | None = Field(
        default=None,
        description="What stands behind SET: `column = expression, …`.",
        examples=["total_minor = (total * 100)::bigint"],
    )
    function: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="A Python function of a batch instead of `set`, as package.module:name.",
    )
    reads: Columns = Field(default=(), description="The columns that the function gets.")
    writes: Columns = Field(default=(), description="The columns that it returns.")
    todo: Condition | None = Field(default=None, description="What is true of a row that is still to be done.")
    verify: Condition | None = Field(
        default=None,
        description="What is true of each row when it is done, as SQL; by default that each column equals its "
        "expression.",
    )
    created_before: Condition | None = Field(
        default=None,
        description="Which rows are old, where there is no `todo`: when a row was made, or SQL that says so.",
        examples=["created_at"],
    )
    batch: Batch = Batch()
    rows_per_second: float | None = Field(
        default=None, gt=0, description="No more than that, over all workers of a run."
    )
    throttle: Throttle | None = Field(default=None, description="When it stands still, and when it goes on.")

    @field_validator("table")
    @classmethod
    def _is_name(cls, value: str) -> str:
        names_of(value)
        return value

    @field_validator("set")
    @classmethod
    def _is_list(cls, value: str | None) -> str | None:
        if value is not None:
            assignments(value)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.set is None) == (self.function is None):
            raise PlaceError(("set" if self.set else "name",), "a backfill has either `set` or `function`")
        if self.function is None and (self.reads or self.writes):
            raise PlaceError(("reads" if self.reads else "writes",), "reads and writes are those of a `function`")
        if self.function is not None and not (self.reads and self.writes):
            raise PlaceError(("function",), "a function needs `reads` and `writes`: the columns it gets and returns")
        fixed = [column for column in self.changed if column in {*self.key, self.tenant}]
        if fixed:
            place = "set" if self.set else "writes"
            raise PlaceError((place,), f"changes {fixed[0]!r}, by which rows are walked")
        if self.todo is not None and self.created_before is not None:
            raise PlaceError(("created_before",), "is said where there is no `todo`, which says it by itself")
        if len(set(self.key)) < len(self.key) or self.tenant in self.key:
            raise PlaceError(("key",), "names a column twice, or the tenant's")
        return self

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """What `set` says; empty for a function."""
        return assignments(self.set) if self.set is not None else ()

    @property
    def changed(self) -> tuple[str, ...]:
        """The columns that get new values."""
        return tuple(one.column for one in self.assignments) or self.writes

    @property
    def digest(self) -> str:
        """The same for the same job: changes of pace and of `verify` do not make it another."""
        said = self.model_dump(mode="json", include=set(_IDENTITY))
        return digest(canonical(said))


class Backfills(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backfills: tuple[Backfill, ...] = ()

    def model_post_init(self, _context: Any) -> None:  # noqa: ANN401 - pydantic's
        names = [one.name for one in self.backfills]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"backfill {twice[0]!r} is given twice")
