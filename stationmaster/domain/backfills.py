"""`backfills.yaml` of the product: what is filled in after an expand, as far as a contract has to know it. It fills in
nothing.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Backfill(BaseModel):
    """One of them. What else it says is for whoever carries it out."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = Field(min_length=1)
    revision: str = Field(description="The revision that made room for it.")
    table: str
    verify: str | None = Field(default=None, description="What is true of each row when it is done, as SQL.")


class Backfills(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backfills: tuple[Backfill, ...] = ()

    def model_post_init(self, _context: Any) -> None:  # noqa: ANN401 - pydantic's
        names = [one.name for one in self.backfills]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"backfill {twice[0]!r} is given twice")
