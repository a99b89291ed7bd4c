"""The receiver: takes deliveries of code hosts and keeps the merged changes they tell in the inbox, and takes to the
ledger what people approve at GitHub and in Slack. It starts nothing.

An ASGI application of its own, which any ASGI server can run. A delivery is checked in this order: is there such a
hook, is the body short enough, is it signed, is it JSON (of Slack a form), is it understood. 2xx is said when it is on
disk.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stationmaster.deployments.channels import Channels
from stationmaster.deployments.inbox_writer import InboxWriter
from stationmaster.deployments.receiver_openapi import REFUSALS, document
from stationmaster.deployments.refused_delivery import RefusedDeliveryError
from stationmaster.deployments.request_body import (
    Bodies,
    BodyCutError,
    BodyTooLargeError,
    BodyTooSlowError,
    NoRoomError,
    content_type,
)
from stationmaster.domain.deliveries import DeliveryError, Ignored, delivery_id, understood
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.hooks import Hook, SlackApp
from stationmaster.domain.signatures import refusal
from stationmaster.ledger.inbox import Delivery, Inbox

T = TypeVar("T")
_log = logging.getLogger("stationmaster.receiver")
_RETRY = {"Retry-After": "5"}  # seconds
_STATUS = {code: status for status, codes in REFUSALS.items() for code in codes}
_READING = {  # what may happen to a body: the code, and what its sender can do
    BodyTooLargeError: ("body_too_large", "the events that are needed are shorter"),
    BodyTooSlowError: ("body_too_slow", "send it again"),
    BodyCutError: ("body_cut", "send it again"),
    NoRoomError: ("inbox_busy", "send it again in a moment"),
}


@dataclass(frozen=True)
class Desk:
    """What a delivery meets on its way."""

    hooks: Mapping[str, Hook]
    secrets: Mapping[str, SecretStr]
    writer: InboxWriter
    bodies: Bodies
    now: Callable[[], datetime]
    channels: Channels

    async def receive(self, request: Request) -> Response:
        """POST /hooks/{hook}."""
        name = request.path_params["hook"]
        return await self._answered(request, name, self.hooks, self._taken)

    async def press(self, request: Request) -> Response:
        """POST /slack/{app}: somebody pressed a button."""
        return await self._answered(request, request.path_params["app"], self.channels.apps, self._pressed)

    async def _pressed(self, name: str, app: SlackApp, request: Request, body: bytes) -> Response:
        return self._told(name, await self.channels.pressed(name, app, request, body, self.now()))

    async def _answered(
        self, request: Request, name: str, known: Mapping[str, T],
        take: Callable[[str, T, Request, bytes], Awaitable[Response]],
    ) -> Response:  # fmt: skip
        try:
            hook = _named(name, known)
            async with self.bodies.of(request) as body:
                return await take(name, hook, request, body)
        except tuple(_READING) as error:
            code, hint = _READING[type(error)]
            refused = RefusedDeliveryError(code, REFUSALS[_STATUS[code]][code], hint)
        except RefusedDeliveryError as error:
            refused = error
        except DeliveryError as error:
            refused = RefusedDeliveryError(error.code, error.message, error.hint)
        self.writer.tally(name if name in known else "", refused.code)
        return _error(_STATUS[refused.code], refused.code, refused.message, refused.hint)

    async def health(self, _request: Request) -> Response:
        """GET /healthz: what the inbox said when it was last asked, so that asking often costs it nothing."""
        if (trouble := self.writer.trouble) is not None:
            return _error(503, trouble.code, "the inbox does not answer", trouble.hint)
        return JSONResponse({"ok": True})

    async def _taken(self, name: str, hook: Hook, request: Request, body: bytes) -> Response:
        """Everything after the body's length, in order."""
        secret = self.secrets[name].get_secret_value()
        if (why := refusal(hook.host, secret, request.headers, body, self.now())) is not None:
            raise RefusedDeliveryError("signature", why, "the host and the receiver's file must have the same secret")
        _must_be_json(hook, request)
        if hook.environment is not None and request.headers.get("x-github-event") == "deployment_review":
            return self._told(name, await self.channels.reviewed(hook.product, hook.environment, body, self.now()))
        found = understood(hook, request.headers, body)
        if isinstance(found, Ignored):
            return self._ignored(name, found)
        return await self._kept(Delivery(name, delivery_id(hook.host, request.headers, body), found))

    def _ignored(self, name: str, found: Ignored) -> Response:
        self.writer.tally(name, "ignored")
        return JSONResponse({"accepted": False, "reason": found.reason}, status_code=202)

    def _told(self, name: str, said: Response | Ignored) -> Response:
        return self._ignored(name, said) if isinstance(said, Ignored) else said

    async def _kept(self, delivery: Delivery) -> Response:
        try:
            outcome = await self.writer.put(delivery)
        except Exception as error:  # its message may tell where the inbox is, which is no stranger's business
            if not isinstance(error, StationmasterError):
                _log.exception("a delivery was not kept")
            raise RefusedDeliveryError("inbox_busy", REFUSALS[503]["inbox_busy"], "send it again") from error
        if outcome == "reused":
            raise RefusedDeliveryError("delivery_reused", REFUSALS[422]["delivery_reused"], "send it under its own id")
        if outcome == "duplicate":
            self.writer.tally(delivery.hook, "duplicate")
        answer = {"accepted": True, "change": delivery.change.key, "duplicate": outcome == "duplicate"}
        return JSONResponse(answer, status_code=202)


