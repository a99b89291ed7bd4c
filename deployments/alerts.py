"""Tells a product's channel when a flow run of ours crashed or nobody begins it: automations of the Prefect server.

They tell and do nothing else: what crashed is started again by the watchdog, which also works while the server is away.
"""

from datetime import timedelta

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.types import SecretDict

from stationmaster.blocks.chat import SlackChat
from stationmaster.deployments.flow_runs import connected

TAG = "stationmaster"  # of every deployment, and so of every run
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


def alert(product: str, chat: SlackChat) -> list[str]:
    """The names of the automations that write to the product's channel from now on. Repeating it changes nothing."""
    with connected() as client:
        block = _block(product, chat)
        return [_ensure(client, _automation(product, kind, block)) for kind in _TOLD]


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


def _automation(product: str, kind: str, block: CustomWebhookNotificationBlock) -> AutomationCore:
    event, subject, body = _TOLD[kind]
    document = block._block_document_id  # noqa: SLF001 - Prefect gives a saved block's id nowhere else
    if document is None:
        raise ValueError("the block was not saved")
    return AutomationCore(
        name=f"stationmaster {product}: a flow run {'crashed' if kind == 'crashed' else 'is late'}",
        description=body,
        trigger=EventTrigger(
            expect={event},
            match_related={"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"},
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
