"""How long a rehearsal on a million made-up rows takes, and how well its estimate fits what a second copy takes.

The change adds a column, builds an index and rewrites the table by a type; it is rehearsed, and then run by the runner
on another database that was filled the same way. `python -m benchmarks migration_rehearsal`.
"""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks._migration_world import server
from stationmaster.blocks.migration_rehearsal import Planned, rehearse
from stationmaster.blocks.migration_rows import Asked, fill
from stationmaster.blocks.migration_running import Guest, migrate
from stationmaster.blocks.postgres import connected
from stationmaster.domain.migration_rehearsal import statement
from stationmaster.domain.migration_slack import compare
from tests.conftest import Postgres
from tests.rehearsals import add
from tests.revisions import Scripts

ROWS = 1_000_000
WORTH_MS = 50  # of a shorter statement, the clock is what is compared
TABLE = (
    "CREATE TABLE tenants (id uuid PRIMARY KEY, name text NOT NULL)",
    """
    CREATE TABLE sales (
        id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, number int NOT NULL,
        state text NOT NULL CHECK (state IN ('open', 'paid', 'sent')), total numeric(12, 2) NOT NULL,
        placed timestamptz NOT NULL, note text, UNIQUE (tenant_id, number)
    )
    """,
    "CREATE INDEX sales_by_tenant ON sales (tenant_id)",
)
CHANGE = (
    "ALTER TABLE sales ADD total_minor bigint",
    "CREATE INDEX sales_by_placed ON sales (placed)",
    "ALTER TABLE sales ALTER number TYPE bigint",
)
BACK = "ALTER TABLE sales DROP total_minor, ALTER number TYPE int; DROP INDEX sales_by_placed"


def main(rows: int = ROWS) -> dict[str, Any]:
    with server() as postgres, tempfile.TemporaryDirectory() as folder:
        scripts, asked = _scripts(Path(folder) / "shop"), Asked({"tenants": 1000, "sales": rows})
        planned = Planned(
            scripts=scripts.root / "export" / "migrations", target="e3", cwd=scripts.root / "export",
            home=scripts.root / "home", before=("e2",), rows=asked,
        )  # fmt: skip
        told: list[tuple[float, str]] = []
        began = time.monotonic()
        found = rehearse(
            postgres.url("postgres"), "stm_rehearsal_bench", planned, datetime.now(UTC),
            lambda line: told.append((time.monotonic() - began, line)),
        )  # fmt: skip
        whole = time.monotonic() - began
        second = _again(postgres, planned, asked)
    compared = compare([found], second)
    return {
        "rows": rows,
        "rehearsal_s": round(whole, 1),
        "rows_made_s": round(_between(told, "making rows", "up to"), 1),
        "rows_made_per_s": round(rows / _between(told, "making rows", "up to")),
        "up_ms": found.up_ms,
        "down_ms": found.down_ms,
        "longest_lock_ms": found.longest.held_ms if found.longest else None,
        "second_copy_ms": compared.took_ms,
        "second_copy_vs_estimate": compared.ratio,
        "worst_statement_vs_estimate": max(
            one.ratio for one in compared.pairs if one.ratio is not None and (one.rehearsed_ms or 0) >= WORTH_MS
        ),
        "findings": len(found.findings),
    }  # fmt: skip


def _scripts(root: Path) -> Scripts:
    root.mkdir(parents=True)
    scripts = Scripts.begin(root)
    scripts.add("e2", "e1", *TABLE)
    add(scripts, "e3", "e2", *CHANGE, down=BACK)
    return scripts


def _again(postgres: Postgres, planned: Planned, asked: Asked) -> list[Any]:
    """What another database of the same size takes, as production would."""
    url = postgres.create()
    migrate(planned.guest("e2"), url)
    with connected(url, "production") as connection:
        connection.execute("SET statement_timeout = 0")
        fill(connection, asked)
        connection.execute("ANALYZE")
    guest: Guest = planned.guest("e3")
    return [statement(one) for one in migrate(guest, url).statements]


def _between(told: list[tuple[float, str]], first: str, then: str) -> float:
    at = {word: next(second for second, line in told if line.startswith(word)) for word in (first, then)}
    return at[then] - at[first]
