"""Brings several tenants' own schemas or databases of one instance to a target, side by side, in one guest process; and
the address with which one of them is looked at. Where each is says the database: a run after a kill goes on from there.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from stationmaster.blocks.migration_running import Guest, MigrationFailedError, Ran, error_of, ran, start
from stationmaster.blocks.postgres import Connection, plain
from stationmaster.domain.errors import InputError, StationmasterError, nearest
from stationmaster.domain.homes import HOLE, place_of

_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
_ENDED = frozenset({"tenant"})  # how a run ends of which each tenant's line says enough


class SchemaMissingError(InputError):
    """A tenant's schema is not in the database of its instance."""

    code = "schema_missing"


def address(template: str, own: str) -> str:
    """The address of a tenant's own database; or of the instance's, with the tenant's schema as its search path."""
    if HOLE in template:
        return template.replace(HOLE, quote(own))
    parts = urlsplit(plain(template))
    query = dict(parse_qsl(parts.query))
    before = query.pop("options", "")
    path = f'-csearch_path="{own}"'
    return urlunsplit(
        parts._replace(query=urlencode({**query, "options": f"{before} {path}".strip()}, quote_via=quote))
    )


def require_schema(connection: Connection, name: str) -> None:
    """Return if the schema in the search path is there.

    Raises:
        SchemaMissingError: with the nearest that is.
    """
    if connection.execute("SELECT current_schema()").fetchone() != (None,):
        return
    instance, own = place_of(name)
    known = [str(row[0]) for row in connection.execute(_SCHEMAS.encode()).fetchall()]
    raise SchemaMissingError(
        f"the database of {instance!r} has no schema {own!r}",
        hint=nearest(str(own), known) or "make it, with the product's rights on it: a release makes none",
    )


def run_each(guest: Guest, url: str, names: Sequence[str], parallel: int) -> dict[str, Ran | StationmasterError]:
    """What became of each that was begun. Where one fails, no other is begun. `names` are of the instance whose address
    `url` is; each is the end of its run, or why it did not come there.

    Raises:
        StationmasterError: nothing ran at all.
    """
    schema, mine = HOLE not in url, {str(place_of(name)[1]): name for name in names}
    jobs = [{"tenant": own, "schema": own if schema else None} for own in mine]
    guest.home.mkdir(parents=True, exist_ok=True)
    (guest.home / "jobs.json").write_text(json.dumps([{"ring": None, "jobs": jobs}]), encoding="utf-8")
    more = ("--jobs", str(guest.home / "jobs.json"), "--parallel", str(parallel))
    each = replace(guest, options=(*guest.options, *more), timeout=guest.timeout * math.ceil(len(names) / parallel))
    lines = start(each, url)
    ended = lines[-1] if lines else {"code": "failed", "message": "the runner ended without a word"}
    if ended.get("code") and ended["code"] not in _ENDED:
        raise error_of((str(ended["code"]), str(ended["message"])), place_of(names[0])[0], guest.log, url)
    begun = [line for line in lines[:-1] if line["state"] != "left"]
    return {mine[line["tenant"]]: _ended(line, mine[line["tenant"]], guest.log, url) for line in begun}


def _ended(line: dict[str, Any], name: str, log: Path, url: str) -> Ran | StationmasterError:
    """The log is of all of them: of one that failed its own words are told."""
    if not line.get("code"):
        return ran(line)
    error = error_of((str(line["code"]), str(line["message"])), name, log, url)
    if isinstance(error, MigrationFailedError) and line["code"] == "failed":
        return MigrationFailedError(
            f"a revision failed on database {name!r}; what its transaction did was rolled back:\n    {line['message']}",
            hint=error.hint,
        )
    return error
