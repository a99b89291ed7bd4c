"""Writes the reference out of the code: whole pages, and the tables between `<!-- generated: NAME -->` and
`<!-- end -->`.

`make docs` runs it; a test compares what is committed with what it would write. It imports no flow, so that asking
costs no Prefect.
"""

import ast
import importlib
import inspect
import json
import re
from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML

from stationmaster.blocks.toolbox import KINDS
from stationmaster.cli.main import app
from stationmaster.domain import backfill_states, errors, stages
from stationmaster.domain.backfills import Backfill
from stationmaster.domain.documents import schema
from stationmaster.domain.entries import OBSERVED, STEPS, UNDONE_BY
from stationmaster.domain.errors import Exit
from stationmaster.domain.migration_rule import Rule
from stationmaster.domain.migration_rules import EVERY, OF_REVISION

HERE = Path(__file__).parent
ROOT = HERE.parent
FLOORS = ("stationmaster", "deployments", "flows", "tasks", "blocks")
_ROOT_OF_ERRORS = errors.StationmasterError.__name__
FILES = {
    "product": "stationmaster.yaml", "tenants": "tenants.yaml", "calendar": "calendar files",
    "approvers": "approvers.yaml",
}  # fmt: skip
_SECTION = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_STARTED_AS = re.compile(r"^(stationmaster [a-z -]+?) -m [\w.]+(?= |$)", re.MULTILINE)
"""What the library adds to a usage line where the generator runs inside `python -m …`: the words of that program."""
_REMARK = re.compile(r'^\s*"?(\w+)"?(?: = \d+|,)  # (.+)$', re.MULTILINE)


def pages() -> dict[str, str]:
    """File name to text: the pages that are wholly generated, and those that have a generated part."""
    whole = {
        "reference/cli.md": cli(),
        "reference/flows.md": flows(),
        "reference/blocks.md": blocks(),
        "reference/settings.md": settings(),
        "reference/errors.md": error_codes(),
        "decisions/index.md": decisions(),
    }
    parts = {
        f"reference/{name}.md": _filled(HERE / "reference" / f"{name}.md")
        for name in ("stages", "ledger", "migration-rules", "migration-corpus", "backfills")
    }
    return whole | parts


def _filled(page: Path) -> str:
    """The page with each of its tables as it is now."""
    return _SECTION.sub(lambda found: f"{found[1]}\n{_TABLES[found[2]]()}\n\n{found[4]}", page.read_text("utf-8"))


def cli() -> str:
    """Every command with its options, as `--help` says it; without the table of contents that a site has anyway."""
    text = app.generate_docs(recursive=True).rstrip() + "\n"
    text = _STARTED_AS.sub(r"\1", text)
    plain = re.sub(r"^## Table of Contents\n.*?(?=^\*\*Commands)", "", text, flags=re.DOTALL | re.MULTILINE)
    return plain.replace("# stationmaster\n", "# Commands\n", 1)


def blocks() -> str:
    """Every block and its fields."""
    lines = [
        "# Blocks",
        "",
        "Blocks say where things are and with which credentials. A product's blocks carry the product's name; they are",
        "edited in the Prefect UI under *Blocks*. The toolbox keeps the last good copy of each below",
        "`~/.stationmaster/blocks/`, readable by its owner alone.",
    ]
    for kind, tool in KINDS.items():
        lines += ["", f"## stationmaster-{kind}", "", _one_line(tool.__doc__), "", *_keys(tool.model_json_schema())]
    return "\n".join(lines) + "\n"


def settings() -> str:
    """Every key of `stationmaster.yaml`, the tenant directory and `approvers.yaml`."""
    lines = [
        "# Keys of the files",
        "",
        "Generated from the models; `stationmaster schema` prints them for an editor. Whole files to start from are in",
        "[The files](configuration.md).",
    ]
    known: dict[str, Any] = {}
    for document, file in FILES.items():
        found = schema(document)
        other = {name for name, part in found.get("$defs", {}).items() if known.get(name, part) != part}
        found = _renamed(found, other, file)
        lines += ["", f"## {file}", "", *_keys(found, set(known))]
        known |= found.get("$defs", {})
    return "\n".join(lines) + "\n"


