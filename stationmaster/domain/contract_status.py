"""How far the contract of a release is, read from its entries. It decides nothing."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.contract import Condition
from stationmaster.domain.entries import Entry
from stationmaster.domain.tenants import STAGE

# What may end the wait of a contract, whatever release or tenant it is about.
ENDS_WAIT = frozenset(
    {"approval", "released", "restored", "contained", "aborted", "deployed", "adopted", "rolled_back", "thawed",
     "lifted", "contract"}
)  # fmt: skip


class ContractStatus(BaseModel):
    """`contract` of `release contract ID --status --json`. `conditions` are those of the last look that had to wait."""

    model_config = ConfigDict(frozen=True)

    over: bool
    waiting_for: str | None
    until: str | None
    message: str | None
    hint: str | None
    databases: dict[str, str] = Field(description="Each database that was touched: contracting or contracted.")
    conditions: tuple[Condition, ...] = ()


def contract_status(entries: Sequence[Entry]) -> ContractStatus | None:
    """None when nobody wants one. `entries` are all of the release, in order."""
    wanted = next((number for number, entry in enumerate(entries) if entry.step == "contract"), None)
    if wanted is None:
        return None
    since = entries[wanted:]
    last = {entry.subject: entry for entry in since if entry.step in {"contracting", "contracted", "contract_stopped"}}
    over = any(entry.step == "contract_over" for entry in since)
    stopped = next((e for e in reversed(since) if e.step in {"waiting", "failed", "contracted", "contracting"}), None)
    said: dict[str, Any] = stopped.fact if stopped and stopped.step in {"waiting", "failed"} and not over else {}
    return ContractStatus(
        over=over,
        waiting_for=said.get("for"),
        until=said.get("until"),
        message=said.get("message"),
        hint=said.get("hint"),
        databases={
            name: entry.step
            for name, entry in sorted(last.items())
            if name != STAGE and entry.step != "contract_stopped"
        },
        conditions=tuple(Condition.model_validate(one) for one in said.get("contract", ())),
    )
