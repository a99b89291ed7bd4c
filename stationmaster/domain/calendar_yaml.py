"""A calendar as the YAML file that people write."""

from datetime import date, datetime, time
from json import dumps

from stationmaster.domain.calendar import Calendar, Rule

_RULES = ("windows", "blackouts")


def as_yaml(calendar: Calendar) -> str:
    """The text of a file that says the same, one rule in a line. What is as it is by default is left out."""
    said = calendar.model_dump(exclude_defaults=True, exclude={"timezone", "default", *_RULES})
    lines = [f"timezone: {calendar.timezone}", f"default: {calendar.default}"]
    for key in _RULES:
        rules: tuple[Rule, ...] = getattr(calendar, key)
        if rules:
            plain = (rule.model_dump(exclude_defaults=True, by_alias=True) for rule in rules)
            lines += [f"{key}:", *(f"  - {_flow(one)}" for one in plain)]
    return "\n".join([*lines, *(f"{key}: {_value(value)}" for key, value in said.items())]) + "\n"


def _flow(said: dict[str, object]) -> str:
    return "{" + ", ".join(f"{key}: {_value(value)}" for key, value in said.items()) + "}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return _flow(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, time):
        return dumps(value.isoformat("seconds" if value.second else "minutes"))
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds" if value.second else "minutes")
    return value.isoformat() if isinstance(value, date) else dumps(value, ensure_ascii=False)
