"""Which database has a tenant's data, by the name that the ledger and every message give it: that of its instance where
tenants share one, `INSTANCE.SCHEMA` or `INSTANCE.DATABASE` where each has its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from stationmaster.domain.entries import Entry
from stationmaster.domain.tenants import STAGE

HOLE = "{tenant}"  # in an address, or in the name of a schema
_LONGEST = 63  # bytes that PostgreSQL keeps of a name


@dataclass(frozen=True)
class Homes:
    """`template` makes the name of a tenant's own schema or database, None where tenants share those of instances;
    `words` are what fills it where that is not the tenant's id; the database of an instance in `whole` is one tenant's.
    """

    template: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()

    def of(self, tenant: str, instance: str) -> str:
        """The database of a tenant that an instance serves."""
        if self.template is None or instance in self.whole:
            return instance
        return f"{instance}.{self.template.replace(HOLE, self.words.get(tenant, tenant))}"


def place_of(name: str) -> tuple[str, str | None]:
    """The instance of a database, and the tenant's own schema or database there, if it is one."""
    instance, _, own = name.partition(".")
    return instance, own or None


def recorded_as(name: str) -> str:
    """What a database's entries are about: stage has one, whatever it is called there."""
    return STAGE if place_of(name)[0] == STAGE else name


def database_of(entry: Entry) -> str | None:
    """The database of whoever an entry of `domain.entries.RUNS` leads somewhere; None where it does not say."""
    found = entry.fact.get("database", entry.fact.get("instance"))
    return None if found is None else str(found)


def own(name: str, instance: str) -> dict[str, str]:
    """What such an entry says of its database, beside the instance."""
    return {} if name == instance else {"database": name}


class OwnDatabase(BaseModel):
    """Where a tenant's own schema or database is, as the ledger has it."""

    model_config = ConfigDict(frozen=True)

    database: str
    revision: str = Field(description="Its heads with commas between; empty where nothing ran.")
    under_way: bool = Field(description="A change of it was begun, and nobody has said yet how that ended.")


def own_databases(last: Mapping[str, Entry]) -> dict[str, OwnDatabase]:
    """Tenant to where its own database is, sorted; nobody where tenants share one. `last` maps a database to the last
    entry of `domain.compatibility.SCHEMA` about it.
    """
    own = {str(entry.fact["tenant"]): entry for entry in last.values() if "tenant" in entry.fact}
    return {tenant: _standing(entry) for tenant, entry in sorted(own.items())}


def _standing(entry: Entry) -> OwnDatabase:
    heads = entry.fact.get("after", entry.fact["before"])
    return OwnDatabase(database=entry.subject, revision=",".join(heads), under_way="after" not in entry.fact)


def is_too_long(template: str, word: str) -> bool:
    """Whether PostgreSQL would cut the name, and two might become one."""
    return len(template.replace(HOLE, word).encode()) > _LONGEST