def create_app(
    hooks: Mapping[str, Hook],
    secrets: Mapping[str, SecretStr],
    inbox: Inbox,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    writer: InboxWriter | None = None,
    *,
    channels: Channels = Channels(),  # noqa: B008 - a frozen value: without one, nobody approves here
    more: Sequence[Route] = (),
) -> Starlette:
    """The receiver over an inbox that is open, and `more` that is served beside hooks. Its lifespan ends when all that
    was accepted is written.
    """
    desk = Desk(hooks, secrets, writer or InboxWriter(inbox, now), Bodies(), now, channels)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        writing = asyncio.create_task(desk.writer.run())
        try:
            yield
        finally:
            desk.writer.end()
            await writing

    openapi = document()

    async def described(_request: Request) -> Response:
        return JSONResponse(openapi)

    app = Starlette(
        routes=[
            Route("/hooks/{hook}", desk.receive, methods=["POST"]),
            Route("/slack/{app}", desk.press, methods=["POST"]),
            Route("/healthz", desk.health),
            Route("/openapi.json", described),
            *more,
        ],
        exception_handlers={HTTPException: _unrouted, Exception: _broken},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _named(name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        hint = "the hooks are named in the receiver's file"  # not which: they are asked for by strangers
        raise RefusedDeliveryError("unknown_hook", "there is no such hook", hint)
    return known[name]


def _must_be_json(hook: Hook, request: Request) -> None:
    if content_type(request) == "application/json":
        return
    hint = "send application/json"
    if hook.host == "github" and content_type(request) == "application/x-www-form-urlencoded":
        hint = "in the webhook's settings on GitHub, choose the content type application/json"
    raise RefusedDeliveryError("content_type", "the body is not application/json", hint)


async def _unrouted(_request: Request, error: Exception) -> Response:
    """No such path, or a method that a path does not have."""
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette calls it for nothing else
    words = {404: ("not_found", "there is nothing here"), 405: ("method", "this path does not take this method")}
    code, message = words.get(error.status_code, ("http", error.detail))
    return _error(error.status_code, code, message, "POST /hooks/NAME", error.headers)


async def _broken(_request: Request, _error_of_ours: Exception) -> Response:
    return _error(500, "internal", "this is an error of ours; nothing was acknowledged", "the receiver's log says more")


def _error(
    status: int, code: str, message: str, hint: str | None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    content = {"error": {"code": code, "message": message, "hint": hint}}
    return JSONResponse(content, status, headers={**(headers or {}), **(_RETRY if status == 503 else {})})  # noqa: PLR2004
