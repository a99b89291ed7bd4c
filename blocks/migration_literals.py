"""Values as PostgreSQL writes them in SQL, so that a statement can be read with its parameters in it.

For reading, never for running: what a driver would send is not built here. It runs in the guest process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import DDLElement


def rendered(construct: Any, dialect: Any) -> str:  # noqa: ANN401 - what a revision executes
    """The SQL of anything that can be executed, its values included.

    Raises:
        whatever SQLAlchemy raises of a statement that it cannot compile.
    """
    statement = text(construct) if isinstance(construct, str) else construct
    if isinstance(statement, DDLElement):
        return str(statement.compile(dialect=dialect)).strip()
    for name, bind in getattr(statement, "_bindparams", {}).items():
        if bind.required:  # a database would refuse it; SQLAlchemy writes NULL
            raise CompileError(f"a value is required for :{name}; a colon of the text itself is written \\:")
    try:
        return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).strip()
    except Exception:  # noqa: BLE001 - a type without a literal of its own; what else is wrong is raised below
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        values, found = compiled.construct_params(), compiled._bind_processors  # noqa: SLF001 - as when it runs
        processors: Mapping[str, Any] = found
        processed = {name: processors[name](one) if name in processors else one for name, one in values.items()}
        return filled_in(str(compiled).strip(), processed)


def filled_in(statement: str, values: Mapping[str, Any]) -> str:
    """A statement whose `:name` parameters are written out."""
    if not values:
        return statement.strip()
    names = "|".join(sorted(map(re.escape, values), key=len, reverse=True))
    return re.sub(rf"(?<![:\w]):({names})\b", lambda found: literal(values[found[1]]), statement).strip()


def literal(value: Any) -> str:  # noqa: ANN401, PLR0911 - a table of kinds
    """A value as it stands in SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return str(value) if str(value)[-1].isdigit() else f"'{value}'::numeric"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"'\\x{bytes(value).hex()}'::bytea"
    if isinstance(value, (list, tuple)):
        return f"ARRAY[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return _quoted(json.dumps(value, default=str))
    return _quoted(value.isoformat() if isinstance(value, (date, time)) else _plain(value))


def _plain(value: Any) -> str:  # noqa: ANN401
    return f"{value.total_seconds()} seconds" if isinstance(value, timedelta) else str(value)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
