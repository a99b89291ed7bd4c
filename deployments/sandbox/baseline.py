"""Installs Orderdesk's version before the demo's first release, and says so in the ledger (`adopted`).

It builds and starts as a release does, without a release's gates. Releases are made by `demo.py`.
"""

import threading
from datetime import UTC, datetime

from stationmaster.blocks.database import Revisions
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.serving import start_instance
from stationmaster.deployments.sandbox.people import STARTER
from stationmaster.deployments.sandbox.world import World
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.entries import Draft
from stationmaster.domain.request import ReleaseRequest
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut

_RELEASE = "baseline"


def install(world: World, ref: str) -> None:
    """The version at `ref`, brought to every tenant."""
    tools = world.toolbox
    lease = tools.ledger.take_lease(_RELEASE, "sandbox", datetime.now(UTC), seconds=600)
    request = ReleaseRequest(id=_RELEASE, product=str(world.descriptor.product), ref=ref, starter=STARTER)
    leg = Leg(tools, request, lease, threading.Event())
    this = cut.fn(leg)
    artifact = build.fn(leg, this)
    tools.flags.publish(tools.source.read(this.commit.commit, str(this.product.flags)), str(this.product.flags))
    database, export = this.product.database, leg.export("migrations", this.commit.commit)
    assert database is not None  # noqa: S101 - Orderdesk has one
    revisions = Revisions(database, export, leg.folder("migrations"))
    for instance in tools.target.instances:
        tools.database.expand(instance, revisions)
        colour = start_instance(leg, this.product.service, artifact.digest, instance)
        tenants = [t.id for t in tools.tenants.read().tenants if t.instance == instance]
        tools.target.shift(tuple(tenants or [this.product.stage_tenant]), instance, colour, fence=leg.fence)
        for tenant in tenants:
            _adopt(leg, this, artifact, tenant)
    tools.ledger.give_back(lease)


def _adopt(leg: Leg, this: Cut, artifact: Artifact, tenant: str) -> None:
    fact = {"version": this.commit.version, "digest": artifact.digest, "commit": this.commit.commit}
    draft = Draft(release=leg.release, step="adopted", subject=tenant, inputs={"digest": artifact.digest}, fact=fact)
    leg.tools.ledger.append(draft, leg.tools.now())
