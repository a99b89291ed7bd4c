"""Whether a tenant's own people let a release come, where its contract asks for that, and what follows when they say
nothing.

Pure. Who may answer and for how long is the tenant's (`tenants.py`); how an answer is given is `consent_link.py` and
the command line.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry
from stationmaster.domain.tenants import Consent, Tenant

State = Literal["agreed", "declined", "asked", "go", "skip"]

STEPS = frozenset({"consented", "declined"})
_ASKS = frozenset({"wave", "unapproved"})  # places of a plan in which a tenant may still receive the release
_WORDS: dict[State, str] = {
    "agreed": "agreed to it, as its contract asks",
    "declined": "does not agree to it, and its contract asks for that",
    "asked": "has until {until} to give the approval that its contract asks for",
    "go": "said nothing until {until}, and by its contract that lets it come",
    "skip": "said nothing until {until}, and by its contract that leaves it out",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with one tenant. `until` is the end of the time in which it may agree, in UTC. `go` and `skip` are
    what its contract says of a time in which nobody answered.
    """

    state: State
    until: datetime

    @property
    def comes(self) -> bool:
        """Whether the release may reach the tenant."""
        return self.state in {"agreed", "go"}

    @property
    def reason(self) -> str:
        """In words that follow the tenant's name."""
        return _WORDS[self.state].format(until=instant(self.until))


def standing(tenant: Tenant, entries: Iterable[Entry], digest: str, at: datetime) -> Standing | None:
    """How it stands at an aware instant with the artifact of that digest; None where the contract asks for nothing.
    `entries` are all of the release, in order.

    The last word counts. To agree is possible until the time is over, to decline for as long as the release is not
    there: what keeps it away never comes too late.
    """
    if tenant.approval is None:
        return None
    known = list(entries)
    until = deadline(tenant.approval, known, tenant.id, at)
    state: State | None = None
    for word in _words(known, tenant.id, digest):
        if word.step == "declined":
            state = "declined"
        elif datetime.fromisoformat(word.at) < until:
            state = "agreed"
    return Standing(state or ("asked" if at < until else tenant.approval.default), until)


def deadline(consent: Consent, entries: Iterable[Entry], tenant: str, at: datetime) -> datetime:
    """Until when the tenant may agree: from the first plan that has it or leaves it out for this, else from `at`."""
    return (_asked(entries, tenant) or at) + timedelta(seconds=consent.within)


def has_ended(entries: Sequence[Entry], since: datetime, at: datetime) -> bool:
    """Whether the time of somebody whose answer the last plan awaits ended after `since` and until `at`, aware
    instants. No entry tells of it. `entries` are the release's, in order.
    """
    planned = next((entry for entry in reversed(entries) if entry.step == "planned"), None)
    ends = awaited(planned.fact) if planned else {}
    return any(since < end <= at for end in ends.values())


def awaited(planned: Mapping[str, Any]) -> dict[str, datetime]:
    """Whose answer a recorded plan awaits, each with its end."""
    return {tenant: datetime.fromisoformat(until) for tenant, until in planned.get("awaited", {}).items()}


def _asked(entries: Iterable[Entry], tenant: str) -> datetime | None:
    for entry in entries:
        if entry.step == "planned" and any(
            one["tenant"] == tenant and one["place"] in _ASKS for one in entry.fact.get("placements", ())
        ):
            return datetime.fromisoformat(entry.at)
    return None


def _words(entries: Iterable[Entry], tenant: str, digest: str) -> list[Entry]:
    """What was said about this artifact for the tenant; a word about another one is none."""
    return [
        entry
        for entry in entries
        if entry.step in STEPS and entry.subject == tenant and entry.fact.get("digest") == digest
    ]
