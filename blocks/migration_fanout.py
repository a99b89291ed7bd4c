"""Many tenants of one product: a schema or a database each, several at a time, ring by ring.

The revisions are imported once, and a few processes are split off that keep a connection each: Alembic's `op` is one
for a process. Where a tenant is stands in its own alembic_version, so that a run after a kill goes on with those left.
"""

import argparse
import gc
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any, TextIO

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory

from stationmaster.blocks.migration_runner import Runner
from stationmaster.blocks.migration_sent import Options
from stationmaster.blocks.migration_session import Session
from stationmaster.blocks.migration_statements import Statements
from stationmaster.blocks.migration_stop import StopRun
from stationmaster.blocks.migration_upgrade import carry, engine_of, listening, options_of, say, told, way_of
from stationmaster.blocks.migration_versions import heads_of
from stationmaster.domain.errors import nearest
from stationmaster.domain.migration_tenants import Job, address


@dataclass
class _World:
    """What a process that is split off finds."""

    config: Config
    scripts: ScriptDirectory
    given: argparse.Namespace
    url: str
    options: Options
    session: Session | None  # of the one database whose schemas these are
    statements: Statements | None = None
    engine: Any = None


_WORLD: list[_World] = []


def fan_out(config: Config, scripts: ScriptDirectory, given: argparse.Namespace) -> int:
    """One line a tenant in `--out`; the last line says how it ended. The exit code."""
    rings = [
        (ring["ring"], [Job(**job) for job in ring["jobs"]])
        for ring in json.loads(given.jobs.read_text(encoding="utf-8"))
    ]
    list(scripts.walk_revisions())  # imported here, once
    gc.collect()
    gc.freeze()  # what all processes share is not written to, and so stays shared
    url = os.environ["DATABASE_URL"]
    session = Session(url) if rings and rings[0][1][0].schema else None
    with given.out.open("a", encoding="utf-8") as out:
        try:
            with session.alone(given.patience, say) if session else nullcontext():
                if session:
                    _require_schemas(session, [job for _, jobs in rings for job in jobs])
                    session.close()  # before a process is split off
                _WORLD[:] = [_World(config, scripts, given, url, options_of(given), session)]
                ended = _rings(rings, given.parallel, out)
        except StopRun as stop:
            ended = {"code": stop.code, "message": stop.message}
        except psycopg.Error as error:
            ended = {"code": "unreachable", "message": " ".join(str(error).split())}
        print(json.dumps(ended), file=out)
    return told(ended)


def _rings(rings: list[tuple[str | None, list[Job]]], parallel: int, out: TextIO) -> dict[str, Any]:
    """Rings in order; what fails stops its ring, and those after it do not begin."""
    failed: list[str] = []
    left_over = 0
    with ProcessPoolExecutor(parallel, mp_context=get_context("fork")) as workers:
        for ring, jobs in rings:
            left = list(jobs)
            for line in () if failed else _ring(workers, left, parallel):
                _write({"ring": ring, **line}, out)
                failed += [line["tenant"]] if line["state"] == "failed" else []
            for job in left:
                _write({"ring": ring, "tenant": job.tenant, "state": "left", **_seen(job)}, out)
            left_over += len(left)
    return {"code": "tenant", "message": _stopped(failed, left_over)} if failed else {}


def _stopped(failed: list[str], left: int) -> str:
    """Which tenants, and what to do next."""
    named = ", ".join(failed)
    who = f"tenants {named} failed" if len(failed) > 1 else f"tenant {named} failed"
    rest = f", and {left} after it {'was' if left == 1 else 'were'} not begun" if left else ""
    return f"{who}{rest}: mend what its message says, then start the same command again; it goes on with those left"


def _ring(workers: ProcessPoolExecutor, left: list[Job], parallel: int) -> Iterator[dict[str, Any]]:
    """What became of each job that was begun; those that were not stay in `left`."""
    under_way: dict[Future[dict[str, Any]], Job] = {}
    stopped = False
    while under_way or (left and not stopped):
        while left and len(under_way) < parallel and not stopped:
            job = left.pop(0)
            under_way[workers.submit(_work, job)] = job
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            line = _result(future, under_way.pop(future))
            stopped = stopped or line["state"] == "failed"
            yield line


