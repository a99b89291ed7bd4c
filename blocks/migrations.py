"""Runs, renders or names the product's Alembic revisions, in the guest process, beside the product's code.

`python -P -m stationmaster.blocks.migrations render|upgrade|target|pending --scripts DIR --to TARGET …`; the address of
the database is DATABASE_URL. Exit codes: 65 the database is at a revision that is not here, 75 a lock was not free in
time, 1 anything else; `--out` says what, as one JSON object a line.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from stationmaster.blocks.migration_heads import require_known
from stationmaster.blocks.migration_stop import CODES, StopRun, complain

_PLAIN = {"paramstyle": "named"}  # else Alembic doubles percent signs, for a driver that will never read it


def main() -> None:
    given = _arguments()
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - the product's revisions import its own modules
    buffer = io.StringIO()
    config = _config(given.scripts, buffer)
    try:
        scripts = ScriptDirectory.from_config(config)
        given.to = given.to or default_target(scripts)
        if given.act == "target":
            heads = sorted(found.revision for found in scripts.get_revisions(given.to))
            given.out.write_text("\n".join(heads), encoding="utf-8")
        elif given.act == "render":
            _render(config, scripts, given)
            given.out.write_text(buffer.getvalue(), encoding="utf-8")
        elif given.act == "pending":
            given.out.write_text(json.dumps(_pending(scripts, given)), encoding="utf-8")
        else:
            sys.exit(_upgrade(config, scripts, given))
    except CommandError as error:  # branches that do not fit, a missing file: Alembic says which
        sys.exit(str(error))
    except StopRun as stop:
        print(stop.message)  # noqa: T201 - for the log that is kept
        sys.exit(CODES.get(stop.code, 1))


def _upgrade(config: Config, scripts: ScriptDirectory, given: argparse.Namespace) -> int:
    """Only here is a database talked to, and SQL parsed: what brings that is imported for nothing else."""
    if given.jobs:
        from stationmaster.blocks.migration_fanout import fan_out  # noqa: PLC0415

        return fan_out(config, scripts, given)
    from stationmaster.blocks.migration_upgrade import upgrade  # noqa: PLC0415

    return upgrade(config, scripts, given)


def default_target(scripts: ScriptDirectory) -> str:
    """The end of the expand branch where there is one, else every head."""
    labelled = any("expand" in revision.branch_labels for revision in scripts.walk_revisions())
    return "expand@head" if labelled else "heads"


def _pending(scripts: ScriptDirectory, given: argparse.Namespace) -> dict[str, Any]:
    """For each list of heads in `--jobs` the revisions on the way to the target, and what this folder does not have."""
    known = {revision.revision for revision in scripts.walk_revisions()}
    answers = []
    for heads in json.loads(given.jobs.read_text(encoding="utf-8")):
        unknown = sorted(set(heads) - known)
        steps = [] if unknown else scripts._upgrade_revs(given.to, tuple(heads))  # type: ignore[arg-type]  # noqa: SLF001
        answers.append({"pending": [step.revision.revision for step in steps], "unknown": unknown})
    return {"target": sorted(found.revision for found in scripts.get_revisions(given.to)), "answers": answers}


def _render(config: Config, scripts: ScriptDirectory, given: argparse.Namespace) -> None:
    """The SQL of `alembic upgrade --sql`, `depends_on` included."""
    require_known(scripts, tuple(given.current))
    where = ["env.py"]

    def steps(heads: Any, _context: object) -> Iterator[Any]:  # noqa: ANN401 - Alembic's own
        for step in scripts._upgrade_revs(given.to, heads):  # noqa: SLF001 - as `alembic upgrade` does
            where[0] = f"revision {step.revision.revision}"
            yield step

    try:
        with EnvironmentContext(
            config, scripts, fn=steps, as_sql=True, starting_rev=tuple(given.current), destination_rev=given.to
        ) as context:
            if given.env:
                _keep_percent_signs(context)
                scripts.run_env()
                return
            context.configure(
                dialect_name="postgresql", literal_binds=True, transaction_per_migration=True, dialect_opts=_PLAIN
            )
            with context.begin_transaction():
                context.run_migrations()
    except CommandError:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the product's revision raises, its own exit included
        sys.exit(complain(error, where[0]))


def _keep_percent_signs(context: EnvironmentContext) -> None:
    configure = context.configure

    def plain(*positional: Any, **options: Any) -> None:  # noqa: ANN401 - what env.py gives
        options["dialect_opts"] = {**_PLAIN, **(options.get("dialect_opts") or {})}
        configure(*positional, **options)

    context.configure = plain  # type: ignore[method-assign]  # a subclass would lose Alembic's module-level proxy


def _config(scripts: str, buffer: io.StringIO) -> Config:
    config = Config(output_buffer=buffer)
    config.set_main_option("script_location", scripts.replace("%", "%%"))
    config.set_main_option("recursive_version_locations", "true")  # versions/expand and versions/contract too
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", os.environ.get("DATABASE_URL", "").replace("%", "%%"))
    return config


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("act", choices=["render", "upgrade", "target", "pending"])
    parser.add_argument("--scripts", required=True)
    parser.add_argument("--to", default="", help="expand@head, or heads, unless given")
    parser.add_argument("--from", dest="current", action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--env", action="store_true", help="import the product's env.py")
    parser.add_argument("--down", action="store_true")
    parser.add_argument("--strict", action="store_true", help="refuse a target that lies behind")
    parser.add_argument("--patience", type=float, default=60)
    parser.add_argument("--least-ms", type=int, default=5000)
    parser.add_argument("--blind", action="store_true", help="do not look before a statement")
    parser.add_argument("--rehearsed", type=Path, help="JSON: digests of statements to milliseconds")
    parser.add_argument("--jobs", type=Path, help="JSON: rings of tenants with their schemas; heads")
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--with-schema", action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    main()
