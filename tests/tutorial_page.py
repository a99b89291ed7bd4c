"""A tutorial page as something to be walked: its files, its commands and what it shows of their output."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_FENCE = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)
_CODE = re.compile(r"# exit code (\d+)")


@dataclass(frozen=True)
class Part:
    """A fenced block: a file to paste, commands to type (`sh`), or what is shown of the output before (`text`)."""

    kind: Literal["file", "typed", "shown"]
    text: str
    name: str = ""

    @property
    def commands(self) -> list[tuple[str, int]]:
        """Each line, and the exit code that the page says it has; 0 where it says none."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        return [(line, int(found[1]) if (found := _CODE.search(line)) else 0) for line in lines]

    def missing_in(self, output: str) -> str | None:
        """The first line that the output does not have, in this order; `…` stands for anything in a line."""
        place = 0
        for line in (line for line in self.text.splitlines() if line.strip("… ")):
            pattern = ".*".join(re.escape(part) for part in line.strip().split("…"))
            found = re.compile(pattern).search(output, place)
            if found is None:
                return line
            place = found.end()
        return None


def parts(page: Path) -> Iterator[Part]:
    """The page's blocks in their order. A block that is none of the three kinds is an error of the page's."""
    for found in _FENCE.finditer(page.read_text("utf-8")):
        if found["title"]:
            yield Part("file", found["text"], found["title"])
        elif found["language"] in ("sh", "text"):
            yield Part("typed" if found["language"] == "sh" else "shown", found["text"])
        else:
            raise AssertionError(f"a {found['language']} block without a title: {found['text'][:60]}")
