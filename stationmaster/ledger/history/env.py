"""Alembic's environment for the ledger: runs on the connection that `schema.py` hands over, in its transaction."""

from alembic import context

from stationmaster.ledger.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
