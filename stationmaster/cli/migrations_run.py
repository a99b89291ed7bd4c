"""`migrations run`: the revisions of a folder on a database that people use, or on those of many tenants."""

import json as as_text
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from stationmaster.cli.migrations_given import Names, Tenancy, address_of, folder_of, name_of, rings_of, seconds_of
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say
from stationmaster.domain.errors import Exit, InputError, StationmasterError

if TYPE_CHECKING:
    from stationmaster.blocks.migration_running import Guest, Ran
    from stationmaster.domain.migration_rehearsal import Estimate
    from stationmaster.domain.migration_tenants import Rings


class RunOptionError(InputError):
    """Options that do not fit each other."""

    code = "run_option"


class RunStoppedError(StationmasterError):
    """Somebody pressed Ctrl-C."""

    code = "run_stopped"


def run(
    *,
    database: str = "env:DATABASE_URL",
    path: Path,
    target: str | None = None,
    down: Flag = False,
    env: Flag = False,
    patience: str = "60s",
    limit: str = "5s",
    rehearsed: Path | None = None,
    tenancy: Tenancy = "shared",
    schema: Names = None,
    with_schema: Names = None,
    tenants: Path | None = None,
    parallel: int = 4,
    json: Flag = False,
) -> int:
    """Run Alembic revisions on a PostgreSQL that people use, so that nobody waits for them.

    Each revision is one transaction. A change of metadata waits 50 ms for its lock; where somebody holds it, the whole
    revision is rolled back, who it is is said, and it is tried again until --patience is over. VALIDATE and
    CONCURRENTLY wait and last as they need, watched; an index that is not valid afterwards, or that an earlier run
    left, is dropped and built again. Other statements are ended after --limit, or three times what their rehearsal
    took. Nobody's transaction is ever ended. After a kill or Ctrl-C the same command goes on where it was.

    Exit codes: 0 done or nothing to do, 1 a revision failed, 2 the input is wrong, 3 a lock or the database was not to
    be had.

    Parameters
    ----------
    database
        Its address: postgresql://USER@HOST/DATABASE, or env:NAME for one that a variable holds, password and all.
    path
        Alembic's folder, which has `versions` in it. Its env.py is not imported unless --env is given.
    target
        A revision, or a branch as expand@head. The head of the branch `expand` where there is one, else every head.
    down
        Run downgrades to --target, which then has to be given.
    env
        Import the product's env.py and let it open the connection. The timeouts hold there too.
    patience
        How long the locks of a revision are tried for, and another runner is waited for.
    limit
        How long a statement may take at least for which others wait.
    rehearsed
        What `migrations rehearse` wrote.
    tenancy
        shared: one schema for all. schema, database: each tenant has its own, and its own alembic_version.
    schema
        Names or patterns as tenant_*; with --tenants one name with {tenant} in it.
    with_schema
        Schemas behind each tenant's in the search path, for extensions and types that all share.
    tenants
        The tenant directory (tenants.yaml): ring by ring; what fails stops its ring and those after it.
    parallel
        How many tenants at a time.
    json
        One object on standard output.
    """
    url, scripts = address_of(database), folder_of(path)
    if down and target is None:
        raise RunOptionError("--down needs --target: how far back?", hint="give a revision, or base for all of it")
    if parallel < 1:
        raise RunOptionError(f"--parallel {parallel} would do nothing", hint="give 1 or more")
    rings, estimate = rings_of(tenancy, url, tenants, schema), _estimate(rehearsed)
    options = [
        "--patience", str(seconds_of(patience, "--patience")), "--parallel", str(parallel),
        "--least-ms", str(round(seconds_of(limit, "--limit") * 1000)),
        *(flag for flag, wanted in (("--env", env), ("--down", down), ("--strict", target and not down)) if wanted),
        *(part for name in with_schema or () for part in ("--with-schema", name)),
    ]  # fmt: skip
    with TemporaryDirectory(prefix="stationmaster-") as home:
        guest = _guest(scripts, target, Path(home), options, estimate, rings)
        try:
            return _many(guest, url, json) if rings is not None else _one(guest, url, estimate, json)
        except KeyboardInterrupt:
            raise RunStoppedError(
                "interrupted: what was not recorded is rolled back", hint="the same command goes on where it was"
            ) from None


