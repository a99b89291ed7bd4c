"""A journey, decided: what a step asks once its placeholders are filled, whether an answer is as expected, and what
of both may be stored. Nothing is sent here; `blocks/journeys.py` does that.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, SecretStr

from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.masking import HIDDEN, Mask, is_private
from stationmaster.domain.product import Expect, Journey, Step

_PLACEHOLDER = re.compile(r"\{(?P<secret>secret:)?(?P<name>[A-Za-z_][A-Za-z0-9_-]*)\}")
_ABSENT = object()


class UnknownPlaceholderError(InputError):
    """A step names a value that neither the tenant, nor a secret, nor an earlier step gives."""

    code = "unknown_placeholder"


@dataclass(frozen=True)
class Values:
    """What placeholders may stand for at one point of a journey."""

    tenant: str
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)
    captured: Mapping[str, Any] = field(default_factory=dict)

    def of(self, placeholder: re.Match[str]) -> Any:  # noqa: ANN401 a captured value is any JSON scalar
        name = placeholder["name"]
        if placeholder["secret"]:
            return self.secrets[name].get_secret_value()
        return self.tenant if name == "tenant" else self.captured[name]

    def with_captured(self, captured: Mapping[str, Any]) -> "Values":
        return replace(self, captured={**self.captured, **captured})

    def mask(self) -> Mask:
        """Hides the secrets, and what was captured under a name such as `token`."""
        private = (str(value) for name, value in self.captured.items() if is_private(name))
        return Mask.of((*(secret.get_secret_value() for secret in self.secrets.values()), *private))


@dataclass(frozen=True)
class Request:
    """A step with its placeholders filled."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    expect: Expect


@dataclass(frozen=True)
class Answer:
    """What came back; `json` is None where the body was none."""

    status: int
    seconds: float
    text: str
    json: Any = None


class Result(BaseModel):
    """What is kept of a journey: it crosses processes and is stored."""

    model_config = ConfigDict(frozen=True)


class StepResult(Result):
    """One step: passed if there is no reason against it. A failed one keeps its request and answer, masked."""

    name: str
    reasons: tuple[str, ...] = ()
    skipped: bool = False
    status: int | None = None
    seconds: float | None = None
    request: dict[str, Any] | None = None
    answer: str | None = None


class JourneyResult(Result):
    """One journey of one tenant against one endpoint."""

    journey: str
    tenant: str
    steps: tuple[StepResult, ...]

    @property
    def passed(self) -> bool:
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """`step: reason`, in the order of the steps."""
        return tuple(f"{step.name}: {reason}" for step in self.steps for reason in step.reasons)


def check_placeholders(journey: Journey, secrets: Iterable[str]) -> None:
    """Raises UnknownPlaceholderError if a step names what no secret and no earlier step gives."""
    known = {"tenant", *(f"secret:{name}" for name in secrets)}
    for step in journey.steps:
        for name in sorted(placeholders(step) - known):
            raise UnknownPlaceholderError(
                f"journey {journey.name!r}, step {step.name!r}: nothing gives a value for {{{name}}}",
                hint=nearest(name, known),
            )
        known |= set(step.capture)


def placeholders(step: Step) -> set[str]:
    """The names a step uses, secrets as `secret:NAME`."""
    texts = [step.path, *step.headers.values(), *_texts(step.body), *_texts(step.expect.json_)]
    return {found[0][1:-1] for text in texts for found in _PLACEHOLDER.finditer(text)}


def waits_for(step: Step, values: Values) -> tuple[str, ...]:
    """The captured names a step needs and does not have: what a clean-up has nothing to do without."""
    needed = {name for name in placeholders(step) if not name.startswith("secret:")} - {"tenant"}
    return tuple(sorted(needed - set(values.captured)))


def fill(step: Step, values: Values) -> Request:
    """The request of a step. In a path, values are quoted; a text that is one placeholder keeps the value's type."""
    expected = {key: _filled(value, values) for key, value in step.expect.json_.items()}
    return Request(
        method=step.method,
        path=_PLACEHOLDER.sub(lambda found: quote(str(values.of(found)), safe=""), step.path),
        headers={name: str(_filled(text, values)) for name, text in step.headers.items()},
        body=_filled(step.body, values),
        expect=step.expect.model_copy(update={"json_": expected}),
    )


def check(expect: Expect, answer: Answer) -> tuple[str, ...]:
    """Why an answer is not as expected; empty when it is."""
    reasons = []
    if answer.status != expect.status:
        reasons.append(f"answered {answer.status} where {expect.status} is expected")
    for key, wanted in expect.json_.items():
        given = at(answer.json, key)
        if given is _ABSENT:
            reasons.append(f"{key} is missing where {_shown(key, wanted)} is expected")
        elif not _same(given, wanted):
            reasons.append(f"{key} is {_shown(key, given)} where {_shown(key, wanted)} is expected")
    if answer.seconds > expect.within:
        reasons.append(f"took {answer.seconds:.1f} s where {expect.within} s are allowed")
    return tuple(reasons)


def capture(step: Step, answer: Answer) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a step hands on, and why it could not hand on the rest."""
    found = {name: at(answer.json, key) for name, key in step.capture.items()}
    scalars = {name: value for name, value in found.items() if isinstance(value, str | int | float)}
    return scalars, tuple(f"no value to capture at {step.capture[name]!r}" for name in found if name not in scalars)


def at(document: Any, key: str) -> Any:  # noqa: ANN401 JSON
    """The value at a dotted key (`lines.0.sku`), or an object that equals nothing."""
    for part in key.split("."):
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return _ABSENT
    return document


def _shown(key: str, value: Any) -> str:  # noqa: ANN401 JSON
    return HIDDEN if is_private(key) else repr(value)


def _same(given: Any, wanted: Any) -> bool:  # noqa: ANN401 JSON
    """Equal as JSON: true is not 1."""
    return bool(given == wanted) and isinstance(given, bool) == isinstance(wanted, bool)


def _filled(value: Any, values: Values) -> Any:  # noqa: ANN401 JSON
    if isinstance(value, dict):
        return {key: _filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(inner, values) for inner in value]
    if not isinstance(value, str):
        return value
    if alone := _PLACEHOLDER.fullmatch(value):
        return values.of(alone)
    return _PLACEHOLDER.sub(lambda found: str(values.of(found)), value)


def _texts(value: Any) -> list[str]:  # noqa: ANN401 JSON
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [text for each in inner for text in _texts(each)]
