"""What `register` leaves on a real Prefect server, and that `prefect deploy` leaves the same deployments."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.settings import get_current_settings
from pydantic import SecretStr

from stationmaster.blocks.chat import SlackChat
from stationmaster.blocks.source import GitRepository
from stationmaster.blocks.toolbox import remember
from stationmaster.cli.main import run
from stationmaster.deployments.registration import AT_ONCE, SLUG
from tests.repository import Repository
from tests.shop import PRODUCT

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("prefect_server")]
FLOWS = ("approve", "catch-up", "drift", "merge-back-check", "release", "rollback", "train")
EVERY = [f"{name}/stationmaster" for name in FLOWS]
_SERVERS = {"id", "created", "updated", "flow_id", "last_polled", "version"}  # Prefect's own words for a deployment
_TRAIN = "train: {cadence: FREQ=DAILY;BYHOUR=9, zone: Europe/Berlin}\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nothing is known here, and nothing is left on the server."""
    monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "home"))
    yield tmp_path
    with get_client(sync_client=True) as client:
        for one in client.read_deployments():
            client.delete_deployment(one.id)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "receiver.yaml"
    path.write_text(f"inbox: sqlite:///{tmp_path}/in.db\nhooks: {{hub: {{host: github, product: shop, secret: x}}}}\n")
    return path


def register(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["register", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def deployed(name: str) -> DeploymentResponse:
    with get_client(sync_client=True) as client:
        return client.read_deployment_by_name(name)


def deployments() -> dict[str, dict[str, Any]]:
    """Entrypoint to everything that the server keeps of its deployment."""
    with get_client(sync_client=True) as client:
        found = client.read_deployments()
    return {str(one.entrypoint): one.model_dump(mode="json", exclude=_SERVERS) for one in found}


def test_every_flow_and_the_pool_are_there_and_nobody_is_told_without_a_product(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = register(capsys)
    assert (sorted(told["deployments"]), told["alerts"]) == (EVERY, [])
    assert told["server"] == str(get_current_settings().api.url).removesuffix("/api")
    with get_client(sync_client=True) as client:
        (pool,) = client.read_work_pools(
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=["stationmaster"]))
        )
    assert (pool.type, pool.concurrency_limit) == ("process", AT_ONCE)
    assert deployed("catch-up/stationmaster").schedules == []


def test_a_product_gets_its_trains_merge_backs_and_alerts(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = Repository.begin(home / "code")
    code.commit("Leave every day", {"stationmaster.yaml": PRODUCT + _TRAIN})
    remember("source", "shop", GitRepository(url=str(code.path), mirror=str(home / "mirror")))
    chat = SlackChat(base_url="http://127.0.0.1:1/api/", token=SecretStr("xoxb-1"), channel="C1")
    remember("chat", "shop", chat)
    told = register(capsys, "--product", "shop")
    assert sorted(told["deployments"]) == sorted([*EVERY, "drift/shop", "merge-back-check/shop", "train/shop"])
    assert len(told["alerts"]) == 2
    assert deployed("train/shop").parameters == {"request": {"product": "shop"}}
    for flow in ("drift", "merge-back-check"):
        assert [one.slug for one in deployed(f"{flow}/shop").schedules] == [SLUG]


def test_catch_up_has_the_file_and_a_schedule_and_keeps_what_people_made_of_it(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    register(capsys, "--receiver", config.name)
    made = deployed("catch-up/stationmaster")
    assert made.parameters == {"request": {"config": str(config)}}
    assert [one.schedule.model_dump()["cron"] for one in made.schedules] == ["*/15 * * * *"]
    with get_client(sync_client=True) as client:
        client.update_deployment_schedule(made.id, made.schedules[0].id, active=False)
        theirs = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 3 * * *"), slug="at-night")
        client.create_deployment_schedules(made.id, [theirs])
    for words in [("--receiver", str(config)), ()]:
        register(capsys, *words)
        found = deployed("catch-up/stationmaster")
        assert found.parameters == made.parameters
        assert {(one.slug, one.active) for one in found.schedules} == {(SLUG, False), ("at-night", True)}


def test_prefect_deploy_leaves_the_same_deployments(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    register(capsys)
    ours = deployments()
    with get_client(sync_client=True) as client:
        for one in client.read_deployments():
            client.delete_deployment(one.id)
    table = str(files("stationmaster.deployments") / "prefect.yaml")
    command = [sys.executable, "-W", "ignore", "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file"]
    env = {
        "PATH": str(Path(sys.executable).parent), "HOME": str(home), "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": str(get_current_settings().api.url), "STATIONMASTER_HOME": str(home / "home"),
    }  # fmt: skip
    done = subprocess.run(
        [*command, table], env=env, cwd=home, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(ours) != []
    assert deployments() == ours
