"""`migrations rehearse`: a schema change on a copy of production's size, up, down and up again."""

import hashlib
import json as as_text
import shlex
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from stationmaster.cli.migrations_given import Names, address_of, folder_of, seconds_of
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say
from stationmaster.domain.errors import Exit, InputError

if TYPE_CHECKING:
    from stationmaster.blocks.migration_dump import Given
    from stationmaster.blocks.migration_rehearsal import Planned
    from stationmaster.blocks.migration_rows import Asked
    from stationmaster.domain.migration_rehearsal import Estimate


class RehearseOptionError(InputError):
    """Options that do not fit each other, or cannot be read."""

    code = "rehearse_option"


def rehearse(
    *,
    path: Path,
    scratch: str = "env:STATIONMASTER_SCRATCH",
    target: str | None = None,
    from_: Annotated[Names, Parameter(name="--from")] = None,
    rows: Names = None,
    column: Names = None,
    dump: Path | None = None,
    anonymised: Flag = False,
    scrub: Path | None = None,
    max_age: str | None = None,
    smoke: Names = None,
    env: Flag = False,
    timeout: str = "1h",
    out: Path | None = None,
    json: Flag = False,
) -> int:
    """Try a schema change on a copy of production's size: how long it takes, what it locks, and whether it can go back.

    A database is made on the server of --scratch, filled with made-up rows (--rows orders=2000000) or from a dump that
    has no customer's data in it, and dropped at the end. There the upgrade runs, the downgrade, and the upgrade again;
    every statement is timed. A revision without a downgrade says so: no_down = "why" beside its revision id. Findings:
    a downgrade that fails, leaves, loses or changes something, a second upgrade with another result, a smoke test that
    fails, neither a downgrade nor no_down.

    Columns are filled by their types, keys and checks. Where that cannot be, --column says what one gets, in SQL over
    the row's number: --column "orders.status=(ARRAY['open','paid'])[1 + i % 2]".

    Exit codes: 0 it can be done and undone, 1 a finding or a revision that fails, 2 the input is wrong, 3 the server
    could not be had.

    Parameters
    ----------
    path
        Alembic's folder, which has `versions` in it. Its env.py is not imported unless --env is given.
    scratch
        A server on which databases may be made: postgresql://USER@HOST/DATABASE, or env:NAME.
    target
        A revision, or a branch as expand@head. The head of the branch `expand` where there is one, else every head.
    from_
        The revision that production is at, or several heads. Else where the dump is, or one before --target.
    rows
        How many rows a table gets: orders=2000000. Tables that it must refer to need rows too.
    column
        What a column gets: TABLE.COLUMN=EXPRESSION.
    dump
        A dump to restore instead, of pg_dump's custom format or plain SQL.
    anonymised
        The dump has nobody's data in it: your word, which is recorded.
    scrub
        A file of SQL that takes everybody out of the restored dump; its digest is recorded.
    max_age
        Refuse a dump that was taken longer ago: 35d.
    smoke
        A command that must pass on the new schema, whose address is in DATABASE_URL.
    env
        Import the product's env.py and let it open the connection.
    timeout
        How long each part may take.
    out
        Write the estimate to this file, for `migrations run --rehearsed`.
    json
        One object on standard output.
    """
    from stationmaster.blocks.migration_rehearsal import Planned  # noqa: PLC0415 - --help needs no database
    from stationmaster.blocks.migration_rehearsal import rehearse as run  # noqa: PLC0415 - as above

    server, scripts, limit = address_of(scratch), folder_of(path), seconds_of(timeout, "--timeout")
    filled, restored = _rows(rows, column), _dump(dump, scrub, max_age, limit, anonymised=anonymised)
    if (filled is None) == (restored is None):
        raise RehearseOptionError(
            "give --rows or --dump: a change is rehearsed on a copy of production's size",
            hint="as --rows orders=2000000 customers=50000",
        )
    with TemporaryDirectory(prefix="stationmaster-") as home:
        planned = Planned(
            scripts=scripts, target=target or "", cwd=Path.cwd(), home=Path(home),
            before=tuple(from_) if from_ else None, rows=filled, dump=restored,
            smoke=tuple(_command(one) for one in smoke or ()), env=env, timeout=limit,
        )  # fmt: skip
        found = run(server, _name(scripts, planned), planned, datetime.now(UTC), say)
    return _ended(found, out, as_json=json)


def _ended(found: "Estimate", out: Path | None, *, as_json: bool) -> int:
    from stationmaster.domain.migration_forecast import forecast  # noqa: PLC0415 - --help needs none of it

    record = found.record()
    if out is not None:
        _write(out, record)
    lines = [f"{one.ms:>10.1f} ms  {one.lock or '-':<22}  {one.sql[:100]}" for one in found.statements]
    answer(record, as_json=as_json, text="\n".join([*lines, *forecast([found]), *_fixes(found)]))
    return Exit.NO if found.findings else Exit.YES


def _fixes(found: "Estimate") -> list[str]:
    return [f"instead, for {one.rule}: {one.fix}" for one in found.findings]


def _name(scripts: Path, planned: "Planned") -> str:
    """The copy of this folder and target: a rehearsal of others does not meet it, the next of the same replaces it."""
    return f"stm_rehearsal_{hashlib.sha256(f'{scripts} {planned.target}'.encode()).hexdigest()[:16]}"


def _rows(rows: list[str] | None, columns: list[str] | None) -> "Asked | None":
    from stationmaster.blocks.migration_rows import Asked  # noqa: PLC0415 - as above

    if rows is None:
        if columns:
            raise RehearseOptionError("--column is of --rows: a dump brings its values itself")
        return None
    counts = {name: _count(text, whole) for whole, name, text in _pairs("--rows", rows, "orders=2000000")}
    given = {name: text for _, name, text in _pairs("--column", columns or [], "orders.status='open'")}
    return Asked(counts, given)


def _pairs(option: str, given: list[str], example: str) -> list[tuple[str, str, str]]:
    found = [(one, name.strip(), text.strip()) for one in given for name, _, text in [one.partition("=")]]
    wrong = next((one for one, name, text in found if not name or not text), None)
    if wrong is not None:
        raise RehearseOptionError(f"{option} {wrong!r} is not understood", hint=f"write {option} {example}")
    return found


def _count(text: str, whole: str) -> int:
    plain = text.replace("_", "").replace(",", "")
    if not plain.isdecimal():
        raise RehearseOptionError(
            f"--rows {whole!r}: {text!r} is no number of rows", hint="write --rows orders=2000000"
        )
    return int(plain)


def _dump(
    file: Path | None, scrub: Path | None, max_age: str | None, timeout: float, *, anonymised: bool
) -> "Given | None":
    from stationmaster.blocks.migration_dump import Given  # noqa: PLC0415 - as above

    if file is None:
        if anonymised or scrub or max_age:
            raise RehearseOptionError("--anonymised, --scrub and --max-age are of --dump", hint="give --dump FILE")
        return None
    age = round(seconds_of(max_age, "--max-age")) if max_age else 0
    return Given(file.resolve(), anonymised, scrub and scrub.resolve(), age, timeout)


def _command(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise RehearseOptionError(f"--smoke {text!r} is not understood: {error}") from None
    if not words:
        raise RehearseOptionError("--smoke is empty", hint="give the command that must pass on the new schema")
    return words


def _write(file: Path, record: dict[str, Any]) -> None:
    try:
        file.write_text(as_text.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise RehearseOptionError(f"the estimate cannot be written: {error.strerror}", file=str(file)) from None
