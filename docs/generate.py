"""Writes the reference pages out of the code: `docs/cli.md`, `docs/blocks.md` and `docs/settings.md`.

`make docs` runs it; a test compares what is committed with what it would write.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from stationmaster.blocks.toolbox import TOOLS
from stationmaster.cli.main import app
from stationmaster.domain.documents import schema

HERE = Path(__file__).parent


def pages() -> dict[str, str]:
    """File name to text."""
    return {"reference/cli.md": cli(), "reference/blocks.md": blocks(), "reference/settings.md": settings()}


def cli() -> str:
    """Every command with its options, as `--help` says it."""
    return app.generate_docs(recursive=True).rstrip() + "\n"


def blocks() -> str:
    """Every block and its fields."""
    lines = [
        "# Blocks",
        "",
        "Blocks say where things are and with which credentials. A product's blocks carry the product's name; they are",
        "edited in the Prefect UI under *Blocks*. The toolbox keeps the last good copy of each below",
        "`~/.stationmaster/blocks/`, readable by its owner alone.",
    ]
    for kind, tool in TOOLS.items():
        lines += ["", f"## stationmaster-{kind}", "", " ".join((tool.__doc__ or "").split()), "", *_fields(tool)]
    return "\n".join(lines) + "\n"


def settings() -> str:
    """Every key of `stationmaster.yaml`, the tenant directory and `approvers.yaml`."""
    lines = ["# Settings", "", "Generated from the models; `stationmaster schema` prints them for an editor."]
    for document, file in (
        ("product", "stationmaster.yaml"),
        ("tenants", "tenants.yaml"),
        ("approvers", "approvers.yaml"),
    ):
        found = schema(document)
        lines += ["", f"## {file}", "", *_properties(found)]
        for name, part in sorted(found.get("$defs", {}).items()):
            if "properties" in part:
                lines += ["", f"### {name}", "", " ".join(part.get("description", "").split()), "", *_properties(part)]
    return "\n".join(lines) + "\n"


def _fields(tool: type[BaseModel]) -> list[str]:
    rows = ["| field | what | |", "|---|---|---|"]
    for name, field in tool.model_fields.items():
        need = "required" if field.is_required() else "optional"
        rows.append(f"| `{name}` | {field.description or ''} | {need} |")
    return rows


def _properties(part: dict[str, Any]) -> list[str]:
    rows = ["| key | what | |", "|---|---|---|"]
    required = set(part.get("required", []))
    for name, value in part["properties"].items():
        need = "required" if name in required else _default(value)
        rows.append(f"| `{name}` | {' '.join(value.get('description', _kind(value)).split())} | {need} |")
    return rows


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    return "optional" if default in (None, "", [], {}) or isinstance(default, (dict, list)) else f"default `{default}`"


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value:
        return f"see {value['$ref'].rpartition('/')[2]}"
    if "items" in value:
        return f"list of {_kind(value['items'])}"
    return str(value.get("type") or value.get("const") or "value")


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
        print(f"docs/{name}")  # noqa: T201
