"""What runs in production against what the ledger says was approved and brought there. It looks at nothing by itself.

Unknown is not fine: what does not answer is found, too. What a release that is under way has just moved is not judged,
as long as it was approved.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from stationmaster.domain.entries import Entry
from stationmaster.domain.modes import SERVED
from stationmaster.domain.tenants import STAGE

Place = tuple[str, str]  # instance and colour
Kind = Literal[
    "other_digest",  # a tenant is served by another artifact than the one recorded for it
    "unapproved",  # a process runs what no release of the ledger was approved with
    "misrouted",  # a tenant is sent elsewhere, or nowhere
    "unrecorded",  # an instance, or a tenant, of which the ledger knows nothing
    "schema",  # a database is at a revision to which nobody expanded it
    "mode",  # a tenant is left in a mode, or in one that no release put it into
    "flags",  # the published flags are those of no version that runs
    "unreachable",  # nobody answers, so nobody knows
]
_NOTHING = "nothing runs there"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One deviation. `about` is a tenant, a process as `cloud b`, a database, or the flags."""

    about: str
    kind: Kind
    expected: str
    found: str

    def fact(self) -> dict[str, str]:
        """As the ledger keeps it."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.about}: {self.kind.replace('_', ' ')}: {self.found}, where {self.expected} is recorded"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger says. `tenants` maps to the entry of what each runs, `homes` to the instance that the directory
    gives it, `approved` are digests, `schemas` maps a database to each state in which it may be, and `flags` are
    digests of files any of which may be published; `under_way` are releases that somebody works on, with their digests;
    `modes` maps the tenants that are in a mode to the entry that says so.
    """

    tenants: Mapping[str, Entry]
    homes: Mapping[str, str] = field(default_factory=dict)
    approved: frozenset[str] = frozenset()
    schemas: Mapping[str, frozenset[str]] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    under_way: Mapping[str, str | None] = field(default_factory=dict)
    modes: Mapping[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found. A digest or a schema is None where nobody answered; `flags` is the digest of the published file,
    empty where there is none. `away` are parts of the world that could not be asked at all, each with the reason.
    """

    routes: Mapping[str, Place] = field(default_factory=dict)
    running: Mapping[Place, str | None] = field(default_factory=dict)
    schemas: Mapping[str, str | None] = field(default_factory=dict)
    flags: str | None = None
    modes: Mapping[str, str] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """What was compared and found, sorted."""

    tenants: int
    findings: tuple[Finding, ...]

    @property
    def certain(self) -> bool:
        """Whether something deviates, and not merely does not answer."""
        return any(one.kind != "unreachable" for one in self.findings)

    def fact(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {"tenants": self.tenants, "found": [one.fact() for one in self.findings]}


def compare(recorded: Recorded, seen: Seen) -> Drift:
    """Every deviation. Stage is not production and is not looked at."""
    tenants = sorted(
        {*recorded.tenants, *(tenant for tenant, place in seen.routes.items() if place[0] != STAGE)}
    )  # fmt: skip
    if "deploy target" in seen.away:
        tenants = []
    found = [
        *(Finding(what, "unreachable", "an answer", f"no answer ({why})") for what, why in seen.away.items()),
        *(one for tenant in tenants for one in _tenant(tenant, recorded, seen)),
        *(one for place in seen.running for one in _process(place, recorded, seen)),
        *_schemas(recorded, seen),
        *_modes(recorded, seen),
        *_flags(recorded, seen),
    ]
    return Drift(len(tenants), tuple(sorted(set(found))))


def since(backwards: Iterable[Entry], findings: Iterable[Finding]) -> dict[Finding, int]:
    """Finding to the index of the look that first found it, without one between then and now that did not. `backwards`
    are looks, the newest first, which found all of them; no more are asked for than must be.
    """
    first: dict[Finding, int] = {}
    left = set(findings)
    for entry in backwards if left else ():
        left &= {Finding(**one) for one in entry.fact["found"]}
        first |= dict.fromkeys(left, entry.index)
        if not left:
            break
    return first


def _tenant(tenant: str, recorded: Recorded, seen: Seen) -> Iterator[Finding]:
    entry, place = recorded.tenants.get(tenant), seen.routes.get(tenant)
    if place is None:
        yield Finding(tenant, "misrouted", _home(tenant, recorded), "no route")
        return
    digest = seen.running.get(place)
    if entry is None:
        yield Finding(tenant, "unrecorded", "nothing", f"{digest or 'no answer'} by {_name(place)}")
    elif place not in seen.running:
        yield Finding(tenant, "unreachable", str(entry.fact["digest"]), f"{_name(place)}: {_NOTHING}")
    elif digest is None or _is_moving(entry, digest, recorded):
        return  # of a process that does not answer it is told once, as of a process
    elif digest != entry.fact["digest"]:
        yield Finding(tenant, "other_digest", str(entry.fact["digest"]), digest)
    elif not _is_home(entry, place, _home(tenant, recorded)):
        yield Finding(tenant, "misrouted", _home(tenant, recorded), _name(place))


def _process(place: Place, recorded: Recorded, seen: Seen) -> Iterator[Finding]:
    digest, instances = seen.running[place], {*recorded.homes.values()}
    instances |= {str(one.fact["instance"]) for one in recorded.tenants.values() if "instance" in one.fact}
    if place[0] == STAGE:
        return
    if digest is None:
        yield Finding(_name(place), "unreachable", "its digest", "no answer")
    elif digest not in recorded.approved:
        yield Finding(_name(place), "unapproved", "an artifact of an approved release", digest)
    if place[0] not in instances:
        yield Finding(_name(place), "unrecorded", "nothing", digest or "no answer")


def _schemas(recorded: Recorded, seen: Seen) -> Iterator[Finding]:
    for name, schema in seen.schemas.items():
        allowed = recorded.schemas.get(name)
        if schema is None:
            yield Finding(_database(name), "unreachable", "its revision", "no answer")
        elif allowed and schema not in allowed:
            yield Finding(_database(name), "schema", " or ".join(sorted(allowed)), schema)


def _modes(recorded: Recorded, seen: Seen) -> Iterator[Finding]:
    """What a release that is under way limits is meant so."""
    for tenant, mode in seen.modes.items():
        entry = recorded.modes.get(tenant)
        if entry is None or entry.release not in recorded.under_way or entry.fact["mode"] != mode:
            yield Finding(tenant, "mode", SERVED, mode)


def _flags(recorded: Recorded, seen: Seen) -> Iterable[Finding]:
    if seen.flags is None or not recorded.flags or seen.flags in recorded.flags:
        return ()
    return (Finding("flags", "flags", " or ".join(sorted(recorded.flags)), seen.flags or "no file"),)


def _is_moving(entry: Entry, digest: str, recorded: Recorded) -> bool:
    """Whether a release that somebody works on may have led the tenant there a moment ago."""
    busy = entry.release in recorded.under_way or digest in recorded.under_way.values()
    return busy and digest in recorded.approved


def _is_home(entry: Entry, place: Place, home: str) -> bool:
    """What was found there before all releases has an instance, and any colour."""
    return _name(place) == home or ("colour" not in entry.fact and home in {place[0], ""})


def _home(tenant: str, recorded: Recorded) -> str:
    """Where it is by the ledger, else by the directory; empty where neither says."""
    fact = recorded.tenants[tenant].fact if tenant in recorded.tenants else {}
    return _name((fact["instance"], fact["colour"])) if "colour" in fact else recorded.homes.get(tenant, "")


def _name(place: Place) -> str:
    return " ".join(place)


def _database(name: str) -> str:
    return f"database {name}"
