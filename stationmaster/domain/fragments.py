"""Change fragments: one Markdown file per change, `changes/<id>.md`, with YAML front matter.

The thin gate of `docs/reference/brief.md`: a release brings at least one new fragment, each with a known kind and a
text; `refs` are the tickets that asked for it. What the other keys demand of a change comes with the notices.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from stationmaster.domain.documents import DocumentError
from stationmaster.domain.errors import RefusedError, nearest
from stationmaster.domain.located import Located, Problem, locate
from stationmaster.domain.ticket import SHAPE, is_ticket

KINDS = {
    "added": "Added",
    "changed": "Changed",
    "deprecated": "Deprecated",
    "removed": "Removed",
    "fixed": "Fixed",
    "security": "Security",
    "known_issue": "Known issue",
    "migration": "Migration",
    "operational": "Operational",
}
KEYS = (
    "kind", "audience", "tenants", "delivery", "integration", "breaking", "required_action", "notice_days",
    "deprecates", "impact", "flags", "migration", "support", "refs",
)  # fmt: skip
_REFS = ("pr", "ticket")
_FENCE = "---"
_HEADING = re.compile(r"^## (Upgrade|Internal)\s*$", re.MULTILINE)


class FragmentMissingError(RefusedError):
    """A release of which nobody wrote down what it changes."""

    code = "fragment_missing"

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"no change fragment came since the version that runs: {folder}/ has no new file",
            hint=f"add {folder}/<id>.md with `kind:` and a text to the pull request",
        )


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one change means to people. `internal` never leaves the company."""

    id: str
    kind: str
    text: str
    upgrade: str = ""
    internal: str = ""
    front: Mapping[str, Any] = field(default_factory=dict)

    @property
    def support(self) -> Mapping[str, Any]:
        """Macro, escalation and what to watch, as the change gives them."""
        given = self.front.get("support")
        return given if isinstance(given, dict) else {}

    @property
    def refs(self) -> tuple[str, ...]:
        """The tickets that asked for the change."""
        return tuple(_tickets(self.front.get("refs") or {}))


def read_fragments(texts: Mapping[str, str], folder: str) -> tuple[Fragment, ...]:
    """The fragments that came with a release, by path; other files of the folder are passed over.

    Raises:
        FragmentMissingError: there is none.
        DocumentError: one of them is wrong, with every problem of it.
    """
    paths = sorted(path for path in texts if path.endswith(".md") and PurePosixPath(path).name != "README.md")
    if not paths:
        raise FragmentMissingError(folder)
    return tuple(read_fragment(texts[path], path) for path in paths)


def read_fragment(text: str, path: str) -> Fragment:
    """One fragment.

    Raises:
        DocumentError: no front matter, an unknown key or kind, or no text.
    """
    front, body, start = _parts(text, path)
    problems = [*front.problems, *_front_problems(front)]
    sections = _sections(body)
    if not sections[""]:
        problems.append(Problem(start, "the fragment has no text", "say under the front matter what changes, for whom"))
    if problems:
        raise DocumentError(path, problems)
    return Fragment(
        PurePosixPath(path).stem,
        front.data["kind"],
        sections[""],
        sections["Upgrade"],
        sections["Internal"],
        front.data,
    )


def _parts(text: str, path: str) -> tuple[Located, str, int]:
    """Front matter, body, and the line on which the body starts."""
    lines = text.splitlines()
    ends = [number for number, line in enumerate(lines) if line.rstrip() == _FENCE]
    if len(ends) < 2 or ends[0] != 0:  # noqa: PLR2004 - it opens and closes
        hint = "start the file with a line ---, then `kind: …`, then a line ---"
        raise DocumentError(path, [Problem(1, "the fragment has no front matter", hint)])
    # The first line stays, as a document start, so that the lines of the front matter are those of the file.
    return locate("\n".join(lines[: ends[1]]) + "\n"), "\n".join(lines[ends[1] + 1 :]), ends[1] + 2


def _front_problems(front: Located) -> list[Problem]:
    if front.problems:
        return []
    if not isinstance(front.data, dict):
        return [Problem(1, "the front matter is not a mapping of keys to values", "write `kind: added` or the like")]
    kind = front.data.get("kind")
    unknown = [key for key in front.data if key not in KEYS]
    problems = [Problem(front.line((key,)), f"unknown key {key!r}", nearest(key, KEYS)) for key in unknown]
    if "kind" not in front.data:
        problems.append(Problem(1, "missing key 'kind'", nearest("", KINDS)))
    elif kind not in KINDS:
        problems.append(Problem(front.line(("kind",)), f"unknown kind {kind!r}", nearest(str(kind), KINDS)))
    return [*problems, *_refs_problems(front)]


def _refs_problems(front: Located) -> list[Problem]:
    refs = front.data.get("refs")
    if refs is None:
        return []
    if not isinstance(refs, dict):
        hint = "write `refs: {pr: 12, ticket: CHG-4711}`"
        return [Problem(front.line(("refs",)), f"`refs` is {refs!r}, not a mapping of keys to values", hint)]
    unknown = [key for key in refs if key not in _REFS]
    return [
        *(
            Problem(front.line(("refs", key)), f"unknown key {key!r} of refs", nearest(str(key), _REFS))
            for key in unknown
        ),
        *(
            Problem(front.line(("refs", "ticket")), f"{ref!r} is not a ticket", f"a ticket is {SHAPE}")
            for ref in _tickets(refs)
            if not is_ticket(ref)
        ),
    ]


def _tickets(refs: Mapping[str, Any]) -> list[Any]:
    """One ticket or a list of them."""
    given = refs.get("ticket")
    return given if isinstance(given, list) else [] if given is None else [given]


def _sections(body: str) -> dict[str, str]:
    """The customer's text under "", and the named sections."""
    first, *rest = _HEADING.split(body)
    named = dict(zip(rest[::2], (part.strip() for part in rest[1::2]), strict=True))
    return {"": first.strip(), "Upgrade": "", "Internal": "", **named}
