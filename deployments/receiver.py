"""The receiver: takes deliveries of code hosts and keeps the merged changes they tell in the inbox. It starts nothing.

An ASGI application of its own, which any ASGI server can run. A delivery is checked in this order: is there such a
hook, is the body short enough, is it signed, is it JSON, is it understood. 202 is said when it is on disk.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stationmaster.deployments.inbox_writer import InboxWriter
from stationmaster.deployments.receiver_openapi import REFUSALS, document
from stationmaster.deployments.request_body import (
    Bodies,
    BodyCutError,
    BodyTooLargeError,
    BodyTooSlowError,
    NoRoomError,
)
from stationmaster.domain.deliveries import DeliveryError, Ignored, delivery_id, understood
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.hooks import Hook
from stationmaster.domain.signatures import refusal
from stationmaster.ledger.inbox import Delivery, Inbox

_log = logging.getLogger("stationmaster.receiver")
_RETRY = {"Retry-After": "5"}  # seconds
_STATUS = {code: status for status, codes in REFUSALS.items() for code in codes}
_READING = {  # what may happen to a body: the code, and what its sender can do
    BodyTooLargeError: ("body_too_large", "the events that are needed are shorter"),
    BodyTooSlowError: ("body_too_slow", "send it again"),
    BodyCutError: ("body_cut", "send it again"),
    NoRoomError: ("inbox_busy", "send it again in a moment"),
}


class RefusedDeliveryError(Exception):
    """A delivery that is not taken; the code says which of REFUSALS it is."""

    def __init__(self, code: str, message: str, hint: str | None) -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


@dataclass(frozen=True)
class Desk:
    """What a delivery meets on its way."""

    hooks: Mapping[str, Hook]
    secrets: Mapping[str, SecretStr]
    writer: InboxWriter
    bodies: Bodies
    now: Callable[[], datetime]

    async def receive(self, request: Request) -> Response:
        """POST /hooks/{hook}."""
        name = request.path_params["hook"]
        try:
            hook = self._hook(name)
            async with self.bodies.of(request) as body:
                return await self._taken(name, hook, request, body)
        except tuple(_READING) as error:
            code, hint = _READING[type(error)]
            refused = RefusedDeliveryError(code, REFUSALS[_STATUS[code]][code], hint)
        except RefusedDeliveryError as error:
            refused = error
        except DeliveryError as error:
            refused = RefusedDeliveryError(error.code, error.message, error.hint)
        self.writer.tally(name if name in self.hooks else "", refused.code)
        return _error(_STATUS[refused.code], refused.code, refused.message, refused.hint)

    async def health(self, _request: Request) -> Response:
        """GET /healthz: what the inbox said when it was last asked, so that asking often costs it nothing."""
        if (trouble := self.writer.trouble) is not None:
            return _error(503, trouble.code, "the inbox does not answer", trouble.hint)
        return JSONResponse({"ok": True})

    def _hook(self, name: str) -> Hook:
        if name not in self.hooks:
            hint = "the hooks are named in the receiver's file"  # not which: they are asked for by strangers
            raise RefusedDeliveryError("unknown_hook", "there is no such hook", hint)
        return self.hooks[name]

    async def _taken(self, name: str, hook: Hook, request: Request, body: bytes) -> Response:
        """Everything after the body's length, in order."""
        secret = self.secrets[name].get_secret_value()
        if (why := refusal(hook.host, secret, request.headers, body, self.now())) is not None:
            raise RefusedDeliveryError("signature", why, "the host and the receiver's file must have the same secret")
        _must_be_json(hook, request)
        found = understood(hook, request.headers, body)
        if isinstance(found, Ignored):
            self.writer.tally(name, "ignored")
            return JSONResponse({"accepted": False, "reason": found.reason}, status_code=202)
        return await self._kept(Delivery(name, delivery_id(hook.host, request.headers, body), found))

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
) -> Starlette:
    """The receiver over an inbox that is open. Its lifespan ends when everything accepted is written."""
    desk = Desk(hooks, secrets, writer or InboxWriter(inbox, now), Bodies(), now)

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
            Route("/healthz", desk.health),
            Route("/openapi.json", described),
        ],
        exception_handlers={HTTPException: _unrouted, Exception: _broken},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _must_be_json(hook: Hook, request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return
    hint = "send application/json"
    if hook.host == "github" and kind == "application/x-www-form-urlencoded":
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
