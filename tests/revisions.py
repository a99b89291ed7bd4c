"""Alembic revisions that a test writes: two labelled branches from one root, as a product has them."""

from dataclasses import dataclass
from pathlib import Path

from stationmaster.blocks.database import Revisions
from stationmaster.domain.product import Database

ENV = """
import os
from alembic import context
from sqlalchemy import create_engine, make_url
def run(**options):
    context.configure(transaction_per_migration=True, **options)
    with context.begin_transaction():
        context.run_migrations()
if context.is_offline_mode():
    run(dialect_name="postgresql", literal_binds=True)
else:
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
    with create_engine(url).connect() as connection:
        run(connection=connection)
"""


@dataclass(frozen=True)
class Scripts:
    """A clean export whose `migrations/` has an env.py, a root, and the heads of `expand` and `contract`."""

    root: Path

    @classmethod
    def begin(cls, root: Path) -> "Scripts":
        scripts = cls(root)
        (root / "export" / "migrations").mkdir(parents=True)
        (root / "home").mkdir()
        (root / "export" / "migrations" / "env.py").write_text(ENV)
        scripts.add("root", None)
        scripts.add("c0", "root", label="contract")
        scripts.add("e1", "root", "CREATE TABLE orders (id int PRIMARY KEY)", label="expand")
        return scripts

    def add(
        self,
        name: str,
        after: str | None,
        *statements: str,
        label: str = "",
        depends: str | None = None,
        code: str = "",
    ) -> None:
        folder = self.root / "export" / "migrations" / "versions" / ("contract" if name.startswith("c") else "expand")
        folder.mkdir(parents=True, exist_ok=True)
        body = [*(f"op.execute({statement!r})" for statement in statements), *code.splitlines(), "pass"]
        head = f"revision, down_revision, depends_on, branch_labels = {(name, after, depends, label or None)}\n"
        lines = "".join(f"    {line}\n" for line in body)
        (folder / f"{name}.py").write_text(f"from alembic import op\n{head}\ndef upgrade():\n{lines}")

    def revisions(self, expand: str = "expand@head", timeout: int = 60) -> Revisions:
        database = Database(migrations="migrations", expand=expand, timeout=timeout)
        return Revisions(database, self.root / "export", self.root / "home")
