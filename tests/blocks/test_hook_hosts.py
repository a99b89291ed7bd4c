"""Which block tells a hook's code host, and what is said when none does."""

from typing import Any

import pytest
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.collection import Host
from stationmaster.blocks.hook_hosts import host_of
from stationmaster.blocks.toolbox import BlockInvalidError, BlockMissingError, PrefectAwayError
from stationmaster.domain.hooks import Hook

HOOK = Hook.model_validate({"host": "github", "product": "shop", "secret": "x"})
GITHUB = {"host": "github", "repository": "acme/shop", "token": SecretStr("hunter2")}


class Server:
    """Blocks by name, as `Block.load` gives them; away when it has none at all."""

    def __init__(self) -> None:
        self.blocks: dict[str, dict[str, Any]] | None = {}

    def load(self, name: str) -> Host:
        if self.blocks is None:
            raise ConnectionError("refused")
        if name not in self.blocks:
            raise ValueError(name) from ObjectNotFound(Exception("404"))
        try:
            return Host(**self.blocks[name])
        except ValueError as error:
            raise RuntimeError("not valid") from error


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Server:
    made = Server()
    monkeypatch.setattr(Host, "load", made.load)
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path))
    return made


def test_a_mirror_has_a_block_of_its_hooks_name_and_others_have_the_products(server: Server) -> None:
    server.blocks = {"shop": GITHUB, "mirror": {**GITHUB, "repository": "mirror/shop"}}
    assert host_of("hub", HOOK) == CodeHost.model_validate(GITHUB)
    assert host_of("mirror", HOOK).repository == "mirror/shop"


def test_when_prefect_is_away_the_last_good_copy_does(server: Server) -> None:
    server.blocks = {"hub": GITHUB}
    host_of("hub", HOOK)
    server.blocks = None
    assert host_of("hub", HOOK) == CodeHost.model_validate(GITHUB)
    with pytest.raises(PrefectAwayError, match="does not answer"):
        host_of("other", HOOK)


def test_a_block_that_is_missing_or_wrong_is_named(server: Server) -> None:
    with pytest.raises(BlockMissingError, match="stationmaster-code-host named 'hub' or 'shop'"):
        host_of("hub", HOOK)
    server.blocks = {"shop": {"host": "gitlab", "repository": "acme/shop"}}
    with pytest.raises(BlockInvalidError, match="is for gitlab, and the hook for github"):
        host_of("hub", HOOK)
    server.blocks = {"hub": {**GITHUB, "repository": "shop"}}
    with pytest.raises(BlockInvalidError, match="named 'hub' is not valid: repository"):
        host_of("hub", HOOK)


def test_the_form_hides_the_token_and_explains_each_field() -> None:
    schema = Host.model_json_schema()
    assert Host.get_block_type_slug() == "stationmaster-code-host"
    assert schema["secret_fields"] == ["token"]
    assert set(schema["properties"]) == set(CodeHost.model_fields)
    assert all(one.get("description") for one in schema["properties"].values())
