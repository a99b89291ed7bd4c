"""What a watch looks at: the wave's tenants on the new version, their neighbours on the old one, and journeys on both.

It gathers; what the counts and journeys mean is `domain/canary.py`'s.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from stationmaster.blocks.carried import product_at
from stationmaster.blocks.instances import Colour
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.policies import policy_for
from stationmaster.blocks.serving import run_journeys
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.canary import JOURNEY_ATTEMPTS, JourneyResult, Verdict, judge
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.plan import Wave
from stationmaster.domain.product import HardLimit, Product
from stationmaster.domain.signals import Counts, Reading
from stationmaster.domain.ticks import SEEN, Tick, tick_between

PROBE = "stationmaster-probe"  # the name under which probes of the old version are counted


class NotRunningError(OutsideError):
    """What is to be watched ended between its deploy and the watch."""

    code = "not_running"


def passed(leg: Leg, artifact: Artifact, wave: Wave) -> dict[str, Any]:
    """What a wave that passed passed with. Tenants that were taken back and have it again are watched again."""
    running = leg.tools.ledger.running()
    since = max((running[name].index for name in wave.tenants if name in running), default=None)
    return {"digest": artifact.digest, "tenants": list(wave.tenants), "since": since}


@dataclass
class Watch:
    """One wave under observation, from its start to a verdict."""

    leg: Leg
    cut: Cut
    wave: Wave
    until: datetime
    colours: dict[
        str, tuple[Colour, Colour | None]
    ]  # instance: the new version's colour, the old one's where it still runs
    last: Reading
    at: datetime
    before: Product  # as the versions before declare their journeys
    limit: HardLimit
    ticks: list[Tick] = field(default_factory=list)
    journeys: list[JourneyResult] = field(default_factory=list)

    @classmethod
    def begin(cls, leg: Leg, cut: Cut, artifact: Artifact, wave: Wave) -> "Watch":
        """Start from the counters as they are now; what happened before the wave does not count."""
        answers = leg.tools.target.running(cut.product.service.version)
        running = {(found.instance, found.colour): found.digest for found in answers}
        colours = {instance: _pair(instance, artifact.digest, running) for instance in wave.instances}
        ring = next(ring for ring in cut.product.rings if ring.name == wave.ring)
        now = leg.tools.now()
        until, before = now + timedelta(seconds=ring.watch), _before(leg, cut)
        limit = policy_for(leg.tools.ledger, cut).hard_limits["availability"]
        return cls(leg, cut, wave, until, colours, leg.tools.metrics.read(), now, before, limit)

    @property
    def over(self) -> bool:
        """Whether the ring's time to watch has passed."""
        return self.leg.tools.now() >= self.until

    def look(self) -> Verdict:
        """One tick, and the verdict over all of them so far. Journeys run at the first look and at the last."""
        deadline = self.over
        if not self.journeys or deadline:
            self.journeys = list(self._journeys())
        self.ticks.append(self._tick())
        return judge(self.limit, self.ticks, self.journeys, deadline=deadline)

    def _tick(self) -> Tick:
        now, reading = self.leg.tools.now(), self.leg.tools.metrics.read()
        new = {t: f"{i}_{self.colours[i][0]}" for i, tenants in self.wave.instances.items() for t in tenants}
        tick = tick_between(
            self.last, reading, new, self._neighbours(), at=now, seconds=(now - self.at).total_seconds()
        )
        self.at = now
        if reading.status in SEEN:  # through an outage the last good reading stays, so that nothing is lost
            self.last = reading
        if any(counts.bad for counts in tick.new.values()) and not any(counts.total for counts in tick.old.values()):
            return Tick(tick.at, tick.seconds, tick.status, tick.new, {PROBE: self._probe()})
        return tick

    def _neighbours(self) -> dict[str, str]:
        """Tenants that are served by the old version beside the wave's."""
        routes = self.leg.tools.target.routes()
        old = {(instance, colour) for instance, (_, colour) in self.colours.items()}
        return {tenant: f"{place[0]}_{place[1]}" for tenant, place in routes.items() if tuple(place) in old}

    def _probe(self) -> Counts:
        """The old version's journeys, counted, where no tenant is left on it."""
        results = [
            passed
            for instance, (_, old) in self.colours.items() if old
            for passed in self._run(self.before, instance, old, self.wave.instances[instance][0]).values()
        ]  # fmt: skip
        return Counts(len(results), results.count(False))

    def _journeys(self) -> Iterator[JourneyResult]:
        for instance, tenants in self.wave.instances.items():
            new, old = self.colours[instance]
            for tenant in tenants:
                yield from self._attempts(instance, new, old, tenant)

    def _attempts(self, instance: str, new: Colour, old: Colour | None, tenant: str) -> Iterator[JourneyResult]:
        """Once when it passes; three times when it fails, and on the old version too, before the last: what both
        suffered and what ended in between is not taken for a difference.
        """
        product, before = self.cut.product, dict[str, bool]()
        rounds = [self._run(product, instance, new, tenant)]
        while len(rounds) < JOURNEY_ATTEMPTS and not all(rounds[-1].values()):
            if old and len(rounds) == JOURNEY_ATTEMPTS - 1:
                before = self._run(self.before, instance, old, tenant)
            rounds.append(self._run(product, instance, new, tenant))
        for name in rounds[0]:
            passed = [run[name] for run in rounds]
            yield JourneyResult(name, tenant, passed.count(True), passed.count(False), _word(before.get(name)))

    def _run(self, product: Product, instance: str, colour: Colour, tenant: str) -> dict[str, bool]:
        results = run_journeys(self.leg, product, instance, colour, tenant)
        return {result.journey: result.passed for result in results}


def _before(leg: Leg, cut: Cut) -> Product:
    """The journeys of the versions that ran at the cut: a journey that is new is none of theirs."""
    products = [product_at(leg.tools.source, commit) for commit in cut.previous] or [cut.product]
    journeys = {journey.name: journey for product in products for journey in product.journeys}
    return products[0].model_copy(update={"journeys": tuple(journeys.values())})


def _word(passed: bool | None) -> Literal["passed", "failed", "not_run"]:  # noqa: FBT001
    return "not_run" if passed is None else "passed" if passed else "failed"


def _pair(instance: str, digest: str, running: dict[tuple[str, Colour], str | None]) -> tuple[Colour, Colour | None]:
    on = {colour: found for (name, colour), found in running.items() if name == instance}
    new = next((colour for colour, found in on.items() if found == digest), None)
    if new is None:
        raise NotRunningError(
            f"no process of instance {instance} says that it runs {digest}",
            hint="start the release again: it deploys it",
        )
    return new, next((colour for colour, found in on.items() if found != digest), None)
