"""The tools as Prefect shows them: a form per block without a readable secret, and the way over a real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.testing.utilities import prefect_test_harness
from pydantic import BaseModel

from stationmaster.blocks import collection, toolbox
from stationmaster.blocks.collection import BLOCKS
from stationmaster.blocks.toolbox import BlockAmbiguousError, BlockInvalidError, BlockMissingError
from tests.tools import alternatives, optional, tools

_PRIVATE = ("password", "secret", "token", "key", "credential")
TOOLS = toolbox.KINDS
KINDS = sorted(TOOLS)


def test_every_tool_is_a_block_and_every_block_a_tool() -> None:
    assert set(BLOCKS) == set(TOOLS)
    assert {kind: block.__mro__[1] for kind, block in BLOCKS.items()} == TOOLS
    defined = {block for block in vars(collection).values() if isinstance(block, type) and issubclass(block, Block)}
    assert defined - {Block} == set(BLOCKS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_has_a_name_a_description_and_a_field_of_each_of_the_tools(kind: str) -> None:
    block = BLOCKS[kind]
    assert block.get_block_type_slug() == f"stationmaster-{kind}"
    assert block.get_block_type_name().startswith("Stationmaster ")
    assert block.get_description() == TOOLS[kind].__doc__
    assert block._logo_url is None
    schema = block.model_json_schema()
    assert set(schema["properties"]) == set(TOOLS[kind].model_fields)
    assert [name for name, one in schema["properties"].items() if not one.get("description")] == []


def test_what_is_secret_is_so_in_the_form() -> None:
    hidden = {f"{kind}.{path}" for kind in KINDS for path in BLOCKS[kind].model_json_schema()["secret_fields"]}
    assert hidden == {
        "chat.token", "code-host.token", "database.databases.*", "database.scratch", "ledger.url",
        "secrets.environment.*", "secrets.journeys.*", "signer.key", "target.instances.*",
        "tenants-http.token", "tenants-sql.url",
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_private_by_its_name_is_no_readable_field(kind: str) -> None:
    hidden = {path.partition(".")[0] for path in BLOCKS[kind].model_json_schema()["secret_fields"]}
    assert {name for name in TOOLS[kind].model_fields if any(word in name for word in _PRIVATE)} <= hidden


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_of_a_block_is_shown_unless_asked_for(kind: str, tmp_path: Path) -> None:
    block = as_block(kind, (tools(tmp_path) | optional() | alternatives())[kind])
    document = block._to_block_document(name="shop", block_schema_id=_ID, block_type_id=_ID)
    kept = document.model_dump_json()
    assert "hunter2" not in f"{block!r} {block} {block.model_dump_json()} {kept}"


_ID: Any = "00000000-0000-0000-0000-000000000001"


def as_block(kind: str, tool: BaseModel) -> Block:
    return BLOCKS[kind](**{name: getattr(tool, name) for name in TOOLS[kind].model_fields})


@pytest.fixture(scope="session")
def server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Prefect's own server warns as it starts
def test_tools_go_to_the_server_and_come_back(server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "home"))
    given = tools(tmp_path)
    with pytest.raises(BlockMissingError, match="no block stationmaster-source named 'shop'"):
        toolbox.load("shop")
    for kind, tool in given.items():
        as_block(kind, tool).save("shop", overwrite=True)
    assert [kind for kind in given if "hunter2" in _as_the_ui_sees_it(kind)] == []
    found = toolbox.load("shop")
    found.ledger.close()
    assert {kind: getattr(found, kind) for kind in given if kind != "ledger"} == {
        kind: tool for kind, tool in given.items() if kind != "ledger"
    }
    for kind, tool in given.items():  # the copies, left by the way
        assert toolbox.recall(kind, "shop") == tool
    with pytest.raises(BlockMissingError, match="no block stationmaster-code-host named 'shop'"):
        toolbox.optional("code-host", "shop")
    for kind, tool in optional().items():
        as_block(kind, tool).save("shop")
        assert "hunter2" not in _as_the_ui_sees_it(kind)
        assert toolbox.optional(kind, "shop") == tool
        assert toolbox.recall(kind, "shop") == tool
    _tenants_come_from_one_block_of_three(tmp_path)
    _break("shop")
    with pytest.raises(
        BlockInvalidError, match="block stationmaster-secrets named 'shop' is not valid: environment"
    ) as caught:
        toolbox.load("shop")
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def _tenants_come_from_one_block_of_three(tmp_path: Path) -> None:
    file = tools(tmp_path)["tenants"]
    for kind, tool in alternatives().items():
        as_block(kind, tool).save("shop")
        assert "hunter2" not in _as_the_ui_sees_it(kind)
        with pytest.raises(BlockAmbiguousError, match=f"stationmaster-tenants and stationmaster-{kind} named 'shop'"):
            toolbox.load("shop")
        BLOCKS["tenants"].delete("shop")
        toolbox.load("shop").ledger.close()
        assert toolbox.recall("tenants", "shop") == tool
        BLOCKS[kind].delete("shop")
        with pytest.raises(BlockMissingError, match="stationmaster-tenants or stationmaster-tenants-sql or "):
            toolbox.load("shop")
        as_block("tenants", file).save("shop")
    toolbox.load("shop").ledger.close()
    assert toolbox.recall("tenants", "shop") == file


def _as_the_ui_sees_it(kind: str) -> str:
    with get_client(sync_client=True) as client:
        return client.read_block_document_by_name(
            "shop", f"stationmaster-{kind}", include_secrets=False
        ).model_dump_json()


def _break(name: str) -> None:
    """As a person may through the API, which checks no schema."""
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name(name, "stationmaster-secrets")
        data: Any = {"environment": "hunter2"}
        client.update_block_document(document.id, BlockDocumentUpdate(data=data, merge_existing_data=False))
