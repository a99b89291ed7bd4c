"""`schema`: what editors load, and the table of stages."""

import json

import pytest

from stationmaster.domain.documents import DOCUMENTS
from stationmaster.domain.stages import EDGES, STAGES
from tests.cli.conftest import Desk


@pytest.mark.parametrize("document", sorted(DOCUMENTS))
def test_every_document_has_a_schema_whose_references_lead_somewhere(desk: Desk, document: str) -> None:
    found = desk.run("schema", document).json
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["type"] == "object"
    assert found["additionalProperties"] is False
    for reference in set(_references(found)):
        assert reference.removeprefix("#/$defs/") in found["$defs"]


def _references(part: object) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [found for inner in part.values() for found in _references(inner)]
    return [found for inner in part for found in _references(inner)] if isinstance(part, list) else []


def test_the_stages_are_the_table(desk: Desk) -> None:
    found = desk.run("schema", "--stages", "--json").json
    assert found["stages"] == list(STAGES)
    assert len(found["edges"]) == len(EDGES)
    assert set(found["edges"][0]) == {"from", "event", "to", "by"}
    text = desk.run("schema", "--stages").out
    assert all(edge.by in text for edge in EDGES)


def test_an_unknown_document_lists_the_known(desk: Desk) -> None:
    found = desk.run("schema", "prodct", "--json")
    found.refused(2, "usage", "product", "tenants", "approvers")
    assert json.loads(found.out)["error"]["hint"] == "stationmaster schema --help"
