"""Which version of the product is proved on which schema: what the journeys showed in stage, of every release and every
contract. A projection of entries; it asks no database and decides for nobody.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stationmaster.domain.entries import RUNS, Entry

PROVES = frozenset({"staged", "proved"})  # steps whose fact has the pairs that passed in stage
CONTRACT = frozenset({"contracting", "contracted", "contract_stopped"})
SCHEMA = frozenset({"expanding", "expanded", *CONTRACT})  # steps about one database
_UNDER_WAY = frozenset({"expanding", "contracting"})


@dataclass(frozen=True)
class Proof:
    """The artifact of that digest works on that schema: by which release's entry, and when. Its journeys passed in
    stage on the schema `passed_on`, which is that one or has grown out of it. A schema is the sorted heads of a
    database with commas between.
    """

    digest: str
    schema: str
    passed_on: str
    release: str
    entry: int
    at: str


@dataclass(frozen=True)
class Matrix:
    """Artifact versions by schema revisions. What was proved once stays so: neither of the two ever changes."""

    proofs: Mapping[tuple[str, str], Proof]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Matrix":
        """From entries in order, of any step. The first proof of a pair counts."""
        found: dict[tuple[str, str], Proof] = {}
        for entry in entries:
            for digest, schema, passed_on in _shown(entry) if entry.step in PROVES else ():
                proof = Proof(digest, schema, passed_on, entry.release, entry.index, entry.at)
                found.setdefault((digest, schema), proof)
        return cls(found)

    def proof(self, digest: str, schema: str) -> Proof | None:
        """How it is known that the artifact works on the schema; None when nobody showed it."""
        return self.proofs.get((digest, schema))

    def proved(self, digest: str, schemas: Iterable[str]) -> bool:
        """Whether the artifact works on each schema that a database may have."""
        return all((digest, schema) in self.proofs for schema in schemas)

    def on(self, digest: str) -> tuple[str, ...]:
        """The schemas on which an artifact is proved, in the order in which that was shown."""
        return tuple(schema for known, schema in self.proofs if known == digest)


def _shown(entry: Entry) -> Iterator[tuple[str, str, str]]:
    for digest, schema in entry.fact["pairs"]:
        yield digest, schema, schema
    for digest, schema in entry.fact.get("covers", ()):
        yield digest, schema, str(entry.fact["revision"])


@dataclass(frozen=True)
class Outgrown:
    """The schemas that a database had before the one that it has, oldest first, and the releases that expanded it since
    the first of them.
    """

    schemas: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


def outgrown(history: Iterable[Entry], wanted: Iterable[str]) -> Outgrown:
    """What a database had since it first had all the revisions that are `wanted`, and was only expanded since: none
    from before a contract, a restored backup or somebody unknown. `history` as for `schemas`.
    """
    asked, way, by = frozenset(wanted), list[frozenset[str]](), list[str]()
    for entry in history:
        if "after" not in entry.fact:
            continue
        before, after = frozenset(entry.fact["before"]), frozenset(entry.fact["after"])
        if entry.step == "contracted" or (way and way[-1] != before):
            way, by = [], []
        if not way and entry.step == "expanded" and asked <= before:
            way.append(before)
        if way and way[-1] != after:
            by.append(entry.release)
        if way or asked <= after:
            way.append(after)
    return Outgrown(tuple(dict.fromkeys(schema_of(one) for one in way if one != way[-1])), tuple(by))


def schema_of(heads: Iterable[str]) -> str:
    """The name of a schema."""
    return ",".join(sorted(heads))


def schemas(history: Sequence[Entry], asked: Sequence[str] | None = None) -> tuple[str, ...]:
    """The schemas that a database may have. `history` are its entries of the steps in SCHEMA, in order; `asked` its
    heads as it answered, None when it did not. One, or two while a change of it is under way: whoever changes it may
    have died before saying how far it came. None of them is known of a database that nobody ever touched or asked.
    """
    last = history[-1] if history else None
    now = schema_of(asked) if asked is not None else _told(history)
    if last is None or last.step not in _UNDER_WAY:
        return () if now is None else (now,)
    coming = last.fact.get("target")
    known = {now, schema_of(coming) if coming else None}
    return tuple(sorted(one for one in known if one is not None))


def _told(history: Sequence[Entry]) -> str | None:
    """The schema that the ledger says; of a change under way the one before."""
    for entry in reversed(history):
        heads = entry.fact["after"] if "after" in entry.fact else entry.fact.get("before")
        if heads is not None:
            return schema_of(heads)
    return None


@dataclass(frozen=True)
class Place:
    """A tenant on a database: what it runs and would go back to, and by whom each is proved on that schema."""

    tenant: str
    runs: str
    proved: bool
    back_to: str | None
    back_proved: bool


def places(
    matrix: Matrix, on: Sequence[str], running: Mapping[str, Entry], before: Mapping[str, Entry | None]
) -> tuple[Place, ...]:
    """Each tenant of `running` on a database with one of the schemas `on`; `before` is what each would go back to."""
    return tuple(_place(matrix, on, entry, before.get(tenant)) for tenant, entry in sorted(running.items()))


def _place(matrix: Matrix, on: Sequence[str], runs: Entry, back: Entry | None) -> Place:
    known = bool(on)
    return Place(
        tenant=runs.subject,
        runs=str(runs.fact["version"]),
        proved=known and matrix.proved(str(runs.fact["digest"]), on),
        back_to=None if back is None else str(back.fact["version"]),
        back_proved=known and back is not None and matrix.proved(str(back.fact["digest"]), on),
    )


def versions(entries: Iterable[Entry]) -> dict[str, str]:
    """The version of every artifact that was built or runs somewhere, by its digest, oldest first."""
    return dict(_named(entries))


def _named(entries: Iterable[Entry]) -> Iterator[tuple[str, str]]:
    cut: dict[str, Any] = {}
    for entry in entries:
        if entry.step == "cut":
            cut[entry.release] = entry.fact["version"]
        elif entry.step == "built":
            yield str(entry.fact["digest"]), str(cut.get(entry.release, "?"))
        elif entry.step in RUNS:
            yield str(entry.fact["digest"]), str(entry.fact["version"])
