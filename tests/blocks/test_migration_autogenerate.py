"""`alembic revision --autogenerate` on a small project, with the hook in its env.py, on a real PostgreSQL."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, inspect

from tests.conftest import Postgres

ENV = """
import os
from alembic import context
from sqlalchemy import BigInteger, Column, MetaData, NullPool, Table, Text, create_engine

metadata = MetaData()
exec(context.config.attributes["models"])


def divided(*given):
    from stationmaster.blocks.migration_autogenerate import into_phases
    into_phases(*given)


with create_engine(context.config.attributes["url"], poolclass=NullPool).connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, process_revision_directives=divided)
    with context.begin_transaction():
        context.run_migrations()
"""
MAKO = '''"""${message}"""
from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
'''
ORDERS = "Table('orders', metadata, Column('id', BigInteger, primary_key=True), {})\n"
OLD = ORDERS.format("Column('note', Text)")
NEW = ORDERS.format("Column('total', BigInteger, index=True)") + ORDERS.replace("orders", "invoices").format("")


class Project:
    """A folder of revisions, a database, and models that change."""

    def __init__(self, root: Path, url: str) -> None:
        (root / "versions").mkdir()
        (root / "env.py").write_text(ENV)
        (root / "script.py.mako").write_text(MAKO)
        self.config = Config()
        self.config.set_main_option("script_location", str(root))
        self.config.set_main_option("path_separator", "os")
        self.config.attributes.update(url=url, models="")
        self.url = url

    def generate(self, models: str) -> None:
        self.config.attributes["models"] = models
        command.revision(self.config, "change", autogenerate=True)

    def upgrade(self, target: str) -> None:
        command.upgrade(self.config, target)

    @property
    def scripts(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(self.config)

    def columns(self, table: str) -> list[str]:
        engine = create_engine(self.url)
        try:
            return [one["name"] for one in inspect(engine).get_columns(table)]
        finally:
            engine.dispose()


@pytest.fixture
def project(tmp_path: Path, postgres: Postgres) -> Project:
    return Project(tmp_path, postgres.create())


def test_what_is_found_becomes_an_expand_and_a_contract_revision(project: Project) -> None:
    project.generate(OLD)
    (first,) = project.scripts.walk_revisions()
    assert (first.branch_labels, first.down_revision) == ({"expand"}, None)
    project.upgrade("heads")
    project.generate(NEW)
    expand, contract = (project.scripts.get_revision(f"{phase}@head") for phase in ("expand", "contract"))
    assert (expand.down_revision, contract.down_revision) == (first.revision, None)  # below the other branch
    assert contract.dependencies == expand.revision
    assert (expand.doc, contract.doc) == ("change (expand)", "change (contract)")
    project.upgrade("expand@head")
    assert project.columns("orders") == ["id", "note", "total"]
    assert project.columns("invoices") == ["id"]
    project.upgrade("contract@head")
    assert project.columns("orders") == ["id", "total"]
    command.downgrade(project.config, "contract@base")
    assert project.columns("orders") == ["id", "total", "note"]
    project.upgrade("heads")
    assert project.columns("orders") == ["id", "total"]


def test_later_ones_follow_their_branch(project: Project) -> None:
    for models in (OLD, NEW, OLD):
        project.generate(models)
        project.upgrade("heads")
    for phase in ("expand", "contract"):
        head = project.scripts.get_revision(f"{phase}@head")
        assert project.scripts.get_revision(str(head.down_revision)).doc == head.doc == f"change ({phase})"
    assert len(project.scripts.get_heads()) == 2


def test_what_cannot_be_divided_is_refused_and_nothing_is_written(project: Project) -> None:
    project.generate(OLD)
    project.upgrade("heads")
    with pytest.raises(CommandError, match="not divided into expand and contract: adds a column that must be given"):
        project.generate(OLD + "metadata.tables['orders'].append_column(Column('must', Text, nullable=False))")
    assert len(list(project.scripts.walk_revisions())) == 1
