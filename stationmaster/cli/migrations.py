"""`migrations`: what a schema change would lock, write anew or take away from code that still runs."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from stationmaster.cli.migrations_lint import lint_given, tell
from stationmaster.cli.migrations_plan import tell_plan
from stationmaster.cli.migrations_split import split_file
from stationmaster.cli.options import Flag

app = App(name="migrations", help="What a schema change locks, writes anew, or takes away from code that still runs.")
app.command("stationmaster.cli.migrations_run:run", name="run", help="Run revisions so that nobody waits for them.")
app.command(
    "stationmaster.cli.migrations_status:status",
    name="status",
    help="Where databases and tenants are; what is left broken.",
)
app.command(
    "stationmaster.cli.migrations_rehearse:rehearse", name="rehearse", help="Try a schema change on a copy, and back."
)
app.command(
    "stationmaster.cli.migrations_matrix:matrix", name="matrix", help="Which version is proved on which schema."
)
_SEVERAL = Parameter(consume_multiple=True, negative="")


@app.command
def lint(
    *paths: Path,
    sql: Annotated[tuple[Path, ...], _SEVERAL] = (),
    since: str | None = None,
    python: Path | None = None,
    timeout: float = 120,
    sarif: Path | None = None,
    json: Flag = False,
) -> int:
    """Say what in Alembic revisions, or in SQL, is dangerous on a PostgreSQL that people use. Exit code 1: an error.

    Each revision's upgrade() is run without a database and without env.py: what Alembic renders is judged, also that
    of helpers, loops and op.get_bind(), and each finding has file and line, the lock, and what to write instead. What
    could not be seen is an error too, `unrenderable`. Tables that the same revision creates are left alone.

        stationmaster migrations lint migrations
        stationmaster migrations lint migrations --since origin/main --sarif lint.sarif

    An exception is a comment at the statement, and is reported with its reason (-- instead of # in SQL):

        # stationmaster: allow drop_column because nothing reads it since 2.0

    Parameters
    ----------
    paths
        The folder with env.py and versions/, or any folder of revisions, or alembic.ini, or single revisions of one.
    sql
        Judge files of SQL instead. A file without BEGIN is taken as statements that run one by one.
    since
        Tell only of revisions after this one; or of those changed since git left this commit or branch.
    python
        The Python in which the product's modules are that revisions import, such as .venv/bin/python; else ours.
    timeout
        Seconds that recording may take; a revision that does not end in them is `unrenderable`.
    sarif
        Write the findings to this file as SARIF 2.1.0 too, for a code host that shows them on the pull request.
    json
        One object on standard output.
    """
    found, revisions = lint_given(paths, sql, since, python, timeout)
    return tell(found, revisions, as_json=json, sarif=sarif)


@app.command
def plan(
    path: Path,
    *,
    begin: Annotated[tuple[str, ...], Parameter(name="--from", consume_multiple=True, negative="")] = (),
    to: Annotated[tuple[str, ...], _SEVERAL] = (),
    python: Path | None = None,
    timeout: float = 120,
    json: Flag = False,
) -> int:
    """Say what would run when: each revision's phase, statements, locks, and what it waits for. Nothing is run.

    A branch labelled `expand` or `contract`, or `phase = "contract"` in a revision, says the phase; else it follows
    from what the revision does. Exit code 1: a revision cannot be read, so what it does is not known.

    Parameters
    ----------
    path
        The folder with env.py and versions/, or any folder of revisions, or alembic.ini.
    begin
        The revisions a database is at, as `alembic current` says them; without, an empty database.
    to
        Plan only what leads to these.
    python
        The Python in which the product's modules are that revisions import, such as .venv/bin/python; else ours.
    timeout
        Seconds that recording may take; a revision that does not end in them is `unrenderable`.
    json
        One object on standard output.
    """
    return tell_plan(path, begin, to, python=python, timeout=timeout, as_json=json)


@app.command
def split(file: Path, *, python: Path | None = None, timeout: float = 120, json: Flag = False) -> int:
    """Write a revision that `alembic revision --autogenerate` made as two: one of expand and one of contract.

    They lie in versions/expand and versions/contract, follow the head of their branch or begin it, and contract depends
    on expand. The revision itself is set aside beside its place; the answer says how to undo it all. What cannot be
    divided by rule is refused with its line: rows that are moved, a column that must be given.

    Parameters
    ----------
    file
        The revision.
    python
        The Python in which the product's modules are that revisions import, such as .venv/bin/python; else ours.
    timeout
        Seconds that recording may take; a revision that does not end in them is `unrenderable`.
    json
        One object on standard output.
    """
    return split_file(file, python=python, timeout=timeout, as_json=json)
