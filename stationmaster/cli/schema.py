"""`schema`: what an editor needs to complete the files, and the stages of a release."""

from typing import Literal

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, table
from stationmaster.domain.documents import schema as schema_of
from stationmaster.domain.stages import EDGES, STAGES


def schema(
    document: Literal["product", "tenants", "approvers", "calendar"] = "product",
    *,
    stages: Flag = False,
    json: Flag = False,
) -> None:
    """Print the JSON Schema of a file, or the stages of a release and what leads from one to another.

    Parameters
    ----------
    document
        product: stationmaster.yaml. tenants: the tenant directory. approvers: approvers.yaml. calendar: a
        calendar file.
    stages
        The table of stages instead.
    json
        The stages as one object; a schema always is one.
    """
    if not stages:
        answer(schema_of(document), as_json=True, text="")
        return
    edges = [{"from": list(edge.stages), "event": edge.event, "to": edge.to, "by": edge.by} for edge in EDGES]
    rows = [(", ".join(edge.stages), edge.event, edge.to, edge.by) for edge in EDGES]
    answer({"stages": list(STAGES), "edges": edges}, as_json=json, text=table(["from", "event", "to", "by"], rows))
