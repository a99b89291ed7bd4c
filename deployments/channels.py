"""Takes to the ledger what people say through Slack and GitHub. It opens a product's tools for each word and closes
them again: a receiver that stands open to strangers holds the service's key no longer than it needs it.

Whoever runs a receiver with a Slack app or an `environment` trusts it with that key, since what a channel says is
signed with it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import SecretStr
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stationmaster.blocks.approval import Desk
from stationmaster.blocks.channel import Answer, hear
from stationmaster.deployments.receiver_openapi import REFUSALS
from stationmaster.deployments.refused_delivery import RefusedDeliveryError
from stationmaster.deployments.request_body import content_type
from stationmaster.domain.block_kit import escaped, sections
from stationmaster.domain.channel import Voice, of_github, of_slack
from stationmaster.domain.deliveries import Ignored, object_in
from stationmaster.domain.entries import canonical, digest
from stationmaster.domain.errors import InputError, RefusedError, StationmasterError
from stationmaster.domain.hooks import SlackApp
from stationmaster.domain.signatures import slack_refusal

if TYPE_CHECKING:
    from stationmaster.blocks.toolbox import Toolbox

_log = logging.getLogger("stationmaster.receiver")


def _remembered(product: str) -> "Toolbox":
    from stationmaster.blocks import toolbox  # noqa: PLC0415 - imports every tool there is; most receivers need none

    return toolbox.remembered(product)


@dataclass(frozen=True)
class Channels:
    """The Slack apps by name, their signing secrets, and how the tools of a product are found."""

    apps: Mapping[str, SlackApp] = field(default_factory=dict)
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)
    tools: Callable[[str], "Toolbox"] = _remembered

    async def reviewed(self, product: str, environment: str, body: bytes, at: datetime) -> Response | Ignored:
        """Somebody reviewed a deployment at GitHub, whose delivery is genuine. What it comes to is on record; whoever
        sent it hears it, too.

        Raises:
            DeliveryError: it is not understood.
            RefusedDeliveryError: it could not be recorded.
        """
        voice = of_github(environment, object_in(body))
        if isinstance(voice, Ignored):
            return voice
        answer = await self._heard(product, voice, at)
        told = {"accepted": True, "release": answer.release, "counts": answer.counts, "said": answer.said}
        return JSONResponse(told, status_code=202)

    async def pressed(
        self, name: str, app: SlackApp, request: Request, body: bytes, at: datetime
    ) -> Response | Ignored:  # fmt: skip
        """Somebody pressed a button in Slack. Slack shows nobody the answer of a press: it is said in the thread, too.

        Raises:
            DeliveryError: it is not understood.
            RefusedDeliveryError: it is not genuine, or could not be recorded.
        """
        secret = self.secrets[name].get_secret_value()
        if (why := slack_refusal(secret, request.headers, body, at)) is not None:
            raise RefusedDeliveryError("signature", why, "the receiver's file must have the app's signing secret")
        if content_type(request) != "application/x-www-form-urlencoded":
            raise RefusedDeliveryError("content_type", "the body is no form", "send it as Slack does")
        voice = of_slack(body)
        if isinstance(voice, Ignored):
            return voice
        answer = await self._heard(app.product, voice, at)
        told = {"response_type": "ephemeral", "replace_original": False, "text": answer.said}
        return JSONResponse(told, background=BackgroundTask(self.reply, app.product, voice, answer.said))

    async def _heard(self, product: str, voice: Voice, at: datetime) -> Answer:
        """What it comes to; a no that leaves nothing on record is an answer, too."""
        try:
            return await asyncio.to_thread(self.hear, product, voice, at)
        except (RefusedError, InputError) as error:
            return Answer(voice.release or "", counts=False, said=f"{error.message}; nothing was recorded")
        except Exception as error:  # its message may tell where the ledger is, which is no stranger's business
            _log.exception("what was said through a channel was not recorded")
            raise RefusedDeliveryError("not_recorded", REFUSALS[503]["not_recorded"], "send it again") from error

    def hear(self, product: str, voice: Voice, at: datetime) -> Answer:
        """Record it. Errors as `blocks.channel.hear`, and whatever keeps the tools from being opened."""
        with self._opened(product) as tools:
            return hear(Desk(tools.ledger, tools.source, tools.signer), product, voice, at)

    def reply(self, product: str, voice: Voice, said: str) -> None:
        """Say in the thread of the message that was answered what became of it, by the product's own chat: no address
        that came with a delivery is called. One answer per person and word; when the chat is away, there is none.
        """
        if voice.thread is None:
            return
        try:
            with self._opened(product) as tools:
                key = f"reply/{digest(canonical([voice.digest, voice.by, said]))[7:23]}"
                text = f"<@{voice.by}> {escaped(said)}"
                tools.chat.post(key, said, sections(text), thread=voice.thread)
        except StationmasterError as error:
            _log.warning("no reply in the chat: %s", error.message)

    @contextmanager
    def _opened(self, product: str) -> Iterator["Toolbox"]:
        tools = self.tools(product)
        try:
            yield tools
        finally:
            tools.ledger.close()
