"""`database.rehearsal:` of `stationmaster.yaml`: of what the copy is made on which a schema change is rehearsed."""

from pathlib import PurePosixPath
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stationmaster.domain.duration import Seconds
from stationmaster.domain.tenants import Word

Count = Annotated[int, Field(ge=1)]
Words = Annotated[tuple[str, ...], Field(min_length=1)]


class Rehearsal(BaseModel):
    """Rows to make or a dump to restore: a copy as large as production, with nobody's data in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: dict[str, Count] = Field(
        default={},
        description="How many rows each table has in production; that of its largest tenant where each has its own.",
        examples=[{"orders": 2000000}],
    )
    columns: dict[str, str] = Field(
        default={},
        description="What a column gets where its type, keys and checks do not say it: SQL over the row's number i.",
        examples=[{"orders.status": "(ARRAY['open','paid'])[1 + i % 2]"}],
    )
    dump: str | None = Field(
        default=None,
        description="A dump to restore instead, on the worker's machine.",
        examples=["/srv/dumps/shop.dump"],
    )
    dump_schema: Word | None = Field(
        default=None,
        description="The schema of the tenant in the dump, the largest of them, where each has one.",
        examples=["tenant_acme"],
    )
    anonymised: bool = Field(default=False, description="The dump has nobody's data in it. It is recorded.")
    scrub: str | None = Field(
        default=None, description="SQL of the export that takes everybody out of the dump.", examples=["ops/scrub.sql"]
    )
    max_age: Seconds = Field(default=35 * 86_400, description="A dump that was taken longer ago is refused.")
    smoke: tuple[Words, ...] = Field(
        default=(), description="Commands of the export that must pass on the new schema, DATABASE_URL."
    )
    journeys: bool = Field(
        default=True,
        description="Whether each version that runs on the database, or comes to it, must pass its journeys on the "
        "copy too, and each that somebody may go back to is tried there.",
    )
    timeout: Seconds = Field(default=3600, description="How long each part of it may take.")

    @model_validator(mode="after")
    def _says_what_is_copied(self) -> Self:
        if bool(self.rows) == (self.dump is not None):
            raise ValueError(
                "give `rows` or `dump`, and not both: a change is rehearsed on a copy of production's size"
            )
        if self.columns and not self.rows:
            raise ValueError("`columns` are of `rows`; a dump brings its values itself")
        if wrong := [place for place in self.columns if not all(place.rpartition(".")[::2])]:
            raise ValueError(f"`columns`: {wrong[0]!r} is not TABLE.COLUMN")
        return self

    @model_validator(mode="after")
    def _a_schema_is_of_a_dump(self) -> Self:
        if self.dump is None and self.dump_schema:
            raise ValueError("`dump_schema` is of `dump`; rows that are made are in the copy's own schema")
        return self

    @model_validator(mode="after")
    def _nobody_is_in_it(self) -> Self:
        if self.dump is None and (self.anonymised or self.scrub):
            raise ValueError("`anonymised` and `scrub` are of `dump`; rows that are made are nobody's")
        if self.dump is not None and not self.anonymised and self.scrub is None:
            raise ValueError(
                "a dump of production is never rehearsed on as it is: `anonymised: true`, or `scrub`, the script that "
                "takes everybody out"
            )
        if self.scrub is not None and (PurePosixPath(self.scrub).is_absolute() or ".." in self.scrub.split("/")):
            raise ValueError(f"`scrub` must lie in the export, {self.scrub!r} does not")
        return self
