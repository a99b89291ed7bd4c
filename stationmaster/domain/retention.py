"""`retention:` of `stationmaster.yaml`: for how long each kind of evidence is kept at least. It is a promise that is
ratified with the policy and shown to auditors; it deletes nothing.
"""

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_TERM = r"[1-9]\d{0,2}y|[1-9]\d{0,4}d"
_UNITS = {"y": "year", "d": "day"}


def _term(value: object) -> object:
    if not isinstance(value, str) or re.fullmatch(_TERM, value.strip()) is None:
        raise ValueError(f"{value!r} is not a term; write 7y or 400d")
    return value.strip()


Term = Annotated[str, BeforeValidator(_term, json_schema_input_type=str), Field(pattern=f"^({_TERM})$")]


class Retention(BaseModel):
    """How long evidence is kept at least, in years (`7y`) or days (`400d`). Nothing is deleted when it is over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attestations: Term = Field(default="7y", description="Attestations, approvals and their envelopes, the bundle.")
    reports: Term = Field(default="7y", description="What tests and checks report.")
    scans: Term = Field(default="7y", description="What scans found, and the list of what the artifact is made of.")
    logs: Term = Field(default="1y", description="What build, tests, migrations and deployments wrote.")
    personal: Term = Field(default="3y", description="Who did it: the part of the ledger that may be erased.")


def kept(retention: Retention | None) -> list[str]:
    """How long evidence is kept by the policy in force, for people: a line a kind."""
    if retention is None:
        return ["no policy that is in force says how long"]
    return [f"{kind}: at least {_spelt(term)}" for kind, term in retention.model_dump().items()]


def _spelt(term: str) -> str:
    return f"{term[:-1]} {_UNITS[term[-1]]}{'' if term[:-1] == '1' else 's'}"
