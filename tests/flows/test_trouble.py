"""Errors of ours, calls that hang, a ledger that is away: what is recorded of them, and that no secret is."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from stationmaster.blocks.guest import GuestFailedError
from stationmaster.blocks.migration_running import MigrationFailedError
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.release import why
from stationmaster.ledger.faults import LedgerUnreachableError
from stationmaster.tasks import ActBrokeError
from tests.shop import PRODUCT
from tests.world import World, once, throw
from tests.world import world as made

Trap = Callable[[str, str, tuple[Any, ...]], bool]
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=30)


def test_an_error_of_ours_is_a_sentence_in_the_ledger_and_a_traceback_for_us(world: World) -> None:
    world.power.trap = once("source.resolve", throw(KeyError("branch")))
    with pytest.raises(ActBrokeError) as broken:
        world.start()
    assert isinstance(broken.value.__cause__, KeyError)
    assert world.last("failed").fact == {
        "step": "cut",
        "code": "internal",
        "outside": False,
        "message": "cut broke: KeyError: 'branch'",
        "hint": "this is an error of ours, please report it with the flow run's log",
    }


def test_a_call_that_never_ends_is_an_outside_error(world: World) -> None:
    world.power.trap = once("source.resolve", throw(TimeoutError("scope timed out")))
    with pytest.raises(OutsideError, match="cut did not end within 300 s"):
        world.start()


def away(times: int, step: str) -> Trap:
    """The ledger does not answer the first tries to observe that step."""
    left = [times]

    def trap(when: str, call: str, arguments: tuple[Any, ...]) -> bool:
        if (when, call) == ("before", "ledger.observe") and arguments[0].step == step and left[0]:
            left[0] -= 1
            raise LedgerUnreachableError("the ledger is away")
        return False

    return trap


@pytest.mark.parametrize("step", ["waiting", "failed"])
def test_how_a_leg_ended_is_told_to_a_ledger_that_was_away_for_a_moment(world: World, step: str) -> None:
    if step == "failed":
        world.commit("v2", sql="-- RAISE")
    world.power.trap = away(2, step)
    if step == "failed":
        with pytest.raises(MigrationFailedError):
            world.start()
    else:
        world.start()
    assert world.steps()[-1] == (step, "r2")


def test_a_ledger_that_stays_away_does_not_hide_what_went_wrong(world: World) -> None:
    world.commit("v2", sql="-- RAISE")
    world.power.trap = away(99, "failed")
    with pytest.raises(MigrationFailedError) as failed:
        world.start()
    assert failed.value.__notes__ == ["The ledger does not know of this: the ledger is away"]
    world.power.on()
    assert why(world.status()).command == "stationmaster release start r2"


@given(dsn=SECRETS, token=SECRETS)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_secret_reaches_the_ledger(dsn: str, token: str) -> None:
    """A check prints what it was given and fails; an act breaks with a secret in its words."""
    with made() as world:
        scratch = f"postgresql://app:{quote(dsn, safe='')}@db/scratch"
        world.database.scratch = SecretStr(scratch)
        world.tools.secrets.environment["API_TOKEN"] = SecretStr(token)
        world.commit("v3", product=PRODUCT.replace("[grep, -q, version,", "[sh, -c, 'echo \"$DATABASE_URL\"; exit 1',"))
        with pytest.raises(GuestFailedError):
            world.start("r3", "v3")
        world.power.trap = once("source.resolve", throw(ValueError(f"cannot use {token} with {scratch}")))
        with pytest.raises(ActBrokeError):
            world.start()
        everything = "".join(entry.canonical().decode() for entry in world.ledger.entries())
        for secret in (dsn, token, quote(dsn, safe=""), json.dumps(dsn)[1:-1], json.dumps(token)[1:-1]):
            assert secret not in everything
