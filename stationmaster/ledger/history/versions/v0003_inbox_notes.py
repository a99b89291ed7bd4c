"""What the worker of the inbox learnt and decided, and how far each hook's host was asked."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbox_notes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("change", sa.BigInteger, sa.ForeignKey("inbox.id"), nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_index("inbox_notes_change", "inbox_notes", ["change", "id"])
    op.create_table(
        "inbox_cursors",
        sa.Column("hook", sa.String, primary_key=True),
        sa.Column("cursor", sa.String, nullable=False),
    )
