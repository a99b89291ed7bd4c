"""`evidence drift`: does production run what was approved?"""

from contextlib import closing

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.cli.tools import only_product, remembered
from stationmaster.domain.errors import Exit


def drift(*, product: str | None = None, json: Flag = False) -> int:
    """Say what runs in production that no approved release brought there. It only looks; the flow `drift` records it.

    Every process, route, database and the published flags are asked now. Exit code 1: something deviates. 3: nothing is
    known to, but something does not answer.

    Parameters
    ----------
    product
        Whose production.
    json
        One object on standard output.
    """
    from stationmaster.blocks.drift import look  # noqa: PLC0415 - alone needs the whole toolbox

    name = product or only_product()
    tools = remembered(name)
    with closing(tools.ledger):
        found = look(tools)
    lines = [str(one) for one in found.findings] or [f"{found.tenants} tenants run what the ledger says"]
    answer({"product": name, "ok": not found.findings, **found.fact()}, as_json=json, text="\n".join(lines))
    if not found.findings:
        return Exit.YES
    return Exit.NO if found.certain else Exit.UNKNOWN
