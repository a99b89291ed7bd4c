"""One commit that was merged into two branches is two changes: the branch belongs to the key of the inbox."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_inbox = sa.table("inbox", sa.column("id"), sa.column("change"), sa.column("base"))


def upgrade() -> None:
    op.add_column("inbox", sa.Column("base", sa.String))
    connection = op.get_bind()
    for row in connection.execute(sa.select(_inbox.c.id, _inbox.c.change)).all():
        base = json.loads(bytes(row.change))["base"]
        connection.execute(sa.update(_inbox).where(_inbox.c.id == row.id).values(base=base))
    if connection.dialect.name == "sqlite":
        _anew()
    else:
        _rekey()


def _rekey() -> None:
    with op.batch_alter_table("inbox") as batch:
        batch.alter_column("base", existing_type=sa.String(), nullable=False)
        batch.drop_constraint("inbox_change", type_="unique")
        batch.create_unique_constraint("inbox_change", ["product", "merge_commit", "base"])


def _anew() -> None:
    """SQLite changes a key by making the table anew, and drops none to whose rows others point: the notes step aside,
    in the same transaction.
    """
    op.execute("CREATE TABLE inbox_notes_aside AS SELECT * FROM inbox_notes")
    op.execute("DELETE FROM inbox_notes")
    _rekey()
    op.execute(
        "INSERT INTO inbox_notes (id, change, kind, at, content)"
        " SELECT id, change, kind, at, content FROM inbox_notes_aside"
    )
    op.execute("DROP TABLE inbox_notes_aside")
