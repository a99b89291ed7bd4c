"""The artifact as an instance serves it: started with what it needs, and asked by the product's journeys."""

from collections.abc import Mapping

from stationmaster.blocks.instances import Colour
from stationmaster.blocks.journeys import run
from stationmaster.blocks.leg import Leg
from stationmaster.domain.entries import digest
from stationmaster.domain.journey import JourneyResult
from stationmaster.domain.product import Product, Service


def start_instance(leg: Leg, service: Service, digest: str, instance: str) -> Colour:
    """The colour on which the instance serves the artifact of that digest, verified, started if need be."""
    tools = leg.tools
    database = tools.database.databases.get(instance)
    env = {**tools.secrets.revealed(), **({"DATABASE_URL": database.get_secret_value()} if database else {})}
    return tools.target.start(
        instance,
        str(tools.artifacts.path(digest)),
        digest,
        service.command,
        fence=leg.fence,
        env=env,
        health=service.health,
        version=service.version,
        timeout=service.start_timeout,
    )


def publish_flags_of(leg: Leg, product: Product, commit: str, approved: Mapping[str, str]) -> None:
    """The product's flag file as a commit has it. Publishing it again changes nothing. `approved` is what the gate of
    approvals said; of flags that go back it says nothing.
    """
    file = product.flags or ""
    text = leg.tools.source.read(commit, file)
    leg.tools.flags.publish(text, file)
    fact = {"commit": commit, "file": file, "digest": digest(text.encode())}
    leg.record("flagged", fact, {**fact, **approved}, subject=product.product)


def run_journeys(leg: Leg, product: Product, instance: str, colour: Colour, tenant: str) -> list[JourneyResult]:
    """Each of the product's journeys once, for a tenant, straight at one colour of an instance."""
    endpoint = leg.tools.target.endpoint(instance, colour)
    return [run(journey, endpoint, tenant, leg.tools.secrets.journeys) for journey in product.journeys]