def flows() -> str:
    """Every deployment, with the form that the Prefect UI makes of its flow's parameters."""
    lines = [
        "# Flows",
        "",
        "What `stationmaster up` registers with the Prefect server, from",
        "[`deployments/prefect.yaml`](../../deployments/prefect.yaml). The UI lists them under *Deployments*;",
        "the form of *Run* has these keys.",
    ]
    for row in YAML(typ="safe").load((ROOT / "deployments/prefect.yaml").read_text("utf-8"))["deployments"]:
        module, _, function = row["entrypoint"].rpartition(".")
        source = ROOT / (module.removeprefix("stationmaster.").replace(".", "/") + ".py")
        lines += ["", f"## {function}/{row['name']}", "", _one_line(row["description"]), ""]
        lines += [f"Code: [`{source.relative_to(ROOT)}`](../../{source.relative_to(ROOT)})."]
        lines += [line for parameter in _parameters(source, function) for line in ("", *parameter)]
    return "\n".join(lines) + "\n"


def _parameters(source: Path, flow: str) -> Iterator[list[str]]:
    """The parameters of a flow, read and not imported: a flow costs Prefect, its models do not."""
    tree = ast.parse(source.read_text("utf-8"))
    (found,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == flow]
    homes = {name.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for name in node.names}
    for argument in found.args.args + found.args.kwonlyargs:
        kind = ast.unparse(argument.annotation) if argument.annotation else "any value"
        model = getattr(importlib.import_module(homes[kind] or ""), kind) if kind in homes else None
        if isinstance(model, type) and issubclass(model, BaseModel):
            keys = _keys(model.model_json_schema())
            yield [f"Parameter `{argument.arg}`: {_one_line(model.__doc__)}", "", *keys]
        else:
            yield [f"Parameter `{argument.arg}`: `{kind}`."]


def error_codes() -> str:
    """Exit codes, and every error with its code."""
    lines = [
        "# Exit codes and errors",
        "",
        "| exit code | meaning |",
        "|---|---|",
        *(f"| {Exit[name].value} | {remark} |" for name, remark in _REMARK.findall(inspect.getsource(Exit))),
        "",
        "With `--json` an error is one object on standard output; without, message and hint are said in words.",
        "",
        "```json",
        json.dumps({"error": errors.StationmasterError("what happened", hint="the way out").record()}, indent=2),
        "```",
        "",
        "`file` and `line` say where in a file that people write, or are null. An error that a release met is shown by",
        "`stationmaster release why` as well.",
        "",
        "| code | meaning | exit code |",
        "|---|---|---|",
        *(f"| `{code}` | {meaning} | {ends} |" for code, meaning, ends in sorted(_errors())),
    ]
    return "\n".join(lines) + "\n"


def _errors() -> Iterator[tuple[str, str, int]]:
    """Code, meaning and exit code of every named error, read and not imported."""
    files = [file for floor in FLOORS for file in sorted((ROOT / floor).rglob("*.py"))]
    nodes = [node for file in files for node in ast.parse(file.read_text("utf-8")).body]
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    for node in classes.values():
        line = _lineage(node, classes)
        if line[-1].name == _ROOT_OF_ERRORS and node is not line[-1] and "code" in _constants(node):
            ends = next(said["exit"] for said in map(_constants, line) if "exit" in said)
            yield _constants(node)["code"].strip("'"), _one_line(ast.get_docstring(node)), Exit[ends.rpartition(".")[2]]


