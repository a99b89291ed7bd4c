"""What is frozen at an instant, by the last word about each scope, and whom a freeze closes. It stops nobody itself.

A scope is `env:production`, `env:stage`, `ring:NAME` or `tenant:ID`. A freeze keeps new versions away; a rollback and
an abort are never stopped by it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from stationmaster.domain.agenda import Agenda
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry
from stationmaster.domain.passage import Gate
from stationmaster.domain.tenants import Tenant
from stationmaster.domain.waiver import BLACKOUT
from stationmaster.domain.window import Window, all_of

Environment = Literal["production", "stage"]
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
FREEZES = ("frozen", "thawed")  # the last of these about a scope says whether it is frozen


@dataclass(frozen=True, slots=True)
class Freeze:
    """One scope that is not touched, since when and why. `until` is None when only a person ends it. `entry` is the
    index of the entry that says so; `waivers` what those of the release that asks come to, in words, and `unnamed` the
    same where nobody may be named.
    """

    scope: str
    reason: str
    since: str
    until: datetime | None
    entry: int
    waivers: str = ""
    unnamed: str = ""

    @property
    def gate(self) -> Gate:
        """What a waiver names. A freeze that is ordered anew, with another reason or end, is another gate."""
        return Gate(self.scope, self.entry)

    @property
    def about(self) -> str:
        """What is frozen, in words: `production`, `ring pilot`, `tenant acme`."""
        return in_words(self.scope)

    @property
    def window(self) -> Window:
        """What it says to whoever asks whether something may be touched."""
        ends = f" until {instant(self.until)}" if self.until else ""
        said = f"{self.about} is frozen{ends}: {self.reason}"
        if not self.waivers:
            return Window(open=False, reason=said, until=self.until)
        kept = f"{said}; {self.unnamed}"
        return Window(open=False, reason=f"{said}; {self.waivers}", until=self.until, unnamed=kept)


def in_force(last: Mapping[str, Entry], at: datetime) -> tuple[Freeze, ...]:
    """The freezes at an aware instant, by scope. `last` maps a scope to the last of FREEZES about it. One whose end has
    come is over; it ends at that very instant, as every interval does.
    """
    frozen = (_of(entry) for _, entry in sorted(last.items()) if entry.step == "frozen")
    return tuple(freeze for freeze in frozen if freeze.until is None or at < freeze.until)


def closing(
    freezes: Iterable[Freeze], *, env: Environment, rings: Collection[str] = (), tenant: str | None = None
) -> tuple[Freeze, ...]:
    """Those that keep a change away from an environment, or there from a tenant of the rings."""
    scopes = {scope_of(env=env), *(scope_of(ring=ring) for ring in rings), scope_of(env=env, tenant=tenant)}
    return tuple(freeze for freeze in freezes if freeze.scope in scopes)


def touchable(
    tenant: Tenant,
    agenda: Agenda,
    freezes: Iterable[Freeze],
    at: datetime,
    ring: str | None = None,
    *,
    planned: datetime | None = None,
) -> Window:
    """Whether a new version may reach the tenant at an aware instant: its calendar, and the freezes in force then of
    production, of the tenant, of its ring, and of the `ring` in which a plan has it.
    """
    mine = closing_to(tenant, freezes, ring)
    return all_of([agenda.window(tenant.id, at, planned), *(freeze.window for freeze in mine)])


def closing_to(tenant: Tenant, freezes: Iterable[Freeze], ring: str | None = None) -> tuple[Freeze, ...]:
    """Those that keep a new version away from a tenant that a plan has in `ring`, or that is not planned."""
    return closing(freezes, env="production", rings={tenant.ring, ring or tenant.ring}, tenant=tenant.id)


def scope_of(*, env: Environment | None = None, ring: str | None = None, tenant: str | None = None) -> str:
    """The scope that one of them names; production when none is given."""
    if ring is not None:
        return f"ring:{ring}"
    return f"env:{env or 'production'}" if tenant is None else f"tenant:{tenant}"


def in_words(scope: str) -> str:
    """`env:production` → `production`, `ring:pilot` → `ring pilot`, `tenant:acme` → `tenant acme`."""
    kind, _, name = scope.partition(":")
    return name if kind == "env" else f"{kind} {name}"


def closing_in_words(gate: str) -> str:
    """What closes the gate of that name: `env:production` → `the freeze of production`, `blackout:acme.yaml#audit` →
    `blackout acme.yaml#audit`.
    """
    return in_words(gate) if gate.startswith(BLACKOUT) else f"the freeze of {in_words(gate)}"


def _of(entry: Entry) -> Freeze:
    until = entry.fact["until"]
    ends = datetime.fromisoformat(until) if until else None
    return Freeze(entry.subject, entry.fact["reason"], entry.at, ends, entry.index)
