"""Which schema or database each tenant has, ring by ring: from a directory, or from names and patterns."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from stationmaster.domain.errors import InputError, nearest

_HOLE = "{tenant}"


class TenantSchemasError(InputError):
    """Nobody can tell which schemas or databases the tenants have."""

    code = "tenant_schemas"


@dataclass(frozen=True, slots=True)
class Job:
    """One tenant's own place. `schema` is None where it has a database of its own."""

    tenant: str
    schema: str | None = None


Rings = list[tuple[str | None, list[Job]]]


def by_directory(tenants: Iterable[tuple[str, str]], template: str | None) -> Rings:
    """Rings in the order in which the directory has them. `tenants` are ids with their rings; `template` names a
    tenant's schema, None where each has a database.
    """
    if template is not None and _HOLE not in template:
        raise TenantSchemasError(
            f"{template!r} does not say where the tenant's id stands", hint=f"write tenant_{_HOLE}"
        )
    rings: dict[str | None, list[Job]] = {}
    for tenant, ring in tenants:
        rings.setdefault(ring, []).append(Job(tenant, template.replace(_HOLE, tenant) if template else None))
    return list(rings.items())


def by_names(patterns: Iterable[str], known: Iterable[str]) -> Rings:
    """One ring without a name: schemas as given, `*` and `?` as a shell has them.

    Raises:
        TenantSchemasError: a pattern finds none.
    """
    there, found = sorted(known), dict[str, None]()
    for pattern in patterns:
        names = [name for name in there if fnmatchcase(name, pattern)]
        if not names:
            raise TenantSchemasError(f"there is no schema {pattern!r}", hint=nearest(pattern, there))
        found |= dict.fromkeys(names)
    return [(None, [Job(name, name) for name in found])]


def address(template: str, tenant: str) -> str:
    """The address of a tenant's own database."""
    return template.replace(_HOLE, tenant)


def has_hole(template: str) -> bool:
    """Whether an address says where the tenant's id stands."""
    return _HOLE in template
