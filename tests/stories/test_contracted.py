"""The end of the old totals: every order has its total in minor units, a release needs nothing else, and the contract
of the one before it takes them away, database by database.
"""

import json

import psycopg
import pytest

from tests.stories.sandbox import Sandbox
from tests.stories.test_mended import RELEASE as BEFORE
from tests.stories.test_mended import mend

pytestmark = pytest.mark.slow
RELEASE = "retired"


@pytest.fixture(scope="module", autouse=True)
def _mended(sandbox: Sandbox) -> None:
    """The chapter before, where it was not told."""
    with sandbox.ledger() as ledger:
        told = bool(ledger.entries(BEFORE))
    if not told:
        mend(sandbox)


def test_what_was_rehearsed_is_what_everybody_may_go_back_to(sandbox: Sandbox) -> None:
    with sandbox.ledger() as ledger:
        fact = next(iter(ledger.about(BEFORE, ["rehearsed"]))).fact
    (estimate,) = fact["estimates"]
    tried = {one["version"]: one["failed"] for one in estimate["versions"]}
    assert {"1.4.0", "1.2.0"} <= set(tried)
    assert not any(tried.values())
    told = sandbox.run("approvals", "status", BEFORE).out
    assert "rehearsed from 4b8d2f6e0a91 to a6c91d37e852 on 20,000 rows of orders" in told
    assert "only a restore of the backup leads back, which takes 12m and loses" in told


def test_the_old_totals_are_taken_away_when_nobody_could_go_back_to_what_needs_them(sandbox: Sandbox) -> None:
    """Every order has its total in minor units since the release that brought them."""
    _wait_for_the_release_after(sandbox)
    failures = len(sandbox.failures())
    _retire(sandbox)
    _contract(sandbox)
    assert len(sandbox.failures()) == failures, "nobody noticed"
    _look(sandbox)


def _wait_for_the_release_after(sandbox: Sandbox) -> None:
    done = sandbox.run("release", "contract", BEFORE, "--json")
    assert done.code == 4, done.err
    lacks = {one["name"] for one in done.json["contract"]["conditions"] if not one["met"]}
    assert lacks == {"way_back"}


def _retire(sandbox: Sandbox) -> None:
    assert sandbox.run("release", "start", RELEASE, "--ref", "v1.4.1", "--starter", "ana").code == 4
    assert sandbox.run("approve", RELEASE, "--key", sandbox.key("rosa")).code == 0
    done = sandbox.run("release", "start", RELEASE, "--json")
    assert (done.code, done.json["stage"]) == (0, "released"), done.err


def _contract(sandbox: Sandbox) -> None:
    waits = sandbox.run("release", "contract", BEFORE, "--json")
    assert (waits.code, waits.json["contract"]["waiting_for"]) == (4, "approval"), waits.err
    told = sandbox.run("approvals", "status", BEFORE).out
    assert "in production no downgrade: from the first statement on a database on" in told
    assert sandbox.run("approve", BEFORE, "--key", sandbox.key("rosa")).code == 0
    over = sandbox.run("release", "contract", BEFORE, "--json")
    assert (over.code, over.json["contract"]["over"]) == (0, True), over.err


def _look(sandbox: Sandbox) -> None:
    """What is left, and who could go back to what."""
    for instance, url in _databases(sandbox).items():
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'orders'"
            ).fetchall()
        assert ("total_minor",) in found, instance
        assert ("total",) not in found, instance
    assert sandbox.run("journeys", "run", "--json").json["passed"] is True
    matrix = sandbox.run("migrations", "matrix", "--json").json
    (cloud,) = [one for one in matrix["databases"] if one["instance"] == "cloud"]
    assert {one["back_proved"] for one in cloud["tenants"]} == {True}, "1.4.0 was proved without the old totals"
    assert {one["back_to"] for one in cloud["tenants"]} == {"1.4.0"}


def _databases(sandbox: Sandbox) -> dict[str, str]:
    copy = sandbox.home / ".stationmaster" / "blocks" / "database" / "orderdesk.json"
    databases: dict[str, str] = json.loads(copy.read_text())["databases"]
    return {name: url.replace("+psycopg", "") for name, url in databases.items()}
