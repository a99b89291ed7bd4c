"""Tells the Prefect server what there is: the work pool, the flows of `prefect.yaml`, the blocks. Safe to repeat."""

import contextlib
from importlib.resources import files
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel
from ruamel.yaml import YAML

from stationmaster.blocks.chat import SlackChat
from stationmaster.blocks.collection import BLOCKS
from stationmaster.blocks.toolbox import TOOLS, remember
from stationmaster.deployments.alerts import alert

AT_ONCE = 10  # flow runs at a time of a new work pool; what waits holds no place


def register() -> list[str]:
    """The block types, the work pool and every deployment of `prefect.yaml`, whose names are returned."""
    for block in BLOCKS.values():
        block.register_type_and_schema()
    return [_deploy(row) for row in _table()]


def register_tools(product: str, tools: dict[str, BaseModel]) -> None:
    """One block per tool under the product's name, the copies that work without the server, alerts in its channel."""
    for kind, tool in tools.items():
        fields = {name: getattr(tool, name) for name in TOOLS[kind].model_fields}
        BLOCKS[kind](**fields).save(product, overwrite=True)
        remember(kind, product, tool)
    chat = tools["chat"]
    assert isinstance(chat, SlackChat)  # noqa: S101 - as TOOLS says
    alert(product, chat)


def _table() -> list[dict[str, Any]]:
    text = files("stationmaster.deployments").joinpath("prefect.yaml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = YAML(typ="safe").load(text)["deployments"]
    return rows


def _deploy(row: dict[str, Any]) -> str:
    flow: Flow[..., Any] = load_flow_from_entrypoint(row["entrypoint"])
    pool = row["work_pool"]
    with get_client(sync_client=True) as client:
        with contextlib.suppress(ObjectAlreadyExists):  # by an earlier `up`
            client.create_work_pool(WorkPoolCreate(name=pool["name"], type="process", concurrency_limit=AT_ONCE))
        client.create_deployment(
            flow_id=client.create_flow(flow),
            name=row["name"],
            entrypoint=row["entrypoint"],
            description=row["description"],
            tags=row["tags"],
            work_pool_name=pool["name"],
            job_variables=pool["job_variables"],
            pull_steps=[],
            parameter_openapi_schema=parameter_schema(flow).model_dump(),
            enforce_parameter_schema=True,
        )
    return f"{flow.name}/{row['name']}"
