"""`journeys run`: the product's journeys now, against what serves a tenant. Nothing is recorded."""

from typing import TYPE_CHECKING

from cyclopts import App

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say
from stationmaster.cli.tenants import UnknownTenantError
from stationmaster.cli.tools import only_product, remembered
from stationmaster.domain.documents import read
from stationmaster.domain.errors import Exit, InputError, nearest
from stationmaster.domain.journey import JourneyResult
from stationmaster.domain.product import Product

if TYPE_CHECKING:
    from stationmaster.blocks.toolbox import Toolbox

app = App(name="journeys", help="Run the product's journeys now.")


class NothingRunsError(InputError):
    """No tenant runs anything yet."""

    code = "nothing_runs"


@app.command
def run(*tenants: str, product: str | None = None, json: Flag = False) -> int:
    """Run every journey of the version that serves each tenant. Exit code 1: one failed.

    Parameters
    ----------
    tenants
        Whom to run them for; every tenant that is served unless given.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    tools = remembered(product or only_product())
    with tools.ledger:
        routes = tools.target.routes()
        for tenant in tenants:
            if tenant not in routes:
                raise UnknownTenantError(f"nothing serves a tenant {tenant!r}", hint=nearest(tenant, routes))
        results = [one for tenant in tenants or sorted(routes) for one in _run(tools, tenant)]
    found = [
        {"journey": one.journey, "tenant": one.tenant, "passed": one.passed, "reasons": list(one.reasons)}
        for one in results
    ]
    failed = [one for one in results if not one.passed]
    text = f"{len(results) - len(failed)} of {len(results)} journeys passed"
    answer({"journeys": found, "passed": not failed}, as_json=json, text=text)
    return Exit.NO if failed else Exit.YES


def _run(tools: "Toolbox", tenant: str) -> list[JourneyResult]:
    from stationmaster.blocks import journeys  # noqa: PLC0415 - an HTTP client, which --help does not need

    endpoint = tools.target.endpoint(*tools.target.routes()[tenant])
    results = [
        journeys.run(journey, endpoint, tenant, tools.secrets.journeys) for journey in _product(tools, tenant).journeys
    ]
    for one in results:
        say(
            f"{'passed' if one.passed else 'FAILED'}  {tenant:<16} {one.journey}"
            + "".join(f"\n        {r}" for r in one.reasons)
        )
    return results


def _product(tools: "Toolbox", tenant: str) -> Product:
    """As the version that the tenant runs declares it; the newest one in production for a tenant the ledger lacks."""
    running = tools.ledger.running()
    entry = running.get(tenant) or max(running.values(), key=lambda each: each.index, default=None)
    if entry is None:
        raise NothingRunsError("no tenant runs anything yet", hint="stationmaster release start")
    return read(Product, tools.source.read(entry.fact["commit"], "stationmaster.yaml"), "stationmaster.yaml").value
