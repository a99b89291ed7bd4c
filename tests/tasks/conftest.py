from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.plan import Plan
from stationmaster.tasks.approval import lay_down_mandate, require_approval
from stationmaster.tasks.brief import send_brief
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from stationmaster.tasks.plan import make_plan
from tests.world import World
from tests.world import world as made


@dataclass(frozen=True)
class Ready:
    """A leg before the first wave: everything up to the brief is done."""

    leg: Leg
    cut: Cut
    artifact: Artifact
    plan: Plan


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


@pytest.fixture
def ready(world: World) -> Callable[..., AbstractContextManager[Ready]]:
    """Brings a release before its first wave, for acts that touch production."""

    @contextmanager
    def prepared(release: str = "r2", ref: str = "v2") -> Iterator[Ready]:
        world.start(release, ref)
        world.approve(release)
        with world.leg(release, ref) as leg:
            this = cut.fn(leg)
            artifact = build.fn(leg, this)
            plan = make_plan.fn(leg, this, artifact)
            lay_down_mandate.fn(leg, this, artifact, plan)
            require_approval.fn(leg, this)
            send_brief.fn(leg, this, artifact, plan)
            world.database.put("r2")  # as the waves' expand does, before anybody is led there
            yield Ready(leg, this, artifact, plan)

    return prepared
