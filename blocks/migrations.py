"""Runs, renders or names the product's Alembic revisions. It is started in the guest process and imports alembic only.

`python -P -m stationmaster.blocks.migrations render|upgrade|target --scripts DIR --to TARGET [--from REVISION …]`
Exit codes: 65 the database is at a revision that is not here, 75 a lock was not free in time, 1 a revision raised.
"""

import argparse
import io
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

_UNKNOWN, _BUSY = 65, 75
_NO_LOCK = ("55P03", "40P01")  # lock not available in time, deadlock: rolled back, and worth another try
# A server that supports it ends a statement within a second when its runner is gone, so that another may begin.
_NOTICE = "DO $$BEGIN SET LOCAL client_connection_check_interval = 1000; EXCEPTION WHEN OTHERS THEN NULL; END$$"


class Upgrade:
    """The way from `current` to `target`. `where` is what runs now, for people."""

    def __init__(self, config: Config, target: str, current: Sequence[str]) -> None:
        self.config, self.target, self.current = config, target, tuple(current)
        self.scripts = ScriptDirectory.from_config(config)
        self.where = "env.py"

    def require_known(self) -> None:
        """Ends the process unless this commit has the database's revisions."""
        known = {revision.revision for revision in self.scripts.walk_revisions()}
        if unknown := sorted(set(self.current) - known):
            print(f"the database is at revision {', '.join(unknown)}, which this commit does not have")  # noqa: T201
            sys.exit(_UNKNOWN)

    def heads(self) -> list[str]:
        """The revisions that `target` names."""
        return sorted(found.revision for found in self.scripts.get_revisions(self.target))

    def run(self, *, sql: bool = False) -> None:
        """What `alembic upgrade` does, `depends_on` included; or the SQL of it, from `current`."""
        with EnvironmentContext(
            self.config, self.scripts, fn=self._steps, as_sql=sql, starting_rev=self.current if sql else None,
            destination_rev=self.target,
        ) as context:  # fmt: skip
            if sql:
                _keep_percent_signs(context)
            self.scripts.run_env()

    def _steps(self, heads: Any, _context: object) -> Iterator[Any]:  # noqa: ANN401 - Alembic's own
        for step in self.scripts._upgrade_revs(self.target, heads):  # noqa: SLF001 - as `alembic upgrade` does
            self.where = f"revision {step.revision.revision}"
            yield step


def _keep_percent_signs(context: EnvironmentContext) -> None:
    """Alembic doubles them in what it renders, for a driver that will never read it."""
    configure = context.configure

    def plain(*positional: Any, **options: Any) -> None:  # noqa: ANN401 - what env.py gives
        options["dialect_opts"] = {"paramstyle": "named", **(options.get("dialect_opts") or {})}
        configure(*positional, **options)

    context.configure = plain  # type: ignore[method-assign]  # a subclass would lose Alembic's module-level proxy


def limit_locks(milliseconds: int) -> None:
    """Every transaction of this process waits for a lock so long. What runs outside one, CONCURRENTLY, may wait."""

    def limit(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
            connection.exec_driver_sql(_NOTICE)

    event.listen(Engine, "begin", limit)


def main() -> None:
    given = _arguments()
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - the product's env.py imports its own modules
    buffer = io.StringIO()
    upgrade = Upgrade(_config(given.scripts, buffer), given.to, given.current)
    if given.act != "target":
        upgrade.require_known()
    try:
        if given.act == "target":
            given.out.write_text("\n".join(upgrade.heads()), encoding="utf-8")
        elif given.act == "render":
            upgrade.run(sql=True)
            given.out.write_text(buffer.getvalue(), encoding="utf-8")
        else:
            limit_locks(given.lock_timeout)
            upgrade.run()
    except CommandError as error:  # branches that do not fit, a missing file: Alembic says which
        sys.exit(str(error))
    except SystemExit as end:  # its code is the product's own and would be taken for one of ours
        sys.exit(f"{upgrade.where} ended the process: {end.code}")
    except Exception as error:  # noqa: BLE001 - whatever the product's revision raises
        sys.exit(_told(error, upgrade.where))


def _told(error: Exception, where: str) -> int:
    """The traceback, then a last line that names the revision."""
    traceback.print_exc()
    print(f"{where} raised {type(error).__name__}: {error}".splitlines()[0], file=sys.stderr)  # noqa: T201
    orig = error.orig if isinstance(error, DBAPIError) else None
    state = getattr(orig, "sqlstate", None) or getattr(orig, "pgcode", None)
    return _BUSY if state in _NO_LOCK else 1


def _config(scripts: str, buffer: io.StringIO) -> Config:
    config = Config(output_buffer=buffer)
    config.set_main_option("script_location", scripts.replace("%", "%%"))
    config.set_main_option("recursive_version_locations", "true")  # versions/expand and versions/contract too
    return config


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("act", choices=["render", "upgrade", "target"])
    parser.add_argument("--scripts", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--from", dest="current", action="append", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--lock-timeout", type=int, default=50)
    return parser.parse_args()


if __name__ == "__main__":
    main()
