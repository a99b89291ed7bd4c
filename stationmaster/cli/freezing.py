"""What `freeze` does: one scope, checked against what there is, and one entry in the ledger. No server is asked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stationmaster.cli.person import now, whoami
from stationmaster.cli.tools import only_product, recall
from stationmaster.domain.duration import end_of, instant
from stationmaster.domain.entries import FREEZE, Draft, Entry
from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.freeze import ENVIRONMENTS, FREEZES, Freeze, in_force

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


class UnknownScopeError(InputError):
    """There is no such environment, ring or tenant."""

    code = "unknown_scope"


class WrongEndError(InputError):
    """The end of the freeze is no instant in the future."""

    code = "wrong_end"


def begin(ledger: "Ledger", scope: str, reason: str, until: str | None) -> tuple[Entry, bool]:
    """The entry that freezes the scope, and whether it was there already. Another reason or end takes its place.

    Raises:
        WrongEndError: `until` is no duration and no instant, or has passed.
    """
    _must_have_reason(reason, "nothing is frozen")
    before, fact = ledger.latest(FREEZES).get(scope), {"reason": reason, "until": _end(until)}
    entry = _record(ledger, "frozen", scope, fact, fact)
    return entry, entry == before


def end(ledger: "Ledger", scope: str, reason: str) -> bool:
    """Whether there was a freeze of the scope to end."""
    _must_have_reason(reason, "no freeze is ended")
    if not any(freeze.scope == scope for freeze in in_force(ledger.latest(FREEZES), now())):
        return False
    _record(ledger, "thawed", scope, {"reason": reason}, {})
    return True


def listed(ledger: "Ledger") -> list[dict[str, Any]]:
    """Every freeze in force, with who ordered it unless that was erased."""
    last = ledger.latest(FREEZES)
    return [_told(ledger, freeze, last[freeze.scope]) for freeze in in_force(last, now())]


def scope(ledger: "Ledger", product: str | None, named: Mapping[str, str | None]) -> str:
    """The scope that one of env, ring and tenant names; production when none does. What was frozen before may be named
    though the directory has it no more.

    Raises:
        InputError: several are named.
        UnknownScopeError: there is no such thing; with the nearest that there is.
    """
    given = {kind: name for kind, name in named.items() if name is not None} or {"env": "production"}
    if len(given) > 1:
        raise InputError(
            f"name one of {' and '.join(f'--{kind}' for kind in given)}", hint="a command of its own for each"
        )
    ((kind, name),) = given.items()
    if f"{kind}:{name}" not in ledger.latest(FREEZES) and name not in (known := _known(ledger, product, kind)):
        what = {"env": "environment"}.get(kind, kind)
        raise UnknownScopeError(f"there is no {what} {name!r}", hint=nearest(name, known))
    return f"{kind}:{name}"


def _known(ledger: "Ledger", product: str | None, kind: str) -> set[str]:
    if kind == "env":
        return set(ENVIRONMENTS)
    tenants = recall("tenants", product or only_product()).read().tenants
    return {one.ring for one in tenants} if kind == "ring" else {one.id for one in tenants} | set(ledger.running())


def _must_have_reason(reason: str, consequence: str) -> None:
    if not reason.strip():
        raise InputError(f"without a reason {consequence}", hint='--reason "what others must know"')


def _end(until: str | None) -> str | None:
    try:
        return None if until is None else instant(end_of(until, now()))
    except ValueError as error:
        raise WrongEndError(str(error), hint="without --until it lasts until `stationmaster freeze off`") from None


def _record(ledger: "Ledger", step: str, subject: str, fact: dict[str, Any], inputs: dict[str, Any]) -> Entry:
    who = {"who": whoami()}
    draft = Draft(release=FREEZE, step=step, subject=subject, inputs=inputs, fact=fact, personal=who)
    return ledger.append(draft, now())


def _told(ledger: "Ledger", freeze: Freeze, entry: Entry) -> dict[str, Any]:
    who = (ledger.personal(entry) or {}).get("who")
    return {"scope": freeze.scope, "since": entry.at, **entry.fact, "who": who}
