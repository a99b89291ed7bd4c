"""Attest: everything that was done is signed once, wherever a process dies, also on the way back."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined] # its public name, without __all__

from stationmaster.blocks.attesting import public_address, sign_facts
from stationmaster.blocks.leg import ReleaseAbortedError
from stationmaster.domain.attestation import owed
from stationmaster.domain.dsse import key_id, parse, verified
from stationmaster.domain.entries import OBSERVED, Draft, canonical, digest
from stationmaster.tasks.attest import attest
from tests.attested import STORY
from tests.shop import SECRET
from tests.world import Killed, World
from tests.world import world as made

Attested = tuple[int, str]  # the entry and the predicate


def attested(world: World) -> list[Attested]:
    return [(e.fact["of"], e.fact["predicate"]) for e in world.ledger.entries("r2") if e.step == "attested"]


def wanted(world: World) -> list[Attested]:
    facts = [entry for entry in world.ledger.entries("r2") if entry.step != "attested"]
    return [(one.of, one.predicate_type) for one in owed(facts)]


def envelopes(world: World) -> dict[str, dict[str, Any]]:
    """What is kept, by what it is about."""
    signed = [entry for entry in world.ledger.entries("r2") if entry.step == "attested"]
    return {entry.subject: json.loads(world.tools.evidence.bytes_of(entry.fact["envelope"])) for entry in signed}


def sign_all(world: World) -> None:
    with world.leg() as leg:
        attest(leg)


def released(world: World) -> World:
    world.release()
    return world


def told(world: World) -> World:
    """A ledger that has every kind of fact."""
    for step, subject, fact in STORY:
        if step != "started":
            given: dict[str, Any] = {"release": "r2", "step": step, "subject": subject, "fact": fact}
            if step in OBSERVED:
                world.ledger.observe(Draft(**given), world.clock.now())
            else:
                world.ledger.append(Draft(**given, inputs={"story": len(world.steps())}), world.clock.now())
    return world


def test_each_fact_of_a_release_is_signed_once_and_is_named_by_its_index(world: World) -> None:
    sign_all(released(world))
    assert sorted(attested(world)) == sorted(wanted(world))
    kinds = Counter(predicate.split("/")[-2] for _, predicate in attested(world))
    assert kinds["deployment"] == 3
    assert kinds["migration"] == 3
    assert kinds["provenance"] == 1
    by_index = {entry.index: entry for entry in world.ledger.entries("r2")}
    for entry in world.ledger.entries("r2"):
        if entry.step == "attested":
            about = by_index[entry.fact["of"]]
            assert entry.subject == f"{about.step}/{about.subject}"


def test_what_is_signed_verifies_with_securesystemslib_alone_and_is_kept_in_canonical_bytes(world: World) -> None:
    sign_all(released(world))
    raw = world.tools.signer.public_key()
    key = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw), keyid=key_id(raw), scheme="ed25519")
    for entry in world.ledger.entries("r2"):
        if entry.step != "attested":
            continue
        kept = world.tools.evidence.bytes_of(entry.fact["envelope"])
        assert canonical(json.loads(kept)) == kept
        (signature,) = (read_strictly := parse(kept)).signatures
        assert verified(read_strictly, signature, [raw]) == raw
        read = Envelope.from_dict(json.loads(kept))
        assert read.verify([key], 1) == {key_id(raw): key}
        assert json.loads(read.payload)["predicateType"] == entry.fact["predicate"]


def test_a_second_time_nothing_is_signed_and_a_new_fact_is(world: World) -> None:
    signed: list[bytes] = []

    def trap(when: str, call: str, arguments: tuple[Any, ...]) -> bool:
        if (when, call) == ("before", "signer.sign"):
            signed.append(arguments[0])
        return False

    sign_all(told(world))
    world.power.trap = trap
    sign_all(world)
    assert signed == []
    world.ledger.append(world.draft("r2", "rolled_back", "acme", dict(world.last("deployed").fact)), world.clock.now())
    sign_all(world)
    assert [json.loads(one)["predicateType"].split("/")[-2] for one in signed] == ["rollback"]


def test_a_gate_that_was_passed_twice_is_signed_twice(world: World) -> None:
    """Each is a fact of its own."""
    with world.leg() as leg:
        for reason in ("good", "still good"):
            leg.observe("verdict", {"verdict": "promote", "cause": None, "reason": reason}, subject="pilot")
        leg.record("cut", {}, {"commit": "c", "version": "2", "previous": [], "changes": []})
        leg.record("built", {}, {"digest": digest(b"x"), "size": 1, "seconds": 1.0})
        assert sign_facts(leg) == 4
    assert [of for of, _ in attested(world)] == sorted({of for of, _ in attested(world)})


def test_also_while_it_is_paused_and_not_when_it_was_given_up(world: World) -> None:
    world.start()
    world.ledger.append(world.draft("r2", "paused", "r2", {"reason": "lunch"}), world.clock.now())
    with world.leg() as leg:
        attest(leg)
        assert attested(world)
        world.abort()
        before = attested(world)
        with pytest.raises(ReleaseAbortedError):
            attest(leg)
        assert attested(world) == before
        attest(replace(leg, back=True))


@pytest.mark.slow
def test_on_the_way_back_what_was_led_back_is_signed(world: World) -> None:
    world.commit("v2", bad={"cloud": 5})
    world.start()
    world.approve()
    world.start()
    with world.leg() as leg:
        attest(replace(leg, back=True))
    assert sorted(attested(world)) == sorted(wanted(world))
    said = {about: json.loads(parse(one).payload) for about, one in envelopes(world).items()}
    assert said["rolled_back/acme"]["predicate"]["runs"]["version"] == "1"
    assert said["restored/r2"]["predicate"]["tenants"] == 1


@pytest.mark.slow
def test_no_statement_names_a_person_a_secret_or_another_tenant(world: World) -> None:
    sign_all(released(world))
    people = ("ana", "Ana", "ben", "shop.example")
    for about, envelope in envelopes(world).items():
        said = parse(envelope).payload.decode()
        assert [word for word in (*people, SECRET) if word in said] == []
        assert [t for t in ("acme", "birch", "cedar") if t in said and t != about.partition("/")[2]] == []


def on(when: str, call: str, number: int) -> Callable[[str, str, tuple[Any, ...]], bool]:
    """The power goes at the call of that number; of appends, at those of `attested` alone."""
    seen = [0]

    def trap(at: str, called: str, arguments: tuple[Any, ...]) -> bool:
        if (at, called) != (when, call) or (call == "ledger.append" and arguments[0].step != "attested"):
            return False
        seen[0] += 1
        return seen[0] == number + 1

    return trap


def finish(world: World) -> int:
    for killed in range(100):
        try:
            sign_all(world)
        except Killed:
            world.power.on()
            world.clock.sleep(31)
        else:
            return killed
    raise AssertionError("it never ends")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["signer.sign", "artifacts.beside", "ledger.append"])
@pytest.mark.parametrize("number", [0, 19])
def test_killed_anywhere_each_is_signed_and_recorded_once(world: World, when: str, call: str, number: int) -> None:
    """Between the signature and its file, between the file and its record, and after that."""
    told(world)
    world.power.trap = on(when, call, number)
    assert finish(world) == 1
    assert Counter(attested(world)) == Counter(wanted(world))
    files = [path for path in Path(world.tools.evidence.root).glob("sha256/*/*") if b"payloadType" in path.read_bytes()]
    assert len(files) == len(attested(world))  # none twice, with another signature


@pytest.mark.slow
@given(st.lists(st.integers(0, 160), max_size=5))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_killed_again_and_again(moments: list[int]) -> None:
    with made() as world:
        told(world)
        for moment in moments:
            world.power.after = moment
            finish(world)
            world.power.on()
        finish(world)
        assert Counter(attested(world)) == Counter(wanted(world))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://code.example/shop", "https://code.example/shop"),
        ("https://ana:token@code.example:8443/shop.git?x=1#y", "https://code.example:8443/shop.git"),
        ("ssh://git@code.example/shop", "ssh://code.example/shop"),
        ("/srv/code/shop", None),
        ("git@code.example:shop", None),
        ("file:///srv/code/shop", None),
        ("https://[", None),
        ("", None),
    ],
)
def test_a_repositorys_address_is_told_without_who_fetches_and_a_place_here_is_not(url: str, told: str | None) -> None:
    assert public_address(url) == told
