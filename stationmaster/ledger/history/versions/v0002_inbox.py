"""The inbox of merged changes, and how often deliveries were ignored or refused."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("hook", sa.String, nullable=False),
        sa.Column("delivery", sa.String, nullable=False),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("merge_commit", sa.String, nullable=False),
        sa.Column("change", sa.LargeBinary, nullable=False),
        sa.Column("accepted_at", sa.String, nullable=False),
        sa.Column("boarded_at", sa.String),
        sa.UniqueConstraint("hook", "delivery", name="inbox_delivery"),
        sa.UniqueConstraint("product", "merge_commit", name="inbox_change"),
    )
    op.create_table(
        "inbox_counts",
        sa.Column("hook", sa.String, primary_key=True),
        sa.Column("outcome", sa.String, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.String, nullable=False),
    )
