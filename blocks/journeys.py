"""Runs a journey against an endpoint, step after step, and says how it went; what is right is decided in the domain."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from stationmaster.domain.journey import (
    Answer,
    JourneyResult,
    Request,
    StepResult,
    Values,
    capture,
    check,
    check_placeholders,
    fill,
    waits_for,
)
from stationmaster.domain.masking import Mask
from stationmaster.domain.product import Journey, Step

LARGEST_ANSWER = 1 << 20  # bytes read of an answer
LONGEST_STORED = 4000  # characters kept of a failing one


class Endpoint(BaseModel):
    """Where an instance of the product answers."""

    model_config = ConfigDict(frozen=True)

    base_url: str = Field(default="http://product", description="What paths are appended to.")
    socket: str | None = Field(default=None, description="A unix socket to connect to instead of the host.")

    def client(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=self.socket)
        return httpx.Client(
            base_url=self.base_url, transport=transport, headers={"User-Agent": "stationmaster-journey"}
        )


def run(journey: Journey, endpoint: Endpoint, tenant: str, secrets: Mapping[str, SecretStr]) -> JourneyResult:
    """Every step until one fails, then the clean-up steps. A failing product is a result, never an error; raises
    UnknownPlaceholderError before anything is sent if the journey or a secret's name is wrong.
    """
    check_placeholders(journey, secrets)
    with endpoint.client() as client:
        steps = tuple(_steps(client, journey, Values(tenant, secrets)))
    return JourneyResult(journey=journey.name, tenant=tenant, steps=steps)


def _steps(client: httpx.Client, journey: Journey, values: Values) -> Iterator[StepResult]:
    failed = False
    for step in journey.steps:
        if (failed and not step.cleanup) or waits_for(step, values):
            yield StepResult(name=step.name, skipped=True)
            continue
        result, values = _step(client, step, values)
        failed = failed or bool(result.reasons)
        yield result


def _step(client: httpx.Client, step: Step, values: Values) -> tuple[StepResult, Values]:
    request = fill(step, values)
    try:
        answer = _ask(client, request)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError, _TooMuchError) as error:
        return _failed(step, request, values.mask(), (f"no answer: {str(error) or type(error).__name__}",)), values
    captured, missing = capture(step, answer)
    values = values.with_captured(captured)
    reasons = check(request.expect, answer) or missing
    if reasons:
        return _failed(step, request, values.mask(), reasons, answer), values
    return StepResult(name=step.name, status=answer.status, seconds=round(answer.seconds, 3)), values


class _TooMuchError(Exception):
    """The answer is longer, or takes longer, than a step may wait for."""


def _ask(client: httpx.Client, request: Request) -> Answer:
    """One request; httpx bounds each wait, the deadline bounds them all together."""
    began = time.perf_counter()
    body = {} if request.body is None else {"json": request.body}
    limit = request.expect.within + 1.0  # a late answer is reported with its time, a very late one is not waited for
    with client.stream(request.method, request.path, headers=request.headers, timeout=limit, **body) as response:
        raw = bytearray()
        for chunk in response.iter_bytes():
            raw += chunk
            if len(raw) > LARGEST_ANSWER or time.perf_counter() - began > limit:
                raise _TooMuchError(f"gave up after {len(raw)} bytes and {time.perf_counter() - began:.1f} s")
    text = raw.decode("utf-8", "replace")
    return Answer(response.status_code, time.perf_counter() - began, text, _parsed(text))


def _parsed(text: str) -> Any:  # noqa: ANN401 JSON
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return None


def _failed(
    step: Step, request: Request, mask: Mask, reasons: tuple[str, ...], answer: Answer | None = None
) -> StepResult:
    """What is stored of a failing step: masked first, then cut, so that no half of a secret is left."""
    return StepResult(
        name=step.name,
        reasons=tuple(mask.text(reason) for reason in reasons),
        status=answer and answer.status,
        seconds=answer and round(answer.seconds, 3),
        request={
            "method": request.method,
            "path": mask.text(request.path),
            "headers": mask.headers(request.headers),
            "body": mask.json(request.body),
        },
        answer=answer and _stored(answer, mask),
    )


def _stored(answer: Answer, mask: Mask) -> str:
    text = answer.text if answer.json is None else json.dumps(mask.json(answer.json), ensure_ascii=False)
    return mask.text(text)[:LONGEST_STORED]
