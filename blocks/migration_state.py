"""Where a database is, read from PostgreSQL's catalogue: heads by schema, and what a run that ended badly left behind.

It changes nothing. The folder of revisions, which says what is pending, is the guest's to read (`migrations.py`).
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from stationmaster.blocks.guest import GuestFailedError, run
from stationmaster.blocks.migration_journal import TABLE
from stationmaster.blocks.migration_running import MigrationTargetError
from stationmaster.blocks.migration_session import ADVISORY, HOLDER
from stationmaster.blocks.migration_versions import Heads, heads_by_schema
from stationmaster.blocks.postgres import Connection, connected

_NAME = "given"
_OWN = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
_SCHEMAS = "SELECT nspname FROM pg_namespace n WHERE " + _OWN  # noqa: S608 - of constants
_TABLES = "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = %s"
_INVALID = f"""
SELECT n.nspname, t.relname, c.relname,
    EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND {_OWN} ORDER BY 1, 2, 3
"""  # noqa: S608 - of constants
_NOT_VALID = f"""
SELECT n.nspname, t.relname, k.conname FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace WHERE NOT k.convalidated AND {_OWN} ORDER BY 1, 2, 3
"""  # noqa: S608 - of constants


@dataclass(frozen=True)
class Broken:
    """What a run that ended badly left, and whose run it is now. The elements are as `--json` has them."""

    invalid_indexes: list[dict[str, Any]]
    not_valid: list[dict[str, Any]]
    interrupted: list[dict[str, Any]]
    runner: dict[str, Any] | None


def schemas(url: str) -> list[str]:
    """Every schema that is not PostgreSQL's own."""
    with connected(url, _NAME) as connection:
        return [str(row[0]) for row in connection.execute(_SCHEMAS.encode()).fetchall()]


def heads(url: str, wanted: Sequence[str | None]) -> dict[str | None, Heads]:
    """The current heads of each schema, None for the one that the address leads to; empty where nothing ran."""
    with connected(url, _NAME) as connection:
        return heads_by_schema(connection, wanted)


def broken(url: str) -> Broken:
    """Of every schema of the database."""
    with connected(url, _NAME) as connection:
        row = connection.execute(HOLDER, (ADVISORY,)).fetchone()
        return Broken(
            _records(connection, _INVALID, ("schema", "table", "index", "building")),
            _records(connection, _NOT_VALID, ("schema", "table", "constraint")),
            [one for found in connection.execute(_TABLES, (TABLE,)).fetchall() for one in _left(connection, found[0])],
            {"pid": row[0], "application": row[1] or None, "for_s": row[2]} if row else None,
        )


def pending(folder: Path, target: str, found: set[Heads], home: Path) -> tuple[list[str], dict[Heads, dict[str, Any]]]:
    """The target's revisions, and for each list of heads what is `pending` and what is `unknown` to the folder.

    Raises:
        MigrationTargetError: the folder cannot be read, or the target is not in it.
    """
    asked, out, log = sorted(found), home / "pending.json", home / "pending.log"
    (home / "heads.json").write_text(json.dumps(asked), encoding="utf-8")
    given = ("--scripts", str(folder), "--to", target, "--out", str(out), "--jobs", str(home / "heads.json"))
    try:
        command = (sys.executable, "-P", "-m", "stationmaster.blocks.migrations", "pending", *given)
        run(command, cwd=Path.cwd(), home=home, log=log, timeout=300)
    except GuestFailedError as error:
        raise MigrationTargetError(f"the revisions cannot be read:\n{error.said}", file=str(folder)) from None
    said = json.loads(out.read_text(encoding="utf-8"))
    return said["target"], dict(zip(asked, said["answers"], strict=True))


def _records(connection: Connection, question: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in connection.execute(question.encode()).fetchall()]


def _left(connection: Connection, schema: str) -> list[dict[str, Any]]:
    """Revisions that were killed after they had committed a part."""
    question = sql.SQL(
        "SELECT revision, count(*) FILTER (WHERE done), count(*) FILTER (WHERE NOT done) FROM {} GROUP BY 1"
    )
    rows = connection.execute(question.format(sql.Identifier(schema, TABLE))).fetchall()
    return [{"schema": schema, "revision": row[0], "done": row[1], "begun": row[2]} for row in rows]
