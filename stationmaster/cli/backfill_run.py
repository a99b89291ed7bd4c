"""`backfill run`: what a file declares is filled in, one backfill after the other."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stationmaster.cli.backfill import postgres_at
from stationmaster.cli.backfill_told import Bar
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.domain.errors import Exit, InputError, StationmasterError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stationmaster.blocks.backfilling import Ended, Options
    from stationmaster.domain.backfills import Backfill, Backfills
    from stationmaster.domain.documents import Document


class BackfillOptionError(InputError):
    """Options that do not fit each other, or a file that cannot be read."""

    code = "backfill_option"


class BackfillInterruptedError(StationmasterError):
    """Somebody pressed Ctrl-C."""

    code = "backfill_interrupted"


def run(
    *,
    database: str = "env:DATABASE_URL",
    spec: Path,
    workers: int = 1,
    only: str | None = None,
    tenants: Path | None = None,
    mend: Flag = False,
    restart: Flag = False,
    json: Flag = False,
) -> int:
    """Fill in what a file of backfills declares, tenant by tenant, each row exactly once, while people work.

    Each batch is one transaction that also says how far it came, so that the same command goes on after a kill,
    Ctrl-C or a restart of PostgreSQL, beside others on other machines too. A row that is in the way stops its tenant
    alone and is named. The whole file is checked before the first row is touched.

    Exit codes: 0 all is verified, 1 not all is, or it is refused, 2 the input is wrong, 3 the database is away.

    Parameters
    ----------
    database
        Its address: postgresql://USER@HOST/DATABASE, or env:NAME for one that a variable holds, password and all.
    spec
        The file, as backfills.yaml of a product.
    workers
        How many tenants at a time.
    only
        One backfill of the file.
    tenants
        The tenant directory (tenants.yaml): ring by ring, as the rings come first in it; else the largest first.
    mend
        Rows that are there and not as `verify` says are filled anew too.
    restart
        Forget what an earlier declaration of that name did. For backfills with `todo`.
    json
        One object a backfill on standard output, in the order of the file.
    """
    url = postgres_at(database)
    if workers < 1:
        raise BackfillOptionError(f"--workers {workers} would do nothing", hint="give 1 or more")
    document = _read(spec)
    chosen = list(_chosen(document, only))
    bar = Bar()
    options = _options(bar, workers, tenants, spec, mend=mend, restart=restart)
    for line, one in chosen:
        _checked(url, one, options, document, line)
    ended = []
    try:
        for _, one in chosen:
            ended.append(_run(url, one, options))
            bar.end()
            answer(_record(ended[-1]), as_json=json, text=_told(ended[-1]))
    except KeyboardInterrupt:
        raise BackfillInterruptedError(
            "interrupted: what was committed stays, and nothing is half done", hint="the same command goes on"
        ) from None
    finally:
        bar.end()
    return Exit.YES if all(one.verified for one in ended) else Exit.NO


def _read(spec: Path) -> "Document[Backfills]":
    from stationmaster.domain.backfills import Backfills  # noqa: PLC0415 - --help needs no parser of SQL
    from stationmaster.domain.documents import read  # noqa: PLC0415

    try:
        return read(Backfills, spec.read_text(encoding="utf-8"), str(spec))
    except (OSError, UnicodeDecodeError) as error:
        raise BackfillOptionError(f"the file cannot be read: {error}", file=str(spec)) from None


def _chosen(document: "Document[Backfills]", only: str | None) -> "Iterator[tuple[int, Backfill]]":
    found = list(enumerate(document.value.backfills))
    names = [one.name for _, one in found]
    if only is not None and only not in names:
        raise BackfillOptionError(f"the file has no backfill {only!r}", file=document.file, hint=nearest(only, names))
    return ((place, one) for place, one in found if only in {None, one.name})


def _options(bar: Bar, workers: int, tenants: Path | None, spec: Path, *, mend: bool, restart: bool) -> "Options":
    from stationmaster.blocks.backfilling import Options  # noqa: PLC0415 - --help needs no database

    return Options(
        workers=workers, ranks=_ranks(tenants), follow=bar.follow, say=bar.say, mend=mend, restart=restart,
        folder=spec.resolve().parent,
    )  # fmt: skip


def _ranks(tenants: Path | None) -> dict[str, int]:
    if tenants is None:
        return {}
    from stationmaster.blocks.tenant_directory import YamlDirectory  # noqa: PLC0415 - as above

    found = YamlDirectory(path=str(tenants)).read().tenants
    rings = list(dict.fromkeys(tenant.ring for tenant in found))
    return {tenant.id: rings.index(tenant.ring) for tenant in found}


def _checked(url: str, one: "Backfill", options: "Options", document: "Document[Backfills]", place: int) -> None:
    from stationmaster.blocks.backfilling import BackfillWrongError, check  # noqa: PLC0415 - as above

    try:
        check(url, one, options)
    except StationmasterError as error:
        field = error.field if isinstance(error, BackfillWrongError) else "name"
        error.file, error.line = document.file, document.line("backfills", place, field)
        error.message = f"{one.name}: {error.message}"
        raise


def _run(url: str, one: "Backfill", options: "Options") -> "Ended":
    from stationmaster.blocks.backfilling import run as carry_out  # noqa: PLC0415 - as above

    return carry_out(url, one, options)


def _record(ended: "Ended") -> dict[str, Any]:
    return {
        "name": ended.name, "rows": ended.rows, "seconds": ended.seconds, "batches": ended.batches,
        "tenants": dict(ended.tenants), "verified": ended.verified,
        **({"reasons": dict(ended.reasons)} if ended.reasons else {}),
    }  # fmt: skip


def _told(ended: "Ended") -> str:
    counts = ", ".join(f"{count} {word}" for word, count in ended.tenants.items() if count)
    how = "verified" if ended.verified else "not all is verified"
    work = f"{ended.rows} rows in {ended.batches} batches, {ended.seconds:.1f} s"
    first = f"{ended.name}: {work}; tenants: {counts or 'none'}; {how}"
    return "\n".join([first, *(f"  {tenant}: {why}" for tenant, why in ended.reasons.items())])
