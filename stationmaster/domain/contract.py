"""May what old code needs be taken away from one database now: every condition as a value, with its reason and the way
out. It asks nobody: what is not known is not met.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from stationmaster.domain.duration import instant, spelt
from stationmaster.domain.entries import canonical, digest

Name = Literal[
    "answers",  # the database says where it is, and what would be run there can be read
    "closed",  # the release is through
    "age",  # and has been for long enough
    "tenants",  # everybody on the database runs it or newer
    "processes",  # and so does every process that has the database
    "sessions",  # and everybody who is connected to it
    "way_back",  # and what everybody would go back to
    "quiet",  # no other release is on its way there, and none goes back
    "stage",  # stage is where it is, or showed what would be left of it
    "backfills",  # what was to be filled in is, row by row
    "lint",  # the statements hold no lock that others wait for
    "window",  # the database may be touched now
]
# What people wait for, as the run's name says it: of what only others' work can end, versions.
AWAITED: dict[Name, str] = {"age": "soak", "window": "window", "backfills": "person", "lint": "person"}
_NAMED = 5  # of those that stand in the way


def contract_digest(commit: str, revisions: Sequence[str], databases: Mapping[str, str]) -> str:
    """What people sign of a contract, beside the rest of their mandate: the revisions at which it ends, and the digest
    of the very SQL by database.
    """
    return digest(canonical({"commit": commit, "revisions": sorted(revisions), "databases": dict(databases)}))


@dataclass(frozen=True)
class Runs:
    """Something that runs a version: a tenant, a process, a session. `new` says whether that has all that the release
    brought; None where nobody can tell.
    """

    name: str
    version: str | None
    new: bool | None


@dataclass(frozen=True)
class Filled:
    """A backfill that the release declares, and how many rows of the database are not as its `verify` says; None with
    the reason where that could not be counted. `tenants` says of each that is not verified why.
    """

    name: str
    left: int | None
    why: str = ""
    tenants: tuple[str, ...] = ()

    @property
    def wrong(self) -> str:
        """What keeps it from being met; empty when nothing does."""
        rows = "" if self.left == 0 else self.why or f"{self.left} rows are not as verify says"
        more = (f"and {len(self.tenants) - _NAMED} more",) if len(self.tenants) > _NAMED else ()
        return ", ".join(filter(None, (rows, *self.tenants[:_NAMED], *more)))


@dataclass(frozen=True)
class Facts:
    """What is known about one database at `at`. A list is None where whoever knows did not answer.

    `sessions` are those by whose name the version can be told; `watched` is False where the product does not say how.
    `back` is what each tenant would go back to; a `way_back` that is given up is not asked for. `elsewhere` is why what
    is proved in stage says nothing about this database.
    """

    release: str
    version: str
    instance: str
    at: datetime
    released_at: datetime | None
    min_age: int
    way_back: bool
    tenants: Sequence[Runs]
    processes: Sequence[Runs] | None
    sessions: Sequence[Runs] | None
    watched: bool
    back: Sequence[Runs]
    busy: Sequence[str]
    backfills: Sequence[Filled]
    findings: Sequence[str]
    shut: str | None
    opens: datetime | None = None
    elsewhere: str | None = None
    away: str | None = None  # why nobody can say what would be run there


class Condition(BaseModel):
    """One condition of one database. `until` is when it is met by itself, where that is known."""

    model_config = ConfigDict(frozen=True)

    instance: str
    name: Name
    met: bool
    reason: str
    way_out: str | None = None
    until: str | None = None


def conditions(facts: Facts) -> tuple[Condition, ...]:
    """All of them, in the order in which they are told."""
    return tuple(decide(facts) for decide in _RULES)


def ready(found: Iterable[Condition]) -> tuple[str, ...]:
    """The databases of which every condition is met, sorted."""
    known = list(found)
    return tuple(sorted({one.instance for one in known} - {one.instance for one in known if not one.met}))


def _met(facts: Facts, name: Name, reason: str) -> Condition:
    return Condition(instance=facts.instance, name=name, met=True, reason=reason)


def _not(facts: Facts, name: Name, reason: str, way_out: str, until: datetime | None = None) -> Condition:
    return Condition(
        instance=facts.instance, name=name, met=False, reason=reason, way_out=way_out,
        until=instant(until) if until else None,
    )  # fmt: skip


def _answers(facts: Facts) -> Condition:
    if facts.away is not None:
        return _not(facts, "answers", facts.away, "it is asked again; `stationmaster doctor` says what is away")
    return _met(facts, "answers", "it says where it is")


def _closed(facts: Facts) -> Condition:
    if facts.released_at is None:
        return _not(facts, "closed", f"{facts.release} is not released", f"stationmaster release why {facts.release}")
    return _met(facts, "closed", f"{facts.release} was released at {instant(facts.released_at)}")


def _age(facts: Facts) -> Condition:
    """A release that is not over has no age."""
    asked = spelt(facts.min_age)
    end = facts.released_at + timedelta(seconds=facts.min_age) if facts.released_at else None
    if end is None or facts.at < end:
        when = f"until {instant(end)}" if end else f"for {asked} once it is released"
        return _not(facts, "age", f"{facts.release} has to be in use {when}", "wait; database.contract.min_age", end)
    return _met(facts, "age", f"{facts.release} is older than {asked}")


def _tenants(facts: Facts) -> Condition:
    """A database that no tenant has is still one that somebody may be led back to: it is told as what it is."""
    return _all_new(
        facts, "tenants", facts.tenants, f"every tenant of it runs {facts.version} or newer",
        f"bring them to {facts.version} or newer; who is pinned keeps a database of its own waiting, and no other",
    )  # fmt: skip


def _processes(facts: Facts) -> Condition:
    if facts.processes is None:
        return _not(
            facts, "processes", "the deploy target does not say what runs", "it is asked again: stationmaster doctor"
        )
    return _all_new(
        facts, "processes", facts.processes, f"no process older than {facts.version} runs on it",
        "the version before is ended when the release that replaced it is closed; end what was started by hand",
    )  # fmt: skip


def _sessions(facts: Facts) -> Condition:
    if not facts.watched:
        return _met(facts, "sessions", "not asked: database.contract.application does not say how a version is named")
    if facts.sessions is None:
        return _not(facts, "sessions", "the database does not answer", "it is asked again: stationmaster doctor")
    return _all_new(
        facts, "sessions", facts.sessions, f"nobody older than {facts.version} is connected to it",
        "end that process: a job, a console or an instance that nobody routes to",
    )  # fmt: skip


def _way_back(facts: Facts) -> Condition:
    if not facts.way_back:
        return _met(facts, "way_back", "given up by database.contract.way_back: nobody goes back past the contract")
    return _all_new(
        facts, "way_back", facts.back, f"what its tenants would go back to is {facts.version} or newer",
        f"wait for the release after {facts.version}, or say database.contract.way_back: give_up",
        does="would go back to",
    )  # fmt: skip


def _quiet(facts: Facts) -> Condition:
    if facts.busy:
        return _not(facts, "quiet", "; ".join(facts.busy), "wait for their end: `stationmaster release list`")
    return _met(facts, "quiet", "no other release is on its way to it or back")


def _stage(facts: Facts) -> Condition:
    if facts.elsewhere is not None:
        return _not(facts, "stage", facts.elsewhere, "it is met when the next release brings both to the same schema")
    return _met(facts, "stage", "what is proved in stage is what would be left of it")


def _backfills(facts: Facts) -> Condition:
    wrong = [one for one in facts.backfills if one.wrong]
    if wrong:
        told = "; ".join(f"{one.name}: {one.wrong}" for one in wrong)
        return _not(facts, "backfills", told, "fill them in by the flow backfill, then look again")
    names = ", ".join(one.name for one in facts.backfills)
    return _met(facts, "backfills", f"verified row by row: {names}" if names else "the release declares none")


def _lint(facts: Facts) -> Condition:
    if facts.findings:
        return _not(facts, "lint", "; ".join(facts.findings), "mend the revision and release it anew")
    return _met(facts, "lint", "its statements take no lock that others wait for long")


def _window(facts: Facts) -> Condition:
    if facts.shut is not None:
        return _not(facts, "window", facts.shut, "wait, or see `stationmaster freeze` and the calendars", facts.opens)
    return _met(facts, "window", "it may be touched now")


def _all_new(
    facts: Facts, name: Name, found: Sequence[Runs], good: str, way_out: str, *, does: str = "runs"
) -> Condition:
    """Met when each is known to be new."""
    old = [one for one in found if one.new is not True]
    if not old:
        return _met(facts, name, good)
    told = [f"{one.name} {_runs(one, does)}" for one in old[:_NAMED]]
    more = [f"and {len(old) - _NAMED} more"] if len(old) > _NAMED else []
    return _not(facts, name, ", ".join([*told, *more]), way_out)


def _runs(one: Runs, does: str) -> str:
    if one.new is None:
        return (
            f"{does} {one.version}, of which nobody knows whether it is newer" if one.version else "does not say what"
        )
    return f"{does} {one.version}"


_RULES = (
    _answers, _closed, _age, _tenants, _processes, _sessions, _way_back, _quiet, _stage, _backfills, _lint, _window,
)  # fmt: skip


@dataclass(frozen=True)
class Wait:
    """What is awaited before any database can be contracted: by which name, until when, and in words."""

    awaited: str
    until: str | None
    message: str
    hint: str | None


def wait_of(release: str, found: Sequence[Condition]) -> Wait:
    """The wait of the conditions that are not met. The database that lacks least is told first; it ends when all that
    is lacking there is over by itself, if it all is.
    """
    lacking: dict[str, list[Condition]] = {}
    for one in found:
        if not one.met:
            lacking.setdefault(one.instance, []).append(one)
    nearest = min(lacking, key=lambda name: (len(lacking[name]), name))
    first = lacking[nearest]
    told = "; ".join(f"{name}: {', '.join(one.reason for one in lacking[name])}" for name in sorted(lacking))
    until = max(one.until for one in first if one.until) if all(one.until for one in first) else None
    return Wait(
        AWAITED.get(first[0].name, "versions"), until, f"the contract of {release} waits: {told}", first[0].way_out
    )


def rows(found: Iterable[Condition]) -> list[dict[str, Any]]:
    """As a table in the Prefect UI."""
    return [
        {"database": one.instance, "condition": one.name, "met": "yes" if one.met else "no", "reason": one.reason,
         "way out": one.way_out or ""}
        for one in found
    ]  # fmt: skip
