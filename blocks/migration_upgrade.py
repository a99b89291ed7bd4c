"""One database, in the guest process: its lock is taken, its revisions run, and what they did is written to `--out`."""

import argparse
import json
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg import Error as PsycopgError
from sqlalchemy import Engine, create_engine, make_url

from stationmaster.blocks.migration_runner import Runner, Way
from stationmaster.blocks.migration_sent import Options
from stationmaster.blocks.migration_session import Session
from stationmaster.blocks.migration_statements import Statements
from stationmaster.blocks.migration_stop import CODES, StopRun, complain, said, sqlstate

if TYPE_CHECKING:
    from collections.abc import Callable

_CANCELED = "57014"


def upgrade(config: Config, scripts: ScriptDirectory, given: argparse.Namespace) -> int:
    """The exit code. The last line of `--out` says how it ended."""
    url = os.environ["DATABASE_URL"]
    session = Session(url) if is_postgres(url) else None
    with given.out.open("a", encoding="utf-8") as out:
        try:
            with session.alone(given.patience, say) if session else nullcontext():
                statements = listening(session, options_of(given)) if session else None
                engine = None if given.env else engine_of(url)
                way = way_of(config, scripts, given, engine)
                ended = carry(Runner(way, statements, say), statements)
        except StopRun as stop:
            ended = {"code": stop.code, "message": stop.message}
        except PsycopgError as error:
            ended = {"code": "unreachable", "message": " ".join(str(error).split())}
        print(json.dumps(ended), file=out)
    return told(ended)


def told(ended: dict[str, Any]) -> int:
    """The exit code, with the reason as the log's last line."""
    if message := ended.get("message"):
        print(message, flush=True)  # noqa: T201 - for the log alone: whoever started us tells it
    return CODES.get(ended["code"], 1) if ended.get("code") else 0


def carry(runner: Runner, statements: Statements | None) -> dict[str, Any]:
    """Run it, however it ends: heads before and after, None where nobody could ask for them, statements of what was
    recorded, and who was in the way.
    """
    ended: dict[str, Any] = {}
    try:
        runner.run()
    except StopRun as stop:
        ended = {"code": stop.code, "message": stop.message}
    except CommandError as error:
        ended = {"code": "target", "message": str(error)}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the product's revision raises, its own exit included
        complain(error, runner.where)
        ended = {"code": "failed", "message": _reason(error, runner.where, statements)}
    if statements:
        statements.finish()
    return {
        **ended,
        "from": None if runner.before is None else list(runner.before),
        "to": None if runner.before is None else list(runner.after),
        "statements": [one.record() for one in statements.done] if statements else [],
        "blocked_by": list(statements.blocked_by.values()) if statements else [],
    }


def _reason(error: BaseException, where: str, statements: Statements | None) -> str:
    if statements and statements.failed:
        one, limit = statements.failed
        if limit and sqlstate(error) == _CANCELED:
            return (
                f"{where}: took longer than {limit / 1000:g} s and was ended: `{one.sql}`. Others wait for what it "
                "locks; rehearse it, so that its limit is three times what it takes, or raise the limit"
            )
    return said(error, where)


def way_of(
    config: Config,
    scripts: ScriptDirectory,
    given: argparse.Namespace,
    engine: Engine | None,
    schema: str | None = None,
) -> Way:
    return Way(config, scripts, given.to, engine, given.down, given.strict, schema, given.patience)


def options_of(given: argparse.Namespace) -> Options:
    rehearsed = json.loads(given.rehearsed.read_text(encoding="utf-8")) if given.rehearsed else {}
    return Options(given.least_ms, not given.blind, rehearsed)


def listening(session: Session, options: Options, narrate: "Callable[[str], None] | None" = None) -> Statements:
    statements = Statements(session, options, narrate or say)
    statements.listen()
    return statements


def engine_of(url: str) -> Engine:
    """One connection, kept; a revision that opens more gets them. What differs by schema is worth no cache. Values that
    are bound may be anybody's: no error tells them.
    """
    address, limits = make_url(url), {"connect_timeout": 10, "prepare_threshold": None}
    if address.get_backend_name() in {"postgresql", "postgres"}:
        address = address.set(drivername="postgresql+psycopg")
        return create_engine(
            address, pool_size=1, max_overflow=4, query_cache_size=0, connect_args=limits, hide_parameters=True
        )
    return create_engine(address, hide_parameters=True)


def is_postgres(url: str) -> bool:
    return url.startswith("postgres")


def say(text: str) -> None:
    """For the log that is kept, and for whoever follows it (`migration_following.py`)."""
    print(f"> {text}", flush=True)  # noqa: T201
