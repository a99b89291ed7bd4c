"""Tells the Prefect server what there is: the work pool, the flows of `prefect.yaml`, the blocks. Safe to repeat."""

import contextlib
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import DeploymentSchedule, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, RRuleSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel
from ruamel.yaml import YAML

from stationmaster.blocks.chat import SlackChat
from stationmaster.blocks.collection import BLOCKS
from stationmaster.blocks.toolbox import KINDS, block_type, remember
from stationmaster.deployments.alerts import SHARED, alert, tag_of
from stationmaster.domain.train import Train, prefect_rrule

TRAIN = "stationmaster.flows.train.train"
CATCH_UP = "stationmaster.flows.catch_up.catch_up"
MERGE_BACK = "stationmaster.flows.merge_back.merge_back_check"
DRIFT = "stationmaster.flows.drift.drift"
SLUG = "stationmaster"  # of the schedule that is ours, among those that people made
_UNDER_WAY = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
AT_ONCE = 10  # flow runs at a time of a new work pool; what waits holds no place


def register() -> list[str]:
    """The block types, the work pool and every deployment of `prefect.yaml`, whose names are returned. What was
    scheduled there stays, and so do the values that a run has when nobody gives others.
    """
    for block in BLOCKS.values():
        block.register_type_and_schema()
    return [_deploy(row, **_kept(row)) for row in _table()]


def register_tools(product: str, tools: dict[str, BaseModel]) -> None:
    """One block per tool under the product's name, the copies that work without the server, alerts in its channel."""
    for kind, tool in tools.items():
        block = block_type(kind, tool)
        fields = {name: getattr(tool, name) for name in KINDS[block].model_fields}
        BLOCKS[block](**fields).save(product, overwrite=True)
        remember(kind, product, tool)
    chat = tools["chat"]
    assert isinstance(chat, SlackChat)  # noqa: S101 - as TOOLS says
    alert(product, chat)


def schedule_train(product: str, train: Train | None) -> str | None:
    """The deployment that runs the product's trains, with the schedule of `train`; None when there is neither. What
    people scheduled there themselves stays, and so does the schedule's pause.

    A run is due at each departure and waits for the next train's cut-off. The first is created here.
    """
    if train is None and _known(f"train/{product}") is None:
        return None
    rule = RRuleSchedule(rrule=prefect_rrule(train), timezone=train.zone) if train else None
    name, active = _schedule(product, TRAIN, rule, {"product": product})
    if train and active:
        _begin(name)
    return name


def schedule_merge_backs(product: str) -> str:
    """The deployment that asks each morning whether the product's hotfixes are merged back. As `schedule_train`."""
    return _schedule(product, MERGE_BACK, CronSchedule(cron="0 7 * * *", timezone="UTC"), {"product": product})[0]


def schedule_drift(product: str) -> str:
    """The deployment that compares each hour what runs with what was approved. As `schedule_train`."""
    return _schedule(product, DRIFT, CronSchedule(cron="17 * * * *", timezone="UTC"), {"product": product})[0]


def schedule_catch_up(config: str) -> str:
    """The deployment that asks every 15 minutes what no webhook told to the hooks of a receiver's file, which is named
    by its absolute path. As `schedule_train`; another file takes the place of this one.
    """
    rule = CronSchedule(cron="*/15 * * * *", timezone="UTC")
    return _schedule("stationmaster", CATCH_UP, rule, {"config": config})[0]


def _schedule(
    name: str, entrypoint: str, rule: RRuleSchedule | CronSchedule | None, request: dict[str, str]
) -> tuple[str, bool]:
    """The deployment of that name of a flow, with our schedule beside those that people made, and whether ours runs:
    people may have paused it.
    """
    row = next(row for row in _table() if row["entrypoint"] == entrypoint)
    known = _deployed(row, name)
    there = known.schedules if known else []
    active = all(one.active for one in there if one.slug == SLUG)
    ours = [DeploymentScheduleCreate(schedule=rule, active=active, slug=SLUG)] if rule else []
    others = [_again(one) for one in there if one.slug != SLUG]
    if product := request.get("product"):
        row = {**row, "tags": [*(tag for tag in row["tags"] if tag != SHARED), tag_of(product)]}
    return _deploy(row, name, parameters={"request": request}, schedules=others + ours), active


def _kept(row: dict[str, Any]) -> dict[str, Any]:
    """What Prefect would forget of the row's deployment when it is registered anew."""
    known = _deployed(row, row["name"])
    if known is None:
        return {}
    return {"schedules": [_again(one) for one in known.schedules], "parameters": known.parameters}


def _deployed(row: dict[str, Any], name: str) -> DeploymentResponse | None:
    """The deployment of a row's flow as the server has it."""
    return _known(f"{load_flow_from_entrypoint(row['entrypoint']).name}/{name}")


def _known(name: str) -> DeploymentResponse | None:
    with get_client(sync_client=True) as client:
        return _deployment(client, name)


def _deployment(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None


def _again(schedule: DeploymentSchedule) -> DeploymentScheduleCreate:
    """A schedule as it is: Prefect forgets those of a deployment that is registered anew."""
    kept = {"schedule", "active", "max_scheduled_runs", "parameters", "slug"}
    return DeploymentScheduleCreate.model_validate(schedule.model_dump(include=kept))


def _begin(deployment: str) -> None:
    """A run of the deployment, unless one has begun, waits or is about to begin. What the schedule made for later
    trains is none.
    """
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[found.id])),
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY))),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        )
        now = datetime.now(UTC)
        if not any(run.run_count or (run.expected_start_time or now) <= now for run in runs):
            client.create_flow_run_from_deployment(found.id)


def _table() -> list[dict[str, Any]]:
    text = files("stationmaster.deployments").joinpath("prefect.yaml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = YAML(typ="safe").load(text)["deployments"]
    return rows


def _deploy(row: dict[str, Any], name: str | None = None, **more: Any) -> str:  # noqa: ANN401 - fields of a deployment
    """The deployment of a row, under another name when one is given."""
    flow: Flow[..., Any] = load_flow_from_entrypoint(row["entrypoint"])
    pool = row["work_pool"]
    with get_client(sync_client=True) as client:
        with contextlib.suppress(ObjectAlreadyExists):  # by an earlier `up`
            client.create_work_pool(WorkPoolCreate(name=pool["name"], type="process", concurrency_limit=AT_ONCE))
        client.create_deployment(
            flow_id=client.create_flow(flow),
            name=name or row["name"],
            entrypoint=row["entrypoint"],
            description=row["description"],
            tags=row["tags"],
            work_pool_name=pool["name"],
            job_variables=pool["job_variables"],
            pull_steps=[],
            parameter_openapi_schema=parameter_schema(flow).model_dump(),
            enforce_parameter_schema=True,
            **more,
        )
    return f"{flow.name}/{name or row['name']}"
