"""A good release runs end to end: one build, every tenant on it, nobody's request failed."""

import base64
import json
import stat
from pathlib import Path

import httpx
import pytest

from stationmaster.domain.backfilled import all_verified, fillings
from tests.stories.sandbox import Sandbox

pytestmark = pytest.mark.slow
RELEASE = "orderdesk-1-2-0"


def test_the_demo_answers_as_its_contract_says(sandbox: Sandbox) -> None:
    (release,) = sandbox.demo["releases"]
    assert (release["id"], release["scenario"], release["outcome"]) == (RELEASE, "good", "released")
    assert [wave["ring"] for wave in release["waves"]] == ["pilot", "early", "general"]
    assert {wave["verdict"] for wave in release["waves"]} == {"promote"}
    assert sum(len(wave["tenants"]) for wave in release["waves"]) == 14
    assert (release["breach_to_safe_seconds"], release["bad_requests"]) == (None, None)


def test_not_one_request_failed_because_of_the_deploy(sandbox: Sandbox) -> None:
    assert sandbox.demo["releases"][0]["failed_requests_from_deploy"] == 0


def test_every_tenant_is_answered_by_the_one_artifact(sandbox: Sandbox) -> None:
    (release,) = sandbox.demo["releases"]
    tenants = [tenant for wave in release["waves"] for tenant in wave["tenants"]]
    assert {sandbox.answers_of(tenant) for tenant in [*tenants, "stage-probe"]} == {release["digest"]}


def test_orders_that_were_there_before_have_their_total_in_minor_units(sandbox: Sandbox) -> None:
    with sandbox.ledger() as ledger:
        found = fillings(ledger.entries(RELEASE))
    assert all_verified(found)
    assert (found["cloud/orders-total-minor"].rows or 0) > 0, "there were orders before it"


def test_status_and_list_keep_their_contract(sandbox: Sandbox) -> None:
    status = sandbox.run("release", "status", RELEASE, "--json").json
    keys = ["id", "version", "kind", "stage", "waiting_for", "until", "digest", "tenants", "entries"]
    assert list(status) == keys
    assert (status["stage"], status["version"], status["waiting_for"]) == ("released", "1.2.0", None)
    assert set(status["tenants"].values()) == {"1.2.0"}
    assert RELEASE in [one["id"] for one in sandbox.run("release", "list", "--json").json["releases"]]


def test_support_was_told_once(sandbox: Sandbox) -> None:
    briefs = [one for one in sandbox.notices() if "1.2.0" in str(one)]
    assert len(briefs) == 1


def test_approval_was_asked_for_once(sandbox: Sandbox) -> None:
    asked = [one for one in sandbox.messages() if one["text"] == f"{RELEASE} waits for approval"]
    assert len(asked) == 1


def test_journeys_pass_for_every_tenant(sandbox: Sandbox) -> None:
    done = sandbox.run("journeys", "run", "--json")
    assert (done.code, done.json["passed"]) == (0, True)
    assert len(done.json["journeys"]) == 15 * 3


def test_the_prefect_ui_is_on_loopback_and_asks_for_the_password(sandbox: Sandbox) -> None:
    url, secret = sandbox.demo["prefect_ui"], Path(sandbox.demo["prefect_auth"])
    assert url.startswith("http://127.0.0.1:")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    user, password = secret.read_text().strip().split(":")
    runs = f"{url}/api/flow_runs/filter"
    assert httpx.post(runs, json={}, timeout=10).status_code == 401
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    found = httpx.post(runs, json={}, headers={"Authorization": f"Basic {token}"}, timeout=10).json()
    assert [run["state"]["name"] for run in found if run["name"] == RELEASE] == ["Released"]  # one run, wait included


def test_no_secret_is_in_the_ledger_the_logs_or_the_messages(sandbox: Sandbox) -> None:
    blocks = sandbox.home / ".stationmaster" / "blocks"
    secrets = [path.read_text() for path in (blocks / "secrets").glob("*.json")]
    assert secrets
    values = {value for text in secrets for value in _values(text) if "/" not in value}
    said = [path.read_text(errors="replace") for path in (sandbox.run_dir / "logs").glob("*.log")]
    said += [str(sandbox.messages()), sandbox.run("release", "status", RELEASE, "--json").out]
    assert len(values) >= 2
    assert not [value for value in values for text in said if value in text]


def _values(text: str) -> list[str]:
    found = json.loads(text)
    return [value for part in found.values() for value in part.values()]