def _lineage(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> list[ast.ClassDef]:
    """The class and what it inherits from, by its first base."""
    base = node.bases[0] if node.bases else None
    known = classes.get(base.id) if isinstance(base, ast.Name) else None
    return [node, *(_lineage(known, classes) if known else [])]


def _constants(node: ast.ClassDef) -> dict[str, str]:
    """What the class says in its body: name to the text of the value."""
    plain = [(line.targets[0], line.value) for line in node.body if isinstance(line, ast.Assign)]
    typed = [(line.target, line.value) for line in node.body if isinstance(line, ast.AnnAssign) and line.value]
    return {ast.unparse(name): ast.unparse(value) for name, value in plain + typed}


def decisions() -> str:
    """Every decision by its date, newest last."""
    rows = []
    for page in sorted((HERE / "decisions").glob("2*.md")):
        title = page.read_text("utf-8").partition("\n")[0].lstrip("# ")
        plain = title.replace(page.name[:10], "").replace("()", "").strip(" :")
        rows.append(f"| {page.name[:10]} | [{plain[0].upper() + plain[1:]}]({page.name}) |")
    told = "Why it is so, and what was not chosen."
    return "\n".join(["# Decisions", "", told, "", "| date | decision |", "|---|---|", *rows]) + "\n"


def _step_table() -> str:
    rows = ["| Step | Kind | What its fact says | Undone by |", "|---|---|---|---|"]
    for step, says in STEPS.items():
        undone = ", ".join(f"`{one}`" for one in sorted(UNDONE_BY[step]))
        rows.append(f"| `{step}` | {'observed' if step in OBSERVED else 'fact'} | {says} | {undone} |")
    return "\n".join(rows)


def _stage_table() -> str:
    said = {name: remark for name, remark in _REMARK.findall(inspect.getsource(stages)) if name in stages.STAGES}
    return "\n".join(
        ["| Stage | What it means |", "|---|---|", *(f"| `{one}` | {said[one]} |" for one in stages.STAGES)]
    )


def _edge_table() -> str:
    rows = ["| From | Entry | To | Who causes it |", "|---|---|---|---|"]
    for (before, to, by), edges in groupby(stages.EDGES, lambda edge: (edge.stages, edge.to, edge.by)):
        start = "any stage" if before == stages.STAGES else ", ".join(f"`{stage}`" for stage in before)
        target = {"same": "the same", "reached": "the furthest reached"}.get(to, f"`{to}`")
        rows.append(f"| {start} | {', '.join(f'`{edge.event}`' for edge in edges)} | {target} | {by} |")
    return "\n".join(rows)


def _backfill_keys() -> str:
    return "\n".join(_keys(Backfill.model_json_schema()))


def _backfill_edges() -> str:
    rows = ["| From | Event | To | Who causes it |", "|---|---|---|---|"]
    for edge in backfill_states.EDGES:
        before = ", ".join(f"`{state}`" for state in edge.states)
        rows.append(f"| {before} | `{edge.event}` | `{edge.to}` | {edge.by} |")
    return "\n".join(rows)


def _rule_table() -> str:
    """Every rule of the linter of schema changes, to look up."""
    rows = ["| rule | severity | lock | what |", "|---|---|---|---|"]
    rows += [
        f"| [`{one.id}`](#{one.id}) | {one.severity} | {one.lock or 'none'} | {one.title} |" for one in EVERY.values()
    ]
    return "\n".join(rows)


def _rule_examples() -> str:
    """Each rule with what it costs, the way out, and its example."""
    lines: list[str] = []
    for group, rules in groupby(sorted(EVERY.values(), key=_last_the_text), lambda rule: rule.group):
        lines += ["", f"## {group}", *(line for rule in rules for line in _rule(rule))]
    return "\n".join(lines[1:])


def _rule(rule: Rule) -> list[str]:
    costs = [f"Lock: {rule.lock or 'none'}."]
    costs += ["Writes the table anew."] * rule.rewrites + ["Reads the whole table."] * rule.scans
    costs += ["Refused by the gate of a release."] * rule.refused
    examples = [_example(rule, word, text) for word, text in (("bad", rule.bad), ("good", rule.good))]
    about = f"{rule.title}. Severity: {rule.severity}. {' '.join(costs)}"
    return [
        "",
        f"### {rule.id}",
        "",
        about,
        "",
        f"Instead: {rule.fix}.",
        *(line for one in examples for line in ("", one)),
    ]


def _statements(sql: str) -> str:
    """One statement a line."""
    return sql.replace("; ", ";\n") + ";"


def _last_the_text(rule: Rule) -> bool:
    return rule.group == "The text itself"


def _example(rule: Rule, word: str, text: str) -> str:
    """SQL, or the part of a revision below its identifiers."""
    if rule.id in OF_REVISION:
        return f"```python\n# {word}\n{text}\n```"
    return f"```sql\n-- {word}\n{_statements(text)}\n```"


def _squawk_table() -> str:
    """Where the linter says something else than squawk does of squawk's own cases."""
    cases = YAML(typ="safe").load((ROOT / "tests/domain/squawk_cases.yaml").read_text("utf-8"))
    rows = ["| squawk's rule and case | squawk | here | why |", "|---|---|---|---|"]
    for case in cases:
        if why := case.get("differs"):
            said, ours = ("found", "not found") if case["found"] else ("not found", "found")
            rows.append(f"| `{case['squawk']}`, {case['case'].replace('_', ' ')} | {said} | {ours} | {why} |")
    return "\n".join(rows)


def _corpus_table() -> str:
    """What `python -m benchmarks migration-corpus` last wrote."""
    found = json.loads((ROOT / "benchmarks/results/migration_corpus.json").read_text("utf-8"))
    products = [one for one in found.values() if isinstance(one, dict)]
    rows = ["| release | revisions | rendered | share |", "|---|---|---|---|"]
    rows += [f"| {one['release']} | {one['revisions']} | {one['rendered']} | {one['share']:.1%} |" for one in products]
    rows += [f"| together | {found['revisions']} | {found['rendered']} | {found['share']:.1%} |"]
    rows += ["", "| unrenderable | line | why |", "|---|---|---|"]
    for one in products:
        rows += [
            f"| {one['release'].partition('=')[0]} {each['file']} | {each['line']} | {_cell(each['reason'])} |"
            for each in one["unrenderable"]
        ]
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


_TABLES = {
    "steps": _step_table, "stages": _stage_table, "edges": _edge_table, "rules": _rule_table,
    "examples": _rule_examples, "squawk": _squawk_table, "corpus": _corpus_table, "backfill_keys": _backfill_keys,
    "backfill_edges": _backfill_edges,
}  # fmt: skip


def _keys(found: dict[str, Any], told: Collection[str] = ()) -> Iterator[str]:
    """The keys of a schema, and under a heading each those of the parts that they refer to, but what was `told`."""
    parts = found.get("$defs", {})
    yield from _properties(found, parts)
    for name, part in sorted(parts.items()):
        if "properties" in part and name not in told:
            yield from ("", f"### {name}", "", _one_line(part.get("description")), "", *_properties(part, parts))


def _renamed(found: dict[str, Any], taken: Collection[str], file: str) -> dict[str, Any]:
    """The schema with other names for the parts whose names another file of the same page has taken."""
    text = json.dumps(found)
    for name in taken:
        text = text.replace(f'"{name}": {{', f'"{name} of {file}": {{').replace(f'/{name}"', f'/{name} of {file}"')
    return dict(json.loads(text))


def _properties(part: dict[str, Any], parts: dict[str, Any]) -> list[str]:
    """One row a key. A column that would be empty is left out. `parts` are those that a key may refer to."""
    required = set(part.get("required", []))
    heads, rows = ["key", "in the form", "what", "type", "needed", "example"], []
    titles = {name: value.get("title", "") for name, value in part["properties"].items()}
    said = any(title not in {"", name.strip("_").replace("_", " ").title()} for name, title in titles.items())
    for name, value in part["properties"].items():
        need = "required" if name in required else _default(value)
        what = _one_line(value.get("description")) or _of_part(value, parts)
        rows.append([f"`{name}`", titles[name] if said else "", what, _kind(value), need, _examples(value)])
    kept = [number for number in range(len(heads)) if any(row[number] for row in rows)]
    table = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(row[number].replace("|", "\\|") for number in kept) + " |" for row in table]


