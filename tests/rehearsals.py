"""Revisions that tests rehearse: each with its way back, and a copy of so many rows."""

from datetime import UTC, datetime
from pathlib import Path

from stationmaster.blocks.migration_rehearsal import Planned
from stationmaster.blocks.migration_rows import Asked
from tests.revisions import Scripts

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
NAME = "stm_rehearsal_test"


def with_total(root: Path) -> Scripts:
    """`e2` adds a column with an index to orders, and takes it away again."""
    scripts = Scripts.begin(root)
    add(scripts, "e2", "e1", "ALTER TABLE orders ADD total int", "CREATE INDEX ON orders (total)",
        down="ALTER TABLE orders DROP total")  # fmt: skip
    return scripts


def add(
    scripts: Scripts, name: str, after: str, *statements: str, down: str = "", more: str = "",
    depends: str | None = None,
) -> None:  # fmt: skip
    """A revision with a downgrade of one statement; without one it has none."""
    scripts.add(name, after, *statements, depends=depends)
    folder = "contract" if name.startswith("c") else "expand"
    file = scripts.root / "export" / "migrations" / "versions" / folder / f"{name}.py"
    back = f"\ndef downgrade():\n    op.execute({down!r})\n" if down else ""
    file.write_text(f"{file.read_text()}{back}{more}\n")


def planned(scripts: Scripts, *before: str, rows: int = 500, target: str = "expand@head") -> Planned:
    export = scripts.root / "export"
    return Planned(
        scripts=export / "migrations", target=target, cwd=export, home=scripts.root / "home",
        before=before or ("e1",), rows=Asked({"orders": rows}), timeout=120,
    )  # fmt: skip