def _result(future: "Future[dict[str, Any]]", job: Job) -> dict[str, Any]:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - a process that was killed; where its tenant is, the database knows
        message = f"the process of this tenant ended: {error}"
        return {"tenant": job.tenant, "state": "failed", "code": "failed", "message": message, **_seen(job)}


def _work(job: Job) -> dict[str, Any]:
    """One tenant, in a process of its own kind."""
    world, began = _WORLD[0], time.monotonic()
    try:
        ended = _of_schema(world, job) if job.schema else _of_database(world, job)
    except StopRun as stop:
        ended = {"code": stop.code, "message": stop.message, **_seen(job)}
    except psycopg.Error as error:
        ended = {"code": "unreachable", "message": " ".join(str(error).split())}
    changed = ended.get("from") != ended.get("to") or ended.get("statements")
    state = "failed" if ended.get("code") else "done" if changed else "already"
    say(f"{job.tenant}: {state}, {_where(ended)}")
    return {"tenant": job.tenant, "state": state, "ms": round((time.monotonic() - began) * 1000), **ended}


def _where(ended: dict[str, Any]) -> str:
    """Where its tenant is, for people. Nobody knows it of a database that was not reached."""
    if ended.get("to") is None:
        return f"not reached: {ended.get('message') or 'nobody could look'}"
    return f"at {','.join(ended['to']) or 'nothing'}"


def _of_schema(world: _World, job: Job) -> dict[str, Any]:
    assert world.session is not None  # noqa: S101 - a job with a schema has the session of its database
    options = replace(world.options, schemas=(str(job.schema), *world.given.with_schema))
    if world.statements is None:
        world.statements = listening(world.session, options)
        world.engine = None if world.given.env else engine_of(world.url)
    world.statements.move(world.session, options, f"{job.tenant}: ")
    way = way_of(world.config, world.scripts, world.given, world.engine, job.schema)
    return carry(Runner(way, world.statements, _silent), world.statements)


def _of_database(world: _World, job: Job) -> dict[str, Any]:
    """With the lock of that database, and its own connections, which end with it."""
    url = address(world.url, job.tenant)
    session = Session(url)
    if world.statements is None:
        world.statements = listening(session, world.options)
    world.statements.move(session, world.options, f"{job.tenant}: ")
    os.environ["DATABASE_URL"] = url
    world.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    engine = None if world.given.env else engine_of(url)
    try:
        with session.alone(world.given.patience, world.statements.say):
            way = way_of(world.config, world.scripts, world.given, engine)
            return carry(Runner(way, world.statements, _silent), world.statements)
    finally:
        session.close()
        if engine is not None:
            engine.dispose()


def _silent(_text: str) -> None:
    """Revision by revision would be too much of a thousand tenants; who is in the way is still said."""


def _seen(job: Job) -> dict[str, Any]:
    """Where a tenant is that nobody touched, or that nobody can tell of."""
    world = _WORLD[0]
    try:
        with Session(world.url if job.schema else address(world.url, job.tenant)).connect("stationmaster-look") as look:
            heads = list(heads_of(look, job.schema))
    except psycopg.Error as error:
        return {"from": None, "to": None, "message": " ".join(str(error).split())}
    return {"from": heads, "to": heads}


def _require_schemas(session: Session, jobs: list[Job]) -> None:
    known = {str(row[0]) for row in session.look.execute("SELECT nspname FROM pg_namespace").fetchall()}
    missing = [job for job in jobs if job.schema not in known]
    if missing:
        hint = nearest(str(missing[0].schema), known) or ""
        raise StopRun("tenants", f"there is no schema {missing[0].schema!r} for tenant {missing[0].tenant!r} ({hint})")


def _write(line: dict[str, Any], out: TextIO) -> None:
    print(json.dumps(line), file=out, flush=True)
