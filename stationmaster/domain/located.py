"""YAML text as plain data that knows its lines.

Finds what YAML itself forbids: bad syntax, tabs, duplicate keys, aliases (a short text must not unfold into a huge
one). What the data means is decided by `domain/documents.py`.
"""

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Place = tuple[str | int, ...]
_SHORT, _DEEPEST = 4000, 100  # characters; collections in one another


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a text: where, what, and what to write instead."""

    line: int | None
    message: str
    hint: str | None = None


class PlaceError(ValueError):
    """What is wrong with a whole, which shows at one place of it."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


@dataclass
class Located:
    """Data, the line of every key and item in it, and the problems met on the way."""

    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, place: Place) -> int | None:
        """The line of a place, or of the nearest thing around it."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return None


def locate(text: str) -> Located:
    """Text → data with lines. Syntax errors are problems of the result, never exceptions."""
    found = Located()
    yaml = YAML(typ="safe", pure=True, plug_ins=[])
    try:
        root = _composed(text) or yaml.compose(text)
        if root is not None:
            found.lines[()] = root.start_mark.line + 1
            found.data = _Reader(yaml, found).value(root, ())
    except MarkedYAMLError as error:
        found.problems.append(_syntax(error))
    except (YAMLError, ValueError) as error:
        found.problems.append(Problem(None, f"this is not YAML: {error}".splitlines()[0]))
    except RecursionError:
        found.problems.append(Problem(None, "the text is nested too deeply"))
    return found


def _composed(text: str) -> Node | None:
    """The nodes as libyaml makes them, several times as fast; None where it does not. It words its complaints in its
    own way and ignores %YAML, so that what it refuses is read again. It makes nodes by recursion in C, which a short
    text can exhaust: first it is asked how deep they lie.
    """
    if "%YAML" in text:
        return None
    try:
        root: Node | None = (
            None if len(text) > _SHORT and _too_deep(text) else YAML(typ="safe", plug_ins=[]).compose(text)
        )
    except (YAMLError, ValueError):
        return None
    return root


def _too_deep(text: str) -> bool:
    depth = 0
    for event in YAML(typ="safe", plug_ins=[]).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _DEEPEST:
            return True
    return False


def _syntax(error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else None
    if "'\\t'" in str(error.problem):
        return Problem(line, "a tab; YAML is indented with spaces", "replace the tab by spaces")
    return Problem(line, f"this is not YAML: {error.problem or error.context}")


class _Reader:
    """Walks the composed nodes once; each node is read at one place only."""

    def __init__(self, yaml: YAML, found: Located) -> None:
        self._yaml = yaml
        self._found = found
        self._seen: set[int] = set()

    def value(self, node: Node, place: Place) -> Any:  # noqa: ANN401 - YAML holds anything
        if id(node) in self._seen:
            return self._alias(node, place)
        self._seen.add(id(node))
        if isinstance(node, MappingNode):
            return self._mapping(node, place)
        if isinstance(node, SequenceNode):
            return [self._item(item, (*place, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)  # noqa: S101 - the composer knows three kinds
        return self._scalar(node)

    def _alias(self, node: Node, place: Place) -> None:
        line = self._found.line(place)
        self._found.problems.append(
            Problem(line, f"an alias of line {node.start_mark.line + 1}", "write the value out; aliases are not read")
        )

    def _item(self, node: Node, place: Place) -> Any:  # noqa: ANN401
        self._found.lines[place] = node.start_mark.line + 1
        return self.value(node, place)

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in data:
                first = self._found.lines[(*place, key)]
                self._found.problems.append(Problem(line, f"{key!r} is given twice, first in line {first}"))
                continue
            self._found.lines[(*place, key)] = line
            data[key] = self.value(value_node, (*place, key))
        return data

    def _scalar(self, node: ScalarNode) -> Any:  # noqa: ANN401
        try:
            return self._yaml.constructor.construct_object(node)
        except (MarkedYAMLError, ValueError) as error:
            what = error.problem if isinstance(error, MarkedYAMLError) else error
            self._found.problems.append(Problem(node.start_mark.line + 1, f"{node.value!r} cannot be read: {what}"))
            return None
