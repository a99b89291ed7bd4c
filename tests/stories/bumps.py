"""Further releases of the sandbox's product, made on the spot: each adds a column, counts itself, and has a version."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.stories.sandbox import Sandbox

_REVISION = '''"""A column that nobody uses, and a row that says how often this ran."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("bump_{revision}", sa.Integer, nullable=True))
    op.execute("CREATE TABLE IF NOT EXISTS applied (revision text)")
    op.execute("INSERT INTO applied (revision) VALUES ('{revision}')")


def downgrade() -> None:
    op.drop_column("orders", "bump_{revision}")
    op.execute("DELETE FROM applied WHERE revision = '{revision}'")
    op.execute("DO $$BEGIN IF NOT EXISTS (SELECT FROM applied) THEN DROP TABLE applied; END IF; END$$")
'''
_FRAGMENT = """---
kind: migration
audience: internal
delivery: enabled
breaking: false
migration: {revision}
---
Release {version} adds a column.
"""


@dataclass(frozen=True)
class Bump:
    """A tagged commit."""

    version: str
    commit: str
    revision: str

    @property
    def release(self) -> str:
        return f"bump-{self.revision}"

    @property
    def tag(self) -> str:
        return f"v{self.version}"


def bump(sandbox: Sandbox) -> Bump:
    """The next version, on top of the one that runs in production."""
    repository = sandbox.run_dir / "orderdesk"
    with sandbox.ledger() as ledger:
        base = ledger.running()["alpina"].fact["commit"]
    number = len(_git(repository, "tag", "--list", "v1.9.*").split()) + 1
    made = Bump(f"1.9.{number}", "", f"b{number:011d}")
    with tempfile.TemporaryDirectory(prefix="stm-bump-", dir="/tmp") as folder:
        tree = Path(folder) / "tree"
        _git(repository, "worktree", "add", "--quiet", "--detach", str(tree), base)
        _write(tree, made)
        _git(tree, "add", "--all")
        _git(tree, "commit", "--quiet", "--message", f"Release {made.version}")
        _git(tree, "tag", made.tag)
        commit = _git(tree, "rev-parse", "HEAD").strip()
        _git(repository, "worktree", "remove", "--force", str(tree))
    return Bump(made.version, commit, made.revision)


def _write(tree: Path, made: Bump) -> None:
    expand = tree / "migrations" / "versions" / "expand"
    texts = [path.read_text() for path in expand.glob("*.py")]
    named, followed = (_values(name, "\n".join(texts)) for name in ("revision", "down_revision"))
    (before,) = named - followed
    (expand / f"{made.revision}_bump.py").write_text(_REVISION.format(revision=made.revision, before=before))
    (tree / "changes" / f"{made.revision}.md").write_text(
        _FRAGMENT.format(revision=made.revision, version=made.version)
    )
    package = tree / "src" / "orderdesk" / "__init__.py"
    package.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{made.version}"', package.read_text()))


def _values(name: str, text: str) -> set[str]:
    return set(re.findall(rf'^{name} = "(\w+)"', text, re.MULTILINE))


def _git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Ines Carvalho", "-c", "user.email=ines.carvalho@orderdesk.example")
    done = subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