def _of_part(value: dict[str, Any], parts: dict[str, Any]) -> str:
    """The first sentence of the part that a key refers to."""
    for one in (value, value.get("items", {}), value.get("additionalProperties", {}), *value.get("anyOf", [])):
        if isinstance(one, dict) and "$ref" in one:
            said = _one_line(parts[one["$ref"].rpartition("/")[2]].get("description"))
            return said.partition(". ")[0].rstrip(".") + "."
    return ""


def _examples(value: dict[str, Any]) -> str:
    found = value.get("examples", [])
    return ", ".join(f"`{one if isinstance(one, str) else json.dumps(one)}`" for one in found)


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    if default in (None, "", [], {}) or isinstance(default, (dict, list)):
        return "optional"
    return f"default `{default if isinstance(default, str) else json.dumps(default)}`"


def _kind(value: dict[str, Any]) -> str:
    """What may stand there, in a word or two."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{re.sub('[^a-z0-9 ]', '', name.lower()).replace(' ', '-')})"
    if "enum" in value or "const" in value:
        return " or ".join(f"`{one}`" for one in value.get("enum", [value.get("const")]))
    if "anyOf" in value:
        return _either(value["anyOf"])
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}" if "items" in value else "list"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"key to {_kind(value['additionalProperties'])}"
    return _WORDS.get(value.get("format", ""), _WORDS.get(value.get("type", ""), "any value"))


def _either(kinds: list[dict[str, Any]]) -> str:
    if [kind.get("type") for kind in kinds] == ["string", "integer"]:
        return "duration"
    return " or ".join(_kind(kind) for kind in kinds if kind.get("type") != "null")


_WORDS = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "object": "keys",
    "date": "day", "date-time": "instant", "password": "secret",
}  # fmt: skip


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
        print(f"docs/{name}")  # noqa: T201
