"""How far a release is with each wave of its plan, read from its entries. It decides nothing and tells nobody."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from stationmaster.domain.entries import Entry
from stationmaster.domain.orders import in_force
from stationmaster.domain.plan import Plan, Wave, name_of

Progress = Literal["planned", "now", "done", "held", "rolled back"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Each wave of the plan by its name, who is back on the version before, and the whole of it in a sentence."""

    waves: Mapping[str, Progress] = field(default_factory=dict)
    back: tuple[str, ...] = ()
    said: str = "Planned; nobody has it yet."
    over: bool = False  # nothing further happens: what is planned still is called off

    @property
    def whole(self) -> Progress:
        """The release in one word."""
        words = set(self.waves.values())
        if "held" in words or ("rolled back" in words and words & {"now", "done"}):
            return "held"
        if words and words <= {"done"}:
            return "done"
        return "rolled back" if "rolled back" in words else "now" if words & {"now", "done"} else "planned"

    def fact(self) -> dict[str, Any]:
        """As plain data."""
        return {"waves": dict(self.waves), "back": list(self.back), "said": self.said}


def standing(plan: Plan, entries: Iterable[Entry], *, begins: str | None = None) -> Standing:
    """Where the release of these entries (all of it, in order) is. `begins` names a wave that begins now, of which
    the ledger does not know yet.
    """
    known = list(entries)
    last = {entry.subject: entry for entry in known if entry.step in {"deployed", "rolled_back"}}
    back = frozenset(tenant for tenant, entry in last.items() if entry.step == "rolled_back")
    waves = {wave.name: _progress(wave, known, last, back) for wave in plan.waves}
    if waves.get(begins or "") == "planned":
        waves[str(begins)] = "now"
    over = any(entry.step in {"restored", "aborted"} for entry in known) and in_force(known) in {None, "abort"}
    return Standing(waves, tuple(sorted(back)), _said(known, waves, back), over)


def _progress(wave: Wave, entries: Sequence[Entry], last: Mapping[str, Entry], back: Collection[str]) -> Progress:
    reached = {tenant for tenant in wave.tenants if tenant in last}
    if reached & set(back):
        return "held" if reached - set(back) else "rolled back"
    if not reached:
        return "planned"
    if _index(entries, "held", wave.name) > max(_index(entries, "started"), _index(entries, "promoted", wave.name)):
        return "held"
    went_back = max((e.index for e in entries if e.step == "rolled_back" and e.subject in reached), default=-1)
    promoted = _index(entries, "promoted", wave.name) if reached == set(wave.tenants) else -1
    return "done" if max(promoted, _index(entries, "released")) > went_back else "now"


def _index(entries: Sequence[Entry], step: str, subject: str | None = None) -> int:
    """Where the last such entry is; -1 when there is none."""
    return max((e.index for e in entries if e.step == step and subject in {None, e.subject}), default=-1)


def _said(entries: Sequence[Entry], waves: Mapping[str, Progress], back: Collection[str]) -> str:
    last = {entry.step: entry.index for entry in entries}
    order = in_force(entries)
    if order == "rollback":
        return "It is going back to the version before."
    if last.get("restored", -1) > last.get("deployed", -1):
        return f"Rolled back: {_count(back)} back on the version before, nobody has it. Its changes are on hold."
    if order == "abort":
        return "Given up; nothing further happens."
    if back:
        return f"Held: {_count(back)} back on the version before, others keep it. A person decides."
    if "released" in last:
        return "Released: every tenant of the plan has it."
    return _of_waves(waves)


def _of_waves(waves: Mapping[str, Progress]) -> str:
    places = {wave: f"wave {number} of {len(waves)} ({wave})" for number, wave in enumerate(waves, 1)}
    for word, said in (("held", "Held at {}. A person decides."), ("now", "Under way: {} is watched.")):
        for wave, progress in waves.items():
            if progress == word:
                return said.format(places[wave])
    done = sum(progress == "done" for progress in waves.values())
    return f"{done} of {len(waves)} waves done." if done else "Planned; nobody has it yet."


def _count(tenants: Collection[str]) -> str:
    return f"{len(tenants)} {'tenant is' if len(tenants) == 1 else 'tenants are'}"


def open_wave(entries: Sequence[Entry]) -> str | None:
    """The wave that has tenants on the release and was not found good since."""
    plan: list[dict[str, Any]] = []
    reached, good = dict[str, int](), dict[str, int]()
    for entry in entries:
        if entry.step == "planned":
            plan = entry.fact["waves"]
        elif entry.step in {"deployed", "rolled_back"}:
            reached[entry.subject] = entry.index if entry.step == "deployed" else -1
        elif entry.step == "promoted":
            good[entry.subject] = entry.index
    last = {name_of(wave): max((reached.get(name, -1) for name in wave["tenants"]), default=-1) for wave in plan}
    return next((wave for wave, index in last.items() if index > good.get(wave, -1)), None)


def unfinished(entries: Sequence[Entry]) -> bool:
    """Whether the release is over and something is left to do all the same: its brief does not say so yet, or what was
    laid down for its approvers has no seal.
    """
    last = {entry.step: entry.index for entry in entries if entry.subject == entry.release}
    ended = max(last.get("released", -1), last.get("restored", -1))
    untold = "briefed" in last and ended > last.get("told", -1)
    return untold or ("mandated" in last and ended > last.get("closed", -1))
