"""Alembic revisions that a test writes into a folder, recorded in this process and judged."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from stationmaster.blocks import migration_recording
from stationmaster.domain.migration_recorded import Recorded
from stationmaster.domain.migration_revisions import Judged, judge

HEAD = "import sqlalchemy as sa\nfrom alembic import op\nfrom sqlalchemy.orm import Session\n"
DOWN = "\n\ndef downgrade():\n    op.execute('SELECT 1')\n"


@dataclass(frozen=True)
class Written:
    """A folder of revisions; each is written with its identifiers, and follows the one before it."""

    root: Path

    def add(self, name: str, after: str | None, code: str, *, label: str | None = None, down: str = DOWN) -> Path:
        """A revision whose upgrade is `code`."""
        body = dedent(code).strip("\n") or "pass"
        lines = "\n".join(f"    {line}" if line else "" for line in body.splitlines())
        return self.whole(name, after, f"def upgrade():\n{lines}\n{down}", label=label)

    def whole(self, name: str, after: str | None, rest: str, *, label: str | None = None) -> Path:
        """A revision of which everything below the identifiers is given."""
        folder = self.root / "versions"
        folder.mkdir(parents=True, exist_ok=True)
        names = f"revision = {name!r}\ndown_revision = {after!r}\nbranch_labels = {label!r}\n"
        file = folder / f"{name}.py"
        file.write_text(f"{HEAD}\n{names}\n{rest}\n")
        return file

    def recorded(self) -> list[Recorded]:
        return [self.one(file) for file in sorted((self.root / "versions").rglob("*.py"))]

    def one(self, file: Path, below: Path | None = None) -> Recorded:
        said = migration_recording.recorded(file, self.root, self.root)
        shown = file.relative_to(below or self.root).as_posix()
        return Recorded.of(shown, file.read_text(), said)

    def judged(self) -> dict[str, Judged]:
        return {one.revision.name: one for one in judge(self.recorded())}

    def found(self) -> dict[str, list[tuple[str, str]]]:
        """Rule and severity of every finding, by revision."""
        return {name: kinds(one) for name, one in self.judged().items()}


def kinds(judged: Judged) -> list[tuple[str, str]]:
    return [(one.rule, one.severity) for one in judged.findings]


def rules(judged: Judged) -> list[str]:
    return [one.rule for one in judged.findings]


def line_of(file: Path, words: str) -> int:
    """The only line that has these words."""
    (line,) = [number for number, text in enumerate(file.read_text().splitlines(), 1) if words in text]
    return line


def sql_of(recorded: Recorded, run: int = 0) -> list[str]:
    return [one.sql for one in recorded.runs[run].operations]


def errors(all_: Iterable[Judged]) -> list[str]:
    return [one.rule for judged in all_ for one in judged.findings if one.severity == "error"]
