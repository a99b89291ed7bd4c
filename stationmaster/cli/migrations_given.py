"""What `migrations run|status|rehearse` are given: an address without a password on the command line, the folder of
revisions, and which tenants have which schema. Nothing is asked of a database here but the names of schemas.
"""

import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cyclopts import Parameter

from stationmaster.cli.output import say
from stationmaster.domain.duration import seconds
from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.migration_tenants import Job, Rings, TenantSchemasError, by_directory, by_names, has_hole

Tenancy = Literal["shared", "schema", "database"]
Names = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]
_ENV = "env:"
_SCHEMES = ("postgresql", "postgres", "sqlite")


class AddressError(InputError):
    """The address of the database cannot be read."""

    code = "database_option"


class DurationError(InputError):
    """It is not a duration."""

    code = "duration"


def address_of(given: str) -> str:
    """The address, of the environment where it is `env:NAME`. No error repeats it: it may hold a password."""
    name = given.removeprefix(_ENV)
    if given.startswith(_ENV) and not os.environ.get(name):
        raise AddressError(
            f"the environment has no {name}",
            hint=nearest(name, [one for one in os.environ if "URL" in one or "DSN" in one]),
        )
    url = os.environ[name] if given.startswith(_ENV) else given
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme not in _SCHEMES:
        raise AddressError(
            "the address is none of PostgreSQL", hint="write --database postgresql://USER@HOST/DATABASE, or env:NAME"
        )
    if url is given and urlsplit(url).password:
        say(
            "note: who is on this machine can read a command line; keep the password out of it with --database env:NAME"
        )
    return url


def name_of(url: str) -> str:
    """What people call the database of an address."""
    return urlsplit(url).path.rpartition("/")[2] or "given"


def folder_of(path: Path) -> Path:
    """Alembic's script folder, as `migrations lint` finds it. Raises RevisionsNotFoundError."""
    from stationmaster.blocks.migration_folder import scripts_at  # noqa: PLC0415 - --help needs no parser of TOML

    return scripts_at(path).resolve()


def seconds_of(text: str, option: str) -> float:
    """A duration as 500ms, 90s, 45m or 2h."""
    try:
        if text.endswith("ms"):
            return int(text.removesuffix("ms")) / 1000
        return float(str(seconds(text)))
    except ValueError:
        raise DurationError(f"{option}: {text!r} is not a duration", hint="write 500ms, 90s, 45m or 2h") from None


def rings_of(tenancy: Tenancy, url: str, tenants: Path | None, schema: list[str] | None) -> Rings | None:
    """Who has which schema or database; None where all share one."""
    if tenancy == "shared":
        if tenants or schema:
            raise TenantSchemasError("--tenants and --schema are of --tenancy schema or database")
        return None
    if url.startswith("sqlite"):
        raise TenantSchemasError("tenants with a schema or a database each are supported on PostgreSQL alone")
    if tenancy == "database":
        if tenants is None or not has_hole(url) or schema:
            raise TenantSchemasError(
                "a database for each tenant needs --tenants FILE and an address with {tenant} in it",
                hint="as postgresql://app@db/shop_{tenant}",
            )
        return by_directory(_directory(tenants), None)
    if not schema:
        raise TenantSchemasError(
            "nobody said which schemas the tenants have",
            hint="give --schema 'tenant_*', or --tenants FILE --schema 'tenant_{tenant}'",
        )
    if tenants is None:
        return by_names(schema, _schemas(url))
    if len(schema) > 1:
        raise TenantSchemasError("with --tenants there is one --schema, with {tenant} in it")
    return by_directory(_directory(tenants), schema[0])


def jobs_of(rings: Rings) -> list[Job]:
    """Every tenant in the order of its ring."""
    return [job for _, jobs in rings for job in jobs]


def _directory(file: Path) -> list[tuple[str, str]]:
    from stationmaster.blocks.tenant_directory import YamlDirectory  # noqa: PLC0415 - --help needs no directory

    return [(tenant.id, tenant.ring) for tenant in YamlDirectory(path=str(file)).read().tenants]


def _schemas(url: str) -> list[str]:
    from stationmaster.blocks.migration_state import schemas  # noqa: PLC0415 - --help needs no database

    return schemas(url)
