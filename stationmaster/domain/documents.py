"""The files people write (`stationmaster.yaml`, tenants, approvers, calendars): text in, a model out, or every problem
at once.

Each problem names file, line and the nearest right spelling. Reading files from disk is left to the caller.
"""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from stationmaster.domain.approvers import Approvers
from stationmaster.domain.calendar import Calendar
from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.homes import HOLE, is_too_long
from stationmaster.domain.located import Located, Problem, locate
from stationmaster.domain.product import Database, Product
from stationmaster.domain.tenants import Directory, Tenant
from stationmaster.domain.validation import problems_of
from stationmaster.domain.zones import known_zones

M = TypeVar("M", bound=BaseModel)

DOCUMENTS: dict[str, type[BaseModel]] = {
    "product": Product,
    "tenants": Directory,
    "approvers": Approvers,
    "calendar": Calendar,
}
_OF_PEOPLE = {Approvers, Directory}  # what is wrong in them may quote whoever they name
# What the other environments' instances and databases are called: a dedicated tenant's instance bears its id.
RESERVED = frozenset({"stage", "cloud"})


class DocumentError(InputError):
    """A document is wrong; `problems` has every reason, in the order of the lines."""

    code = "document"

    def __init__(self, file: str, problems: list[Problem]) -> None:
        ordered = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__(
            _message(ordered), file=file, line=ordered[0].line, hint=ordered[0].hint if len(ordered) == 1 else None
        )
        self.problems = ordered

    def __str__(self) -> str:
        return "\n".join(f"{self.file}{_line(problem)}: {_said(problem)}" for problem in self.problems)


def _line(problem: Problem) -> str:
    return f":{problem.line}" if problem.line else ""


def _said(problem: Problem) -> str:
    return f"{problem.message} ({problem.hint})" if problem.hint else problem.message


def _message(problems: tuple[Problem, ...]) -> str:
    if len(problems) == 1:
        return problems[0].message
    listed = [f"line {problem.line}: {_said(problem)}" if problem.line else _said(problem) for problem in problems]
    return "\n".join([f"{len(problems)} problems", *listed])


@dataclass(frozen=True)
class Document(Generic[M]):
    """A valid document: its value, and where each part of it stands."""

    value: M
    file: str
    located: Located = field(default_factory=Located)

    def line(self, *place: str | int) -> int | None:
        """The line of a part, e.g. `line("tenants", 3, "ring")`."""
        return self.located.line(place)


def read(model: type[M], text: str, file: str) -> Document[M]:
    """Text → document, or a `DocumentError` with all problems."""
    located = locate(text)
    problems = list(located.problems)
    value: M | None = None
    if located.data is None and not problems:
        problems.append(Problem(None, "the file is empty", _wanted(model)))
    elif located.data is not None and not isinstance(located.data, dict):
        problems.append(Problem(located.line(()), "the file is not a mapping of keys to values", _wanted(model)))
    elif located.data is not None:
        try:
            value = model.model_validate(located.data)
        except ValidationError as error:
            problems.extend(problems_of(error, located, model.model_json_schema()))
    if problems or value is None:
        raise _refusal(model, file, problems)
    return Document(value, file, located)


def _refusal(model: type[BaseModel], file: str, problems: list[Problem]) -> DocumentError:
    error = DocumentError(file, problems)
    if model in _OF_PEOPLE:
        places = f"{len(problems)} place{'' if len(problems) == 1 else 's'}"
        error.unname(f"{file} is wrong in {places}, the first in line {error.line or 1}")
    return error


def check_directory(product: Product, directory: Document[Directory]) -> None:
    """Refuse a tenant directory with unknown rings and zones, ids given twice, an id that an instance bears, or a
    schema or database that two tenants would have.
    """
    rings, zones = [ring.name for ring in product.rings], known_zones()
    problems: list[Problem] = []
    first: dict[str, int] = {}
    taken: dict[tuple[str, str], str] = {}
    for index, tenant in enumerate(directory.value.tenants):
        said = _complaints(tenant, rings, zones, first) + _of_database(tenant, product.database, taken)
        for key, message, hint in said:
            problems.append(Problem(directory.line("tenants", index, key), f"tenant {tenant.id!r}: {message}", hint))
        first.setdefault(tenant.id, directory.line("tenants", index, "id") or 0)
    if problems:
        raise DocumentError(directory.file, problems)


def _complaints(
    tenant: Tenant, rings: list[str], zones: frozenset[str], first: dict[str, int]
) -> list[tuple[str, str, str | None]]:
    said: list[tuple[str, str, str | None]] = []
    if tenant.ring not in rings:
        said.append(("ring", f"unknown ring {tenant.ring!r}", nearest(tenant.ring, rings)))
    if tenant.timezone not in zones:
        said.append(("timezone", f"unknown IANA zone {tenant.timezone!r}", nearest(tenant.timezone, zones)))
    if tenant.id in first:
        said.append(("id", f"the id is given twice, first in line {first[tenant.id]}", None))
    if tenant.hosting == "dedicated" and tenant.id in RESERVED:
        said.append(("id", f"{tenant.id!r} is the name of an instance of ours", "choose another id"))
    return said


def _of_database(
    tenant: Tenant, database: Database | None, taken: dict[tuple[str, str], str]
) -> list[tuple[str, str, str | None]]:
    """What is wrong with a tenant's own schema or database. `taken` are those of the tenants before."""
    if database is None:
        return []
    if database.home is None:
        shared = "`database` names its own, and the product says `tenancy: shared`"
        return [("database", shared, "leave it out")] if tenant.database else []
    word = tenant.database or tenant.id
    key, kind = "database" if tenant.database else "id", database.tenancy
    if is_too_long(database.home, word):
        said = f"PostgreSQL would cut the name of its {kind}, {database.home.replace(HOLE, word)!r}"
        return [(key, said, "give it a shorter one in `database`")]
    other = taken.setdefault((tenant.instance, word), tenant.id)
    return [(key, f"{other!r} has the {kind} {word!r} already", None)] if other != tenant.id else []


def schema(document: str) -> dict[str, Any]:
    """The JSON Schema of `product`, `tenants`, `approvers` or `calendar`, for editors."""
    if document not in DOCUMENTS:
        raise InputError(f"unknown document {document!r}", hint=nearest(document, DOCUMENTS))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://stationmaster.dev/schema/{document}.json",
        **DOCUMENTS[document].model_json_schema(),
    }


def _wanted(model: type[BaseModel]) -> str:
    return f"it needs: {', '.join(model.model_json_schema().get('required', []))}"
