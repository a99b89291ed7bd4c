"""The flow `catch-up`, and how a hotfix is handed to a real Prefect server: once, however often."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.logging import disable_run_logger
from pydantic import SecretStr

from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.collection import Host
from stationmaster.blocks.hook_hosts import host_of
from stationmaster.blocks.hosting import CodeHostUnavailableError
from stationmaster.blocks.toolbox import BlockMissingError
from stationmaster.deployments.boarding import clerk_of
from stationmaster.deployments.flow_runs import RELEASE, runs_of
from stationmaster.deployments.submission import create
from stationmaster.domain.catch_up import CatchUpRequest
from stationmaster.domain.hooks import Hook
from stationmaster.domain.request import ReleaseRequest
from stationmaster.flows import catch_up as module
from stationmaster.flows.catch_up import catch_up
from stationmaster.ledger.inbox import Inbox
from tests.blocks.code_host_server import serving
from tests.hook_deliveries import merged

PULLS = "/repos/Codertocat/Hello-World/pulls"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    hooks = "{hub: {host: github, product: shop, secret: x, base: [master]}}"
    path = tmp_path / "receiver.yaml"
    path.write_text(f"inbox: sqlite:///{tmp_path}/inbox.db\nhooks: {hooks}\n")
    return path


def test_the_flow_boards_what_was_missed_and_fails_when_a_host_is_away(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = CatchUpRequest(config=str(config), since=datetime(2026, 11, 20, tzinfo=UTC))
    with serving() as server, disable_run_logger():
        host = CodeHost(host="github", repository="Codertocat/Hello-World", url=server.url)
        monkeypatch.setattr(module, "host_of", lambda *_: host)
        server.tell(PULLS, [{**merged(1)["pull_request"], "updated_at": "2026-11-20T14:31:08Z"}])
        catch_up.fn(request)
        server.tell(PULLS, "", 502)
        with pytest.raises(CodeHostUnavailableError):
            catch_up.fn(request)
    with Inbox.open(f"sqlite:///{config.parent}/inbox.db") as inbox:
        assert [arrival.change.number for arrival in inbox.changes()] == [1]


@pytest.fixture
def registered(prefect_server: None) -> Iterator[None]:
    with get_client(sync_client=True) as client:
        made = client.create_flow(flow(lambda request: request, name="release"))  # type: ignore[call-overload] # a lambda will do
        deployment = client.create_deployment(flow_id=made, name="stationmaster", entrypoint="x.y")
        yield
        client.delete_deployment(deployment)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("registered")
def test_a_hotfix_is_one_flow_run_whoever_submits_it_and_however_often(tmp_path: Path) -> None:
    asked = ReleaseRequest(
        id=f"hotfix-{uuid4().hex[:12]}", product="shop", ref=40 * "a", kind="hotfix", starter="webhook"
    )
    with Inbox.open(f"sqlite:///{tmp_path}/inbox.db") as inbox:
        submit = clerk_of(inbox, {}).submit
        submit(asked)
        first = runs_of([asked.id])
        submit(asked)
        again = create(RELEASE, asked, idempotency_key=asked.id)
    assert [one.run.id for one in runs_of([asked.id])] == [one.run.id for one in first] == [str(again.id)]
    assert first[0].request == asked.model_dump(mode="json")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("prefect_server")
def test_the_code_host_of_a_hook_is_what_somebody_saved_in_the_ui(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path))
    kept: dict[str, Any] = {"host": "github", "repository": "acme/shop", "token": SecretStr("hunter2")}
    name = f"hub-{uuid4().hex[:12]}"
    hook = Hook.model_validate({"host": "github", "product": f"shop-{name}", "secret": "x"})
    with pytest.raises(BlockMissingError):
        host_of(name, hook)
    Host(**kept).save(hook.product)
    assert host_of(name, hook) == CodeHost.model_validate(kept)
    Host(**{**kept, "repository": "mirror/shop"}).save(name)
    assert host_of(name, hook).repository == "mirror/shop"
