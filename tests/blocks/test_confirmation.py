"""Who wants a release is who confirmed it first, and what is not known is said."""

from collections.abc import Iterator

import pytest

from stationmaster.blocks.confirmation import StarterErasedError, confirm, confirmation, starter_of
from stationmaster.domain.approvers import UnknownStarterError
from stationmaster.domain.entries import Draft
from stationmaster.domain.request import ReleaseRequest
from tests.world import World
from tests.world import world as made


@pytest.fixture
def world() -> Iterator[World]:
    with made() as one:
        yield one


def asked(starter: str, ref: str = "v2") -> ReleaseRequest:
    return ReleaseRequest(id="r2", product="shop", ref=ref, starter=starter)


def test_the_first_who_confirms_is_the_starter_and_nobody_after_them(world: World) -> None:
    for who in ("ana", "ben", "ana"):
        confirm(world.ledger, world.tools.signer, asked(who), "command line", world.clock.now())
    assert starter_of(world.ledger, "r2") == "ana"
    assert [entry.step for entry in world.ledger.entries("r2")] == ["confirmed"]
    entry = confirmation(world.ledger, "r2")
    assert entry is not None
    assert "ana" not in str(entry.fact)


def test_the_starter_is_recorded_by_id_and_an_older_word_still_resolves(world: World) -> None:
    people = world.tools.signer.people()
    entry = confirm(world.ledger, world.tools.signer, asked(" @ANA "), "command line", world.clock.now())
    assert world.ledger.personal(entry) == {"who": "ana"}
    fact = {**asked("ana").asked(), "assurance": "command line"}
    old = Draft(release="r1", step="confirmed", fact=fact, personal={"who": "@ANA"})
    world.ledger.append(old, world.clock.now())
    assert people.starter(starter_of(world.ledger, "r1")).id == "ana"


def test_who_is_nobody_confirms_nothing(world: World) -> None:
    with pytest.raises(UnknownStarterError):
        confirm(world.ledger, world.tools.signer, asked("eve"), "command line", world.clock.now())
    assert confirmation(world.ledger, "r2") is None


def test_what_nobody_confirmed_and_what_was_erased_has_no_starter(world: World) -> None:
    assert confirmation(world.ledger, "r2") is None
    with pytest.raises(StarterErasedError, match="who started r2 is not known"):
        starter_of(world.ledger, "r2")
    fact = {"product": "shop", "ref": "v2", "kind": "manual", "assurance": "service"}
    world.ledger.append(Draft(release="r2", step="confirmed", fact=fact), world.clock.now())
    with pytest.raises(StarterErasedError):
        starter_of(world.ledger, "r2")
