"""How the rows of a range get their new values: PostgreSQL computes them."""

from stationmaster.blocks.backfill_sessions import Connection
from stationmaster.domain.backfill_statements import Filling, Key, Range, Tenant


class BySql:
    """One UPDATE of the range."""

    def __init__(self, filling: Filling) -> None:
        self._filling = filling

    def __call__(
        self, connection: Connection, tenant: Tenant, within: Range, skipped: list[Key], *, mend: bool
    ) -> tuple[int, int]:
        cursor = connection.execute(self._filling.fill(tenant, within, skipped, mend=mend).encode())
        if cursor.description is None:
            return cursor.rowcount, 0
        row = cursor.fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)
