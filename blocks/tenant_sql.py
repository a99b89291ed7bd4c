"""The tenant directory as the rows of a SQL query: one row a tenant, its columns named as a tenant's keys.

Read only, within a time limit, and without ever creating a database. PostgreSQL and SQLite.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator
from sqlalchemy import URL, Connection, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from stationmaster.blocks.tenant_copies import AskedDirectory, Page, TenantsUnavailableError
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.located import Problem

_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
}
_JSON = frozenset({"sites", "tags", "contacts", "calendar"})  # columns that may hold JSON as text
_MOST = 100_000  # rows
_STEPS = 10_000  # SQLite's instructions between two looks at the clock


class SqlDirectory(AskedDirectory):
    """Tenants as rows of a PostgreSQL or SQLite database. A column is named as the key that it fills."""

    url: SecretStr = Field(
        description="SQLAlchemy URL.",
        examples=["postgresql+psycopg://reader:PASSWORD@crm-db/crm", "sqlite:////srv/crm.db"],
    )
    query: str = Field(
        description="One SELECT. `sites`, `tags`, `contacts` and `calendar` may be JSON.",
        examples=["SELECT slug AS id, name, ring, timezone, calendar FROM customers"],
    )
    timeout: float = Field(default=30, gt=0, description="Seconds that connecting and the query may take, each.")

    @field_validator("url")
    @classmethod
    def _is_one_that_can_be_asked(cls, url: SecretStr) -> SecretStr:
        found = _parsed(url)
        if found is None or found.drivername not in _DRIVERS:
            raise ValueError("must be postgresql+psycopg://USER:PASSWORD@HOST/DATABASE or sqlite:////FILE")
        if found.drivername == "sqlite" and not found.database:
            raise ValueError("names no file: sqlite:////FILE, with four slashes before an absolute path")
        return url

    @property
    def source(self) -> str:
        """Host and database, or the file."""
        url = self._url
        return "/".join(part for part in (url.host, url.database) if part)

    def identity(self) -> list[Any]:
        """Where it is asked what; a password or a user may change."""
        url = self._url
        return ["sql", url.drivername, url.host, url.port, url.database, sorted(url.query.items()), self.query]

    def ask(self, known: tuple[Page, ...]) -> tuple[Page, ...]:  # noqa: ARG002 - a database does not say what changed
        """All rows. Errors as `AskedDirectory.ask`; JSON that is none is a DocumentError."""
        columns, rows = self._rows()
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            raise DocumentError(self._label, [Problem(None, f"the query gives column {twice[0]!r} twice")])
        return (Page(items=tuple(self._tenant(columns, row, n) for n, row in enumerate(rows, 1))),)

    def _rows(self) -> tuple[list[str], Sequence[Sequence[Any]]]:
        try:
            with self._connected() as connection:
                # As it is typed: neither a colon nor a percent sign of the query stands for a value.
                answer = connection.execution_options(no_parameters=True).exec_driver_sql(self.query)
                if not answer.returns_rows:
                    raise TenantsUnavailableError(self.source, "the query gives no rows", "it must be one SELECT")
                columns, rows = list(answer.keys()), answer.fetchmany(_MOST + 1)
        except SQLAlchemyError as error:
            raise TenantsUnavailableError(self.source, _said(error)) from None
        if len(rows) > _MOST:
            raise TenantsUnavailableError(self.source, f"the query gives more than {_MOST:,} rows")
        return columns, cast("Sequence[Sequence[Any]]", rows)

    def _tenant(self, columns: list[str], row: Sequence[Any], number: int) -> dict[str, Any]:
        """The row as a tenant's keys; what is NULL was not given."""
        given = {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        return {name: self._value(name, value, number) for name, value in given.items()}

    def _value(self, name: str, value: object, number: int) -> object:
        if name in _JSON and isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            try:
                return json.loads(value)
            except (ValueError, RecursionError) as error:
                said = f"{name}: begins as JSON and is none: {error}"
                raise DocumentError(self._label, [Problem(number, said)]) from None
        return value

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        url = self._url
        sqlite = url.drivername == "sqlite"
        limit = max(1, round(self.timeout))
        engine = (
            create_engine("sqlite://", creator=self._opened, poolclass=NullPool)
            if sqlite
            else create_engine(
                url,
                poolclass=NullPool,
                hide_parameters=True,
                connect_args={"connect_timeout": limit, "tcp_user_timeout": 1000 * limit},
            )
        )
        with engine.connect() as connection:
            if not sqlite:
                connection.exec_driver_sql("SET default_transaction_read_only = on")
                connection.exec_driver_sql(f"SET statement_timeout = {max(1, round(1000 * self.timeout))}")
                connection.commit()
            yield connection

    def _opened(self) -> sqlite3.Connection:
        """The file as it is: one that is missing is not made."""
        path = Path(self._url.database or "").absolute()
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=self.timeout)
        connection.execute("PRAGMA query_only = ON")
        end = time.monotonic() + self.timeout
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        return connection

    @property
    def _url(self) -> URL:
        found = _parsed(self.url)
        assert found is not None  # noqa: S101 - the field was checked
        return found.set(drivername=_DRIVERS[found.drivername])


def _parsed(url: SecretStr) -> URL | None:
    """None in place of an error that would repeat the URL."""
    try:
        return make_url(url.get_secret_value())
    except (ArgumentError, ValueError):
        return None


def _said(error: SQLAlchemyError) -> str:
    """The driver's own words, in one line; SQLAlchemy would add the query and its parameters."""
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = " ".join(str(told).split()) or type(told).__name__
    return "the query takes too long" if said == "interrupted" else said
