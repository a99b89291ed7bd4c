"""Tells a product's channel when a flow run of ours crashed or nobody begins it: automations of the Prefect server.

They tell and do nothing else: what crashed is started again by the watchdog, which also works while the server is away.

A server with one product tells its channel of every run of ours. From the second on, each is told of the runs that have
its tag, and of those that belong to no one product.
"""

import re
from collections.abc import Sequence
from datetime import timedelta

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.types import SecretDict

from stationmaster.blocks.chat import SlackChat
from stationmaster.deployments.flow_runs import connected

TAG = "stationmaster"  # of every deployment, and so of every run
SHARED = "any-product"  # of deployments whose runs may be about any product, or about several
_NAME = re.compile(r"stationmaster (\S+): a flow run (?:crashed|is late)")
_LINK = "{{ flow_run|ui_url }}"
_TOLD = {
    "crashed": (
        "prefect.flow-run.Crashed",
        "the process of {{ flow_run.name }} died",
        "The watchdog has a release go on within a minute, and nothing is done twice. Of another flow, retry the run.",
    ),
    "late": (
        "prefect.flow-run.Late",
        "nobody begins {{ flow_run.name }}",
        "No worker takes it: look whether one runs, and whether the work pool is full.",
    ),
}


def tag_of(product: str) -> str:
    """The tag of a run that is about one product."""
    return f"product:{product}"


def alert(product: str, chat: SlackChat) -> list[str]:
    """The names of the automations that write to the product's channel from now on. Repeating it changes nothing."""
    with connected() as client:
        block = _block(product, chat)
        others = [one for one in client.read_automations() if _product_of(one) not in {None, product}]
        for one in others:
            _narrow(client, one)
        tags = _own(product) if others else [TAG]
        return [_ensure(client, _automation(product, kind, block, tags)) for kind in _TOLD]


def _own(product: str) -> list[str]:
    return [tag_of(product), SHARED]


def _product_of(automation: AutomationCore) -> str | None:
    found = _NAME.fullmatch(automation.name)
    return found[1] if found else None


def _narrow(client: SyncPrefectClient, one: Automation) -> None:
    """What told its channel of every run tells it of its own product's. Nothing else that people made of it changes."""
    assert isinstance(one.trigger, EventTrigger)  # noqa: S101 - its name says that it is ours
    wanted = _match(_own(str(_product_of(one))))
    if one.trigger.match_related != wanted:
        trigger = one.trigger.model_copy(update={"match_related": wanted})
        kept = {name: getattr(one, name) for name in AutomationCore.model_fields if name != "owner_resource"}
        client.update_automation(one.id, AutomationCore(**{**kept, "trigger": trigger}))


def _match(tags: Sequence[str]) -> ResourceSpecification:
    """Events of runs that have one of the tags."""
    named: list[str] = [f"prefect.tag.{tag}" for tag in tags]
    return ResourceSpecification(root={"prefect.resource.role": "tag", "prefect.resource.id": named})


def _block(product: str, chat: SlackChat) -> CustomWebhookNotificationBlock:
    """How the server writes to the channel. The token is a secret of the block."""
    block = CustomWebhookNotificationBlock(
        name=f"{product} channel",
        url=f"{chat.base_url.rstrip('/')}/chat.postMessage",
        headers={"Authorization": "Bearer {{token}}"},
        json_data={"channel": chat.channel, "text": "*{{subject}}*\n{{body}}"},
        secrets=SecretDict({"token": chat.token.get_secret_value()}),
    )
    block.save(f"stationmaster-{product}", overwrite=True)
    return block


def _automation(product: str, kind: str, block: CustomWebhookNotificationBlock, tags: Sequence[str]) -> AutomationCore:
    event, subject, body = _TOLD[kind]
    document = block._block_document_id  # noqa: SLF001 - Prefect gives a saved block's id nowhere else
    if document is None:
        raise ValueError("the block was not saved")
    return AutomationCore(
        name=f"stationmaster {product}: a flow run {'crashed' if kind == 'crashed' else 'is late'}",
        description=body,
        trigger=EventTrigger(
            expect={event},
            match_related=_match(tags),
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[SendNotification(block_document_id=document, subject=subject, body=f"{body}\n{_LINK}")],
    )


def _ensure(client: SyncPrefectClient, wanted: AutomationCore) -> str:
    known = client.read_automations_by_name(wanted.name)
    for one in known[:1]:
        client.update_automation(one.id, wanted)
    for one in known[1:]:
        client.delete_automation(one.id)
    if not known:
        client.create_automation(wanted)
    return wanted.name
