"""The instant before which production is not touched, and what becomes of a train that cannot leave then."""

from datetime import datetime, timedelta

from stationmaster.blocks.leg import Leg, ReleaseAbortedError
from stationmaster.blocks.owing import owed
from stationmaster.blocks.trains import STARTER, production
from stationmaster.domain.artifact import Cut
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import WaitingError
from stationmaster.domain.tenants import STAGE
from stationmaster.domain.train import Decision, Train, decide
from stationmaster.tasks import act

_LOOK = timedelta(hours=1)  # at what ends without a word to us: a merge-back, a review
_TOUCHED = frozenset({"expanding", "deployed"})


class NotDepartedError(WaitingError):
    """The release has not left, and production is not touched."""

    code = "not_departed"

    def __init__(
        self, release: str, why: str, waiting_for: str, until: datetime | None, unnamed: str | None = None
    ) -> None:
        super().__init__(
            f"{release} waits: {why}",
            waiting_for=waiting_for,
            until=instant(until) if until else None,
            hint=f"nothing is lost by waiting; to give it up: stationmaster release abort {release} --reason WHY",
        )
        if unnamed is not None:
            self.unname(f"{release} waits: {unnamed}", hint=self.hint)


@act("departure", timeout=120)
def require_departure(leg: Leg, cut: Cut) -> None:
    """Pass when the release may leave, or has touched production already. Never answered from the ledger.

    A train that may not leave any more is given up: the next one has all of it.
    """
    departs, train = leg.request.departs, cut.product.train
    if departs is None or _left(leg):
        return
    now = leg.tools.now()
    if now < departs:
        raise NotDepartedError(leg.release, f"it leaves at {instant(departs)}", "window", departs)
    if leg.request.kind == "train" and train is not None:
        _carry_out(leg, _decided(leg, cut, train, departs), now)


def _left(leg: Leg) -> bool:
    """Whether it has begun to change production."""
    entries = leg.tools.ledger.entries(leg.release)
    return any(entry.step in _TOUCHED and entry.subject != STAGE for entry in entries)


def _decided(leg: Leg, cut: Cut, train: Train, departs: datetime) -> Decision:
    tools = leg.tools
    return decide(
        train, departs, tools.now(), aboard=[change.commit for change in cut.changes] or [cut.commit.commit],
        cut=True, window=production(tools), owed=owed(tools, cut.product),
    )  # fmt: skip


def _carry_out(leg: Leg, decision: Decision, now: datetime) -> None:
    if decision.answer == "merged_into_next":
        leg.record("aborted", {}, {"reason": decision.reason}, personal={"who": STARTER})
        raise ReleaseAbortedError(f"{leg.release} was given up: {decision.reason}")
    if decision.answer == "blocked":
        raise NotDepartedError(leg.release, decision.reason, "person", now + _LOOK, decision.unnamed)
    if decision.answer != "depart":
        raise NotDepartedError(leg.release, decision.reason, "window", decision.until)