def _guest(  # noqa: PLR0917 - each is an option of ours
    scripts: Path, target: str | None, home: Path, options: list[str], estimate: "Estimate | None",
    rings: "Rings | None",
) -> "Guest":  # fmt: skip
    from stationmaster.blocks.migration_running import Guest  # noqa: PLC0415 - --help needs no database

    if estimate is not None:
        (home / "rehearsed.json").write_text(as_text.dumps(estimate.limits))
        options += ["--rehearsed", str(home / "rehearsed.json")]
    if rings is not None:
        jobs = [
            {"ring": ring, "jobs": [{"tenant": j.tenant, "schema": j.schema} for j in found]} for ring, found in rings
        ]
        (home / "jobs.json").write_text(as_text.dumps(jobs))
        options += ["--jobs", str(home / "jobs.json")]
    return Guest(scripts, target or "", Path.cwd(), home, options=tuple(options))


def _estimate(rehearsed: Path | None) -> "Estimate | None":
    """What a rehearsal wrote."""
    if rehearsed is None:
        return None
    from stationmaster.domain.migration_rehearsal import read_estimate  # noqa: PLC0415 - as above

    return read_estimate(_text(rehearsed), str(rehearsed))


def _one(guest: "Guest", url: str, estimate: "Estimate | None", as_json: bool) -> int:  # noqa: FBT001
    from stationmaster.blocks.migration_running import error_of, migrate  # noqa: PLC0415 - as above

    ran = migrate(guest, url, say)
    if ran.failure:
        error = error_of(ran.failure, name_of(url), guest.log, url)
        if ran.before != ran.after:
            error.message += f"\nthe database is at {_heads(ran.after)} now: what is recorded stays"
        raise error
    record: dict[str, Any] = {"from": _heads(ran.before), "to": _heads(ran.after), "statements": list(ran.statements),
              "blocked_by": list(ran.blocked_by)}  # fmt: skip
    if estimate is not None:
        from stationmaster.domain.migration_rehearsal import statement  # noqa: PLC0415 - as above
        from stationmaster.domain.migration_slack import compare  # noqa: PLC0415

        record["rehearsed"] = compare([estimate], [statement(one) for one in ran.statements]).record()
    answer(record, as_json=as_json, text=_told(ran))
    return Exit.YES


def _many(guest: "Guest", url: str, as_json: bool) -> int:  # noqa: FBT001
    from stationmaster.blocks.migration_running import error_of, start  # noqa: PLC0415 - as above

    *lines, ended = start(guest, url, say)
    if ended.get("code") and ended["code"] != "tenant":
        raise error_of((str(ended["code"]), str(ended["message"])), name_of(url), guest.log, url)
    found = [{**line, "from": _heads(line.get("from") or ()), "to": _heads(line.get("to") or ())} for line in lines]
    counts = {state: sum(line["state"] == state for line in found) for state in ("done", "already", "failed", "left")}
    record: dict[str, Any] = {"tenants": found, **counts, **({"message": ended["message"]} if ended else {})}
    rows = [
        f"{one['tenant']}: {one['state']}, {_where(line)}{_why(one)}" for line, one in zip(lines, found, strict=True)
    ]
    sums = ", ".join(f"{name}: {n}" for name, n in counts.items())
    answer(record, as_json=as_json, text="\n".join([*rows, sums, *([ended["message"]] if ended else [])]))
    return Exit.NO if ended.get("code") else Exit.YES


def _where(line: dict[str, Any]) -> str:
    if line.get("to") is None:
        return "not reached"
    return f"at {_heads(line['to']) or 'nothing'}"


def _why(line: dict[str, Any]) -> str:
    return f" ({line['message']})" if line.get("message") else ""


def _heads(heads: "tuple[str, ...] | list[str]") -> str | None:
    return ",".join(heads) or None


def _told(ran: "Ran") -> str:
    if ran.before == ran.after and not ran.statements:
        return f"nothing to do: the database is at {_heads(ran.after) or 'nothing'}"
    lines = [
        f"{one['ms']:>10.1f} ms  {one['lock'] or '-':<22}  {' '.join(one['sql'].split())[:100]}"
        for one in ran.statements
    ]
    return "\n".join([*lines, f"{_heads(ran.before) or 'nothing'} → {_heads(ran.after) or 'nothing'}"])


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunOptionError(f"the file cannot be read: {error}", file=str(file)) from None
