"""Pydantic's errors in the words of a file: the key as it is written, its line, the nearest right spelling.

What may stand where is read from the model's own JSON Schema, so that a new model needs nothing here.
"""

from typing import Any

from pydantic import ValidationError

from stationmaster.domain.errors import nearest
from stationmaster.domain.located import Located, Place, PlaceError, Problem


def problems_of(error: ValidationError, located: Located, schema: dict[str, Any]) -> list[Problem]:
    """One problem for each of the errors, with the line of the part it is about."""
    details = [_placed(detail) for detail in error.errors()]
    places = [detail["loc"] for detail in details]
    return [
        Problem(located.line(_bare(detail["loc"])), *_wording(detail, schema))
        for detail in details
        # a list is also called too short when all its items were wrong
        if not (detail["type"] == "too_short" and any(_inside(place, detail["loc"]) for place in places))
    ]


def _placed(detail: Any) -> Any:  # noqa: ANN401 - pydantic's ErrorDetails
    """The error at the place that it names itself, if it does."""
    cause = detail.get("ctx", {}).get("error")
    return {**detail, "loc": (*detail["loc"], *cause.place)} if isinstance(cause, PlaceError) else detail


def _inside(place: Place, outer: Place) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _bare(place: Place) -> Place:
    return tuple(part for part in place if part != "[key]")


def _path(place: Place) -> str:
    path = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part[:_LONGEST]}" for part in _bare(place))
    return path.removeprefix(".") or "the file"


def _wording(detail: Any, schema: dict[str, Any]) -> tuple[str, str | None]:  # noqa: ANN401 - pydantic's ErrorDetails
    """Message and hint for one of pydantic's errors, in the words of the file."""
    place, kind, given = detail["loc"], detail["type"], detail["input"]
    key = str(_bare(place)[-1]) if _bare(place) else ""
    if kind == "extra_forbidden" or place[-1:] == ("[key]",):
        return f"unknown key {_shown(key)}{_within(place)}", nearest(key, _keys(schema, _bare(place)[:-1]))
    if kind == "missing":
        return f"missing key {key!r}{_within(place)}", _at(schema, place).get("description")
    if kind == "literal_error":
        return f"{_path(place)}: {_shown(given)} is not known", nearest(str(given), _values(_at(schema, place)))
    return f"{_path(place)}: {_plain(kind, detail)}", _at(schema, place).get("description")


def _within(place: Place) -> str:
    outer = _bare(place)[:-1]
    return f" in {_path(outer)}" if outer else ""


_LONGEST = 80  # characters of a value
_KINDS = {
    "tuple_type": "must be a list, like [first, second]",
    "model_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "too_short": "must not be empty",
}


def _plain(kind: str, detail: Any) -> str:  # noqa: ANN401
    if kind in _KINDS:
        return _KINDS[kind]
    if kind == "value_error":
        return str(detail["ctx"]["error"]).replace(repr(detail["input"]), _shown(detail["input"]))
    if kind == "string_type":
        return f"must be text; write quotes around {_shown(detail['input'])}"
    said = str(detail["msg"]).replace("Input should be", "must be").replace("String should", "must")
    return f"{said}, not {str(detail['input'])[:60]!r}"


def _shown(given: object) -> str:
    """What was given, as far as a message has room for it."""
    text = repr(given)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _at(schema: dict[str, Any], place: Place) -> dict[str, Any]:
    """The part of a JSON Schema that rules a place; empty where it says nothing."""
    part = _resolved(schema, schema)
    for step in _bare(place):
        inner = part.get("items") if isinstance(step, int) else part.get("properties", {}).get(step)
        inner = part.get("additionalProperties") if inner is None and isinstance(step, str) else inner
        part = _resolved(schema, inner) if isinstance(inner, dict) else {}
    return part


def _resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and of alternatives take the one that is not null."""
    while "$ref" in part or ("anyOf" in part and "type" not in part):
        if "$ref" in part:
            part = {
                **schema["$defs"][part["$ref"].rsplit("/", 1)[-1]],
                **{k: v for k, v in part.items() if k != "$ref"},
            }
        else:
            chosen: dict[str, Any] = next((one for one in part["anyOf"] if one.get("type") != "null"), {})
            part = {**chosen, **{k: v for k, v in part.items() if k != "anyOf"}}
    return part


def _keys(schema: dict[str, Any], place: Place) -> list[str]:
    part = _at(schema, place)
    return [*part.get("properties", {}), *_values(part.get("propertyNames", {}))]


def _values(part: dict[str, Any]) -> list[str]:
    return [str(value) for value in part.get("enum", [part["const"]] if "const" in part else [])]
