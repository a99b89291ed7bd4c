"""`release waive` and `unwaive`: what counts, what is refused before anything is recorded, and what is taken back."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stationmaster.domain.duration import instant
from tests.cli.conftest import DIGEST, Answered, Desk

WORDS = ("--reason", "checkout is down", "--ticket", "SHOP-1")


@pytest.fixture
def night(desk: Desk) -> Desk:
    """Production is frozen; h1, by Ana and Ben, waits. Rosa and Eve may approve, Guest may not."""
    file = desk.root / "approvers.yaml"
    known = json.loads(file.read_text())
    for name, role in (("rosa", "release-approver"), ("eve", "release-approver"), ("guest", "reader")):
        desk.keys[name] = Ed25519PrivateKey.generate()
        public = {"ed25519": base64.b64encode(desk.keys[name].public_key().public_bytes_raw()).decode()}
        known["people"].append({"id": name, "name": name.title(), "roles": [role], "keys": [public]})
    file.write_text(json.dumps(known))
    asked = {"product": "shop", "ref": "hotfix/1.0.0", "kind": "hotfix"}
    desk.write("confirmed", {**asked, "assurance": "command line"}, "", "h1", who="ana")
    desk.write("started", asked, "", "h1", starter="ana")
    fact = {"version": "2.0.0", "commit": desk.commits["v2.0.0"], "previous": [desk.commits["v1.0.0"]], "changes": []}
    desk.write("cut", fact, "", "h1")
    desk.write("built", {"digest": DIGEST, "size": 5, "seconds": 1.0, "log": DIGEST}, "", "h1")
    assert desk.run("freeze", "on", "--reason", "audit").code == 0
    return desk


def waive(desk: Desk, who: str, *more: str, until: str = "2h", release: str = "h1") -> Answered:
    return desk.run("release", "waive", release, *WORDS, "--until", until, "--key", str(desk.key(who)), *more)


def recorded(desk: Desk, release: str = "h1") -> list[str]:
    return [entry.step for entry in desk.ledger.entries(release) if entry.step in {"waived", "unwaived"}]


def test_two_people_s_waivers_count_and_the_second_lets_it_pass(night: Desk) -> None:
    before = instant(datetime.now(UTC) + timedelta(hours=2))
    first = waive(night, "rosa", "--json")
    until = first.json["until"]
    assert before <= until <= instant(datetime.now(UTC) + timedelta(hours=2))
    assert (first.code, first.json) == (
        0,
        {
            "release": "h1", "scope": "env:production", "until": until, "counts": True, "passes": False,
            "given": ["rosa"], "refused": [], "missing": 1,
        },
    )  # fmt: skip
    entry = night.ledger.entries("h1")[-1]
    assert (entry.step, entry.fact["ticket"], entry.fact["reason"]) == ("waived", "SHOP-1", "checkout is down")
    assert night.ledger.personal(entry) == {"who": "ana"}
    second = waive(night, "eve")
    assert second.code == 0
    assert second.out.startswith("h1 passes the freeze of production by waiver of Rosa and Eve (SHOP-1), until ")
    assert second.out.endswith("go on with: stationmaster release start h1\n")


def test_the_same_again_is_the_same_and_another_end_takes_its_place(night: Desk) -> None:
    end = instant(datetime.now(UTC) + timedelta(hours=3))
    for _ in range(2):
        assert waive(night, "rosa", until=end).code == 0
    assert recorded(night) == ["waived"]
    found = waive(night, "rosa", "--json", until="4h").json
    assert (found["given"], recorded(night)) == (["rosa"], ["waived", "waived"])


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("ana", "Ana's does not count: who starts a release cannot waive for it"),
        ("ben", "Ben's does not count: nobody waives for what they wrote"),
        ("guest", "Guest's does not count: none of their roles may approve it"),
        ("mallory", "one names a key that did not make it or is not in approvers.yaml"),
    ],
)
def test_what_does_not_count_is_on_record_and_told(night: Desk, who: str, why: str) -> None:
    found = waive(night, who)
    assert (found.code, recorded(night)) == (1, ["waived"])
    assert f"h1 does not pass the freeze of production: 0 of 2 waivers; {why}" in found.out
    assert waive(night, "rosa", "--json").json["refused"][0].startswith(why)
    assert waive(night, "eve").out.count(f"refused: {why}") == 1


@pytest.mark.parametrize(
    ("named", "hint"),
    [
        (("--env", "produktion"), "did you mean 'production'?"),
        (("--ring", "brod"), "did you mean 'broad'?"),
        (("--tenant", "acne"), "did you mean 'acme'?"),
    ],
)
@pytest.mark.parametrize("word", ["waive", "unwaive"])
def test_what_there_is_not_gets_the_nearest_there_is(night: Desk, word: str, named: tuple[str, str], hint: str) -> None:
    rest = (*WORDS, "--until", "2h", "--key", str(night.key("rosa"))) if word == "waive" else WORDS[:2]
    night.run("release", word, "h1", *rest, *named, "--json").refused(2, "unknown_scope", hint)
    assert recorded(night) == []


@pytest.mark.parametrize(
    ("until", "message"),
    [
        ("tomorrow", "neither a duration"),
        ("2026-11-24T06:00:00", "neither a duration"),
        ("2020-01-01T00:00:00Z", "is not in the future"),
        ("0s", "is not in the future"),
        ("73h", "73h is too long for a waiver"),
        ("2999-01-01T00:00:00Z", "is too long for a waiver"),
    ],
)
def test_an_end_must_come_and_come_soon(night: Desk, until: str, message: str) -> None:
    waive(night, "rosa", "--json", until=until).refused(2, "waiver_end", message, "at most 72 h from now: --until 2h")
    assert recorded(night) == []
    assert waive(night, "rosa", until="72h").code == 0


def test_everything_that_is_signed_must_be_given(night: Desk) -> None:
    given = {"--reason": "x", "--ticket": "SHOP-1", "--until": "2h", "--key": str(night.key("rosa"))}
    for missing in given:
        tokens = [word for option, value in given.items() if option != missing for word in (option, value)]
        night.run("release", "waive", "h1", *tokens, "--json").refused(2, "usage", missing)
    for option in ("--reason", "--ticket"):
        tokens = [word for name, value in given.items() for word in (name, " " if name == option else value)]
        night.run("release", "waive", "h1", *tokens, "--json").refused(2, "input", option)
    night.run("release", "unwaive", "h1", "--reason", " ", "--json").refused(2, "input", "reason")
    assert recorded(night) == []


def test_a_key_file_that_is_none(night: Desk) -> None:
    path = night.key("rosa")
    path.write_text("ssh-ed25519 AAAA rosa")
    tokens = ("release", "waive", "h1", *WORDS, "--until", "2h", "--key", str(path), "--json")
    night.run(*tokens).refused(2, "key", "public key")
    path.unlink()
    night.run(*tokens).refused(2, "key", "No such file")
    assert recorded(night) == []


def test_only_an_open_hotfix_with_an_artifact_and_only_what_is_frozen(night: Desk) -> None:
    night.reach("built")
    waive(night, "rosa", "--json", release="r2").refused(1, "no_hotfix", "only a hotfix may pass", "freeze status")
    waive(night, "rosa", "--json", release="h11").refused(2, "unknown_release", "did you mean 'h1'?")
    asked = {"product": "shop", "ref": "hotfix/1.0.0", "kind": "hotfix"}
    night.write("started", asked, "", "early", starter="ana")
    waive(night, "rosa", "--json", release="early").refused(1, "nothing_to_waive", "early has no artifact yet")
    waive(night, "rosa", "--ring", "broad", "--json").refused(
        1, "nothing_to_waive", "ring broad is not frozen", "frozen is --env production"
    )
    night.run("freeze", "off", "--reason", "over")
    waive(night, "rosa", "--json").refused(1, "nothing_to_waive", "nothing is frozen")
    night.write("aborted", {"reason": "enough"}, "", "h1", who="ana")
    waive(night, "rosa", "--json").refused(1, "nothing_to_waive", "h1 is aborted")
    assert recorded(night) == []


def test_those_of_one_scope_are_taken_back_by_anybody(night: Desk) -> None:
    for who in ("rosa", "eve"):
        waive(night, who)
    for revoked in (2, 0):
        found = night.run("release", "unwaive", "h1", "--reason", "it can wait", "--json")
        assert (found.code, found.json) == (0, {"release": "h1", "scope": "env:production", "revoked": revoked})
    assert recorded(night) == ["waived", "waived", "unwaived", "unwaived"]
    found = waive(night, "ana", "--json")
    assert found.json["passes"] is False
    assert found.json["refused"][:2] == ["Rosa's was revoked", "Eve's was revoked"]
    night.run("freeze", "on", "--tenant", "acme", "--reason", "audit")
    assert waive(night, "rosa", "--tenant", "acme", "--json").json["given"] == ["rosa"]
    assert "0 waivers of h1 for ring broad revoked" in night.run(
        "release", "unwaive", "h1", "--ring", "broad", "--reason", "x"
    ).out  # fmt: skip
    night.run("release", "unwaive", "h11", "--reason", "x", "--json").refused(2, "unknown_release", "'h1'?")
