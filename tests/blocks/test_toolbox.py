"""The toolbox without its server: copies that only their owner reads, and what is said when one is missing or broken.

The server's side is in `test_collection.py`.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from stationmaster.blocks import toolbox
from stationmaster.blocks.artifact_store import DirectoryStore
from stationmaster.blocks.copies import CopyDamagedError
from stationmaster.blocks.database import ProductDatabase
from stationmaster.blocks.home import home
from stationmaster.blocks.settings import LedgerDatabase, ProductSecrets
from stationmaster.blocks.toolbox import (
    TOOLS,
    BlockMissingError,
    age,
    only_product,
    open_ledger,
    recall,
    remember,
    remembered,
)
from stationmaster.domain.errors import InputError, OutsideError
from tests.tools import alternatives, tools


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("STATIONMASTER_LEDGER", raising=False)


def copied(kind: str = "secrets", product: str = "shop") -> Path:
    return home() / "blocks" / kind / f"{product}.json"


def keep(given: dict[str, BaseModel], product: str = "shop") -> None:
    for kind, tool in given.items():
        remember(kind, product, tool)


# Home


def test_the_home_is_one_absolute_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home() == tmp_path / "home"
    monkeypatch.setenv("STATIONMASTER_HOME", "~/elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / "elsewhere"
    monkeypatch.setenv("STATIONMASTER_HOME", "")
    assert home() == tmp_path / ".stationmaster"
    monkeypatch.setenv("STATIONMASTER_HOME", "here")
    monkeypatch.chdir(tmp_path)
    assert home() == tmp_path / "here"


# Copies


def test_every_tool_comes_back_as_it_was(tmp_path: Path) -> None:
    given = tools(tmp_path)
    assert set(given) == set(TOOLS)
    keep(given)
    for kind, tool in given.items():
        assert recall(kind, "shop") == tool


def test_a_copy_knows_which_of_several_types_it_is_and_an_old_one_is_of_the_first(tmp_path: Path) -> None:
    file = tools(tmp_path)["tenants"]
    for tool in (*alternatives().values(), file):
        remember("tenants", "shop", tool)
        assert recall("tenants", "shop") == tool
    assert json.loads(copied("tenants").read_text()) == {"path": str(tmp_path / "tenants.yaml")}
    copied("tenants").write_text('{"block type": "tenants-ldap", "path": "/"}')
    with pytest.raises(CopyDamagedError, match="'tenants-ldap', which this version does not know"):
        recall("tenants", "shop")


def test_a_copy_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        for _ in range(2):
            keep(tools(tmp_path))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in home().rglob("*.json")} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (home() / "blocks").iterdir()} == {0o700}
    assert len(list(home().rglob("*"))) == 1 + 2 * len(TOOLS)  # nothing but the copies


def test_a_copy_holds_what_the_tool_needs_and_no_more() -> None:
    class Block(ProductSecrets):
        _block_document_name: str = "shop"
        more: str = "of Prefect's"

    remember("secrets", "shop", Block(environment={"KEY": SecretStr("k")}))
    assert json.loads(copied().read_text()) == {"environment": {"KEY": "k"}, "journeys": {}}


def test_a_tool_shows_no_secret_when_printed(tmp_path: Path) -> None:
    for tool in (*tools(tmp_path).values(), *alternatives().values()):
        assert "hunter2" not in f"{tool!r} {tool}"


def test_the_age_of_a_copy_is_that_of_its_writing(tmp_path: Path) -> None:
    keep(tools(tmp_path))
    os.utime(copied("ledger"), (time.time() - 100, time.time() - 100))
    assert 99 < age("ledger", "shop") < 110


def test_an_unknown_product_is_refused_with_the_nearest(tmp_path: Path) -> None:
    keep(tools(tmp_path), "orderdesk")
    with pytest.raises(BlockMissingError) as caught:
        recall("ledger", "orderdsk")
    assert caught.value.hint == "did you mean 'orderdesk'?"


def test_without_any_copy_the_way_to_one_is_told() -> None:
    with pytest.raises(BlockMissingError, match="no copy of the ledger block of product 'shop'") as caught:
        recall("ledger", "shop")
    assert "stationmaster up" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "content: Invalid JSON"),
        (b'{"environment": {"KEY": "hunter2"', "content: Invalid JSON"),
        (b'{"environment": {"KEY": ["hunter2"]}}', "environment.KEY: Input should be a valid string"),
        (b"\xff\xfe", "content: Invalid JSON"),
        (b"[]", "content: Input should be an object"),
    ],
)
def test_a_damaged_copy_is_named_by_file_and_field_but_not_shown(content: bytes, said: str) -> None:
    remember("secrets", "shop", ProductSecrets())
    copied().write_bytes(content)
    with pytest.raises(CopyDamagedError, match=said) as caught:
        recall("secrets", "shop")
    assert caught.value.file == str(copied())
    assert caught.value.hint
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def test_a_copy_that_cannot_be_read_is_named() -> None:
    copied().mkdir(parents=True)
    with pytest.raises(CopyDamagedError, match="Is a directory"):
        recall("secrets", "shop")


# A toolbox


def test_a_toolbox_is_put_together_from_copies(tmp_path: Path) -> None:
    keep(tools(tmp_path))
    found = remembered("shop")
    with found.ledger:
        assert isinstance(found.artifacts, DirectoryStore)
        assert isinstance(found.database, ProductDatabase)
        assert found.now().tzinfo is not None
        assert found.work == home() / "work"


def test_putting_together_leaves_the_given_tools_alone(tmp_path: Path) -> None:
    given: dict[str, Any] = tools(tmp_path)
    for _ in range(2):
        toolbox.assemble(given).ledger.close()
    assert set(given) == set(TOOLS)


def test_the_environments_ledger_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember("ledger", "shop", LedgerDatabase(url=SecretStr(f"sqlite:///{tmp_path}/copied.db")))
    for product in ("shop", None):
        open_ledger(product).close()
    assert (tmp_path / "copied.db").exists()
    monkeypatch.setenv("STATIONMASTER_LEDGER", f"sqlite:///{tmp_path}/said.db")
    open_ledger("unheard-of").close()
    assert (tmp_path / "said.db").exists()


def test_which_product_is_meant_is_known_only_when_there_is_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no product is known here"):
        only_product()
    keep(tools(tmp_path))
    assert only_product() == "shop"
    keep(tools(tmp_path), "zoo")
    with pytest.raises(InputError, match="several products are known here: shop, zoo"):
        only_product()


def test_secrets_are_revealed_for_a_process_only_when_asked() -> None:
    secrets = ProductSecrets(environment={"KEY": SecretStr("hunter2")})
    assert secrets.revealed() == {"KEY": "hunter2"}
    assert "hunter2" not in secrets.model_dump_json()


def test_questions_never_import_prefect(tmp_path: Path) -> None:
    keep(tools(tmp_path))
    script = "import sys; from stationmaster.blocks import toolbox; toolbox.remembered('shop').ledger.close(); "
    script += "toolbox.open_ledger().close(); sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


# When the server does not answer


def test_a_server_that_is_away_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tools(tmp_path))
    asked: list[str] = []

    def away(kind: str, product: str) -> None:
        asked.append(kind)
        raise toolbox.PrefectAwayError("the Prefect server does not answer (ConnectError)")

    monkeypatch.setattr(toolbox, "_from_server", away)
    toolbox.load("shop").ledger.close()
    assert len(asked) == 1
    assert "does not answer (ConnectError): using the copies of the blocks, 0 s old" in caplog.text


def test_a_server_that_is_away_without_copies_is_no_fault_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(kind: str, product: str) -> None:
        raise toolbox.PrefectAwayError("the Prefect server does not answer (ConnectError)")

    monkeypatch.setattr(toolbox, "_from_server", away)
    with pytest.raises(
        OutsideError, match=r"does not answer \(ConnectError\), and there is no copy of the source block"
    ):
        toolbox.load("shop")
