"""What the sandbox's traffic asks: how often each tenant, which calls, and what answer is expected."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.deployments.sandbox.orderdesk import TRAFFIC


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Call(_Part):
    """One request. `{id}` in a path is what the tenant's latest answer to a call with `keep` had under that key."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str
    body: dict[str, Any] | None = None
    expect: tuple[int, ...] = Field(default=(200,), description="Any other status is a failure.")
    keep: str | None = None


class TrafficPlan(_Part):
    """The whole of a plan file."""

    tenants: dict[str, Annotated[float, Field(gt=0)]] = Field(min_length=1, description="Requests a second of each.")
    login: Call = Field(description="A tenant's first request; the key `token` of its answer is the bearer token.")
    reads: tuple[Call, ...] = Field(min_length=1)
    writes: tuple[Call, ...] = Field(min_length=1, description="Sent with an Idempotency-Key of their own.")
    write_share: float = Field(default=0.3, ge=0, le=1)
    arrivals: Literal["poisson", "even"] = "poisson"
    timeout: float = Field(default=10, gt=0, description="Seconds after which no answer is a failure.")
    in_flight: int = Field(default=500, ge=1, description="Requests at once; one more is a failure, it is not queued.")
    seed: int = 1

    @classmethod
    def load(cls, path: Path) -> "TrafficPlan":
        return cls.model_validate_json(path.read_text(encoding="utf-8"))


def traffic_plan(password: str) -> dict[str, Any]:
    """The plan for Orderdesk: every tenant at its rate, 30 % orders placed, the rest listed and read."""
    bolts = {"sku": "BOLT-M8", "quantity": 3, "unit_price": "2.50"}
    nuts = {"sku": "NUT-M8", "quantity": 12, "unit_price": "0.99"}
    orders = [{"currency": "EUR", "reference": "traffic", "lines": lines} for lines in ([bolts], [nuts], [bolts, nuts])]
    plan = TrafficPlan(
        tenants=TRAFFIC,
        login=Call(method="POST", path="/login", body={"user": "probe", "password": password}),
        writes=tuple(Call(method="POST", path="/orders", body=order, expect=(201,), keep="id") for order in orders),
        reads=(Call(path="/orders?limit=5"), Call(path="/orders/{id}"), Call(path="/integrations/erp/ping")),
    )
    return plan.model_dump(mode="json")
