"""The artifact as an instance serves it: started with what it needs, and asked by the product's journeys."""

from stationmaster.blocks.instances import Colour
from stationmaster.blocks.journeys import run
from stationmaster.blocks.leg import Leg
from stationmaster.domain.documents import read
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


def product_at(leg: Leg, commit: str) -> Product:
    """What the product said of itself at a commit."""
    return read(Product, leg.tools.source.read(commit, "stationmaster.yaml"), "stationmaster.yaml").value


def run_journeys(leg: Leg, product: Product, instance: str, colour: Colour, tenant: str) -> list[JourneyResult]:
    """Each of the product's journeys once, for a tenant, straight at one colour of an instance."""
    endpoint = leg.tools.target.endpoint(instance, colour)
    return [run(journey, endpoint, tenant, leg.tools.secrets.journeys) for journey in product.journeys]
