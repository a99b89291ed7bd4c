"""`release waive` and `unwaive`: what counts, what is refused before anything is recorded, and what is taken back."""

import base64
import json
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stationmaster.cli.blackouts import Met
from stationmaster.domain.calendar import Calendar, Named, Rule
from stationmaster.domain.duration import instant
from stationmaster.domain.tenants import Directory
from tests.cli.conftest import DIGEST, Answered, Desk
from tests.plans import plan
from tests.shop import OPEN, PRODUCT, TENANTS, product

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
            "given": ["rosa"], "refused": [], "missing": 1, "missing_roles": {},
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


AUDIT = "{name: the audit, from: 2020-01-01T00:00, to: 2190-01-01T00:00}"
ERP = "{name: erp, from: 2020-01-01T00:00, to: 2190-01-01T00:00, applies_to: [migration]}"
LATER = "{name: later, from: 2190-01-01T00:00, to: 2191-01-01T00:00}"
REF, SINCE = "tenants.yaml:acme#the audit", 1_577_836_800


@pytest.fixture
def audit(night: Desk) -> Desk:
    """Nothing is frozen; Acme is in a blackout, and Cedar in one of migrations, each with another that is to come."""
    night.run("freeze", "off", "--reason", "over")
    blacked_out(night, acme=f"{AUDIT}, {LATER}", cedar=f"{ERP}, {LATER}")
    return night


def blacked_out(desk: Desk, **own: str) -> None:
    rows = [
        line.replace(OPEN, f"calendar: {{timezone: UTC, default: open, blackouts: [{own[name]}]}}")
        if (name := line.split("id: ")[-1].split(",")[0]) in own
        else line
        for line in TENANTS.splitlines()
    ]
    (desk.root / "tenants.yaml").write_text("\n".join(rows))


def test_a_blackout_is_waived_by_the_name_that_answers_give_it(audit: Desk) -> None:
    first = waive(audit, "rosa", "--blackout", REF, "--json")
    assert (first.code, first.json["scope"], first.json["missing"]) == (0, f"blackout:{REF}", 1)
    fact = audit.ledger.entries("h1")[-1].fact
    assert (fact["gate"], fact["closed_by"]) == (f"blackout:{REF}", SINCE)
    assert waive(audit, "ben", "--blackout", REF).out.startswith(f"h1 does not pass blackout {REF}: 1 of 2 waivers")
    second = waive(audit, "eve", "--blackout", REF)
    assert second.out.startswith(f"h1 passes blackout {REF} by waiver of Rosa and Eve (SHOP-1), until ")
    assert waive(audit, "rosa", "--blackout", "tenants.yaml:cedar#erp", "--json").json["given"] == ["rosa"]


def test_a_blackout_that_is_not_there_or_not_now(audit: Desk) -> None:
    now = f"in force is --blackout '{REF}', --blackout 'tenants.yaml:cedar#erp'"
    waive(audit, "rosa", "--blackout", "tenants.yaml:acme#the adit", "--json").refused(
        2, "unknown_blackout", f"did you mean '{REF}'?; {now}"
    )
    waive(audit, "rosa", "--blackout", "tenants.yaml:acme#later", "--json").refused(1, "nothing_to_waive", now)
    blacked_out(audit, acme=LATER)
    waive(audit, "rosa", "--blackout", REF, "--json").refused(2, "unknown_blackout", "no blackout is in force")
    (audit.root / "tenants.yaml").write_text(TENANTS.replace(OPEN, "calendar: away.yaml"))
    waive(audit, "rosa", "--blackout", REF, "--json").refused(2, "unknown_blackout", "away.yaml cannot be read")
    waive(audit, "rosa", "--blackout", REF, "--tenant", "acme", "--json").refused(
        2, "input", "name one of --tenant and --blackout"
    )
    assert recorded(audit) == []


def test_a_plan_says_whose_blackouts_may_be_meant(audit: Desk) -> None:
    birch = Directory.model_validate({"tenants": [{"id": "birch", "name": "Birch", "ring": "broad"}]})
    audit.write("tested", {"checks": []}, "", "h1")
    audit.write("staged", {"revision": "", "pairs": []}, "", "h1")
    audit.write("planned", plan(product(), birch, {}, DIGEST).fact(), "", "h1")
    waive(audit, "rosa", "--blackout", "tenants.yaml:cedar#erp", "--json").refused(2, "unknown_blackout", REF)
    assert waive(audit, "rosa", "--blackout", REF).code == 0


def test_the_calendars_of_product_and_environments_are_meant_too(night: Desk) -> None:
    shared = f"calendars: {{stage: {{timezone: UTC, default: open, blackouts: [{AUDIT}]}}}}\n"
    commit = night.repository.commit("Close stage", {"stationmaster.yaml": PRODUCT + shared})
    asked = {"product": "shop", "ref": "hotfix/1.0.0", "kind": "hotfix"}
    night.write("confirmed", {**asked, "assurance": "command line"}, "", "h2", who="ana")
    night.write("started", asked, "", "h2", starter="ana")
    fact = {"version": "2.0.1", "commit": commit, "previous": [night.commits["v1.0.0"]], "changes": []}
    night.write("cut", fact, "", "h2")
    night.write("built", {"digest": DIGEST, "size": 5, "seconds": 1.0, "log": DIGEST}, "", "h2")
    ref = "stationmaster.yaml:calendars.stage#the audit"
    assert waive(night, "rosa", "--blackout", ref, "--json", release="h2").json["scope"] == f"blackout:{ref}"


def test_waivers_of_a_blackout_are_taken_back_whatever_became_of_its_calendar(audit: Desk) -> None:
    for who in ("rosa", "eve"):
        waive(audit, who, "--blackout", REF)
    said = ("release", "unwaive", "h1", "--reason", "it can wait", "--json", "--blackout")
    audit.run(*said, "tenants.yaml:acme#the adit").refused(2, "unknown_blackout", f"did you mean '{REF}'?")
    assert audit.run(*said, "tenants.yaml:acme#later").json["revoked"] == 0
    (audit.root / "tenants.yaml").write_text("nonsense: [")
    for revoked in (2, 0):
        assert audit.run(*said, REF).json == {"release": "h1", "scope": f"blackout:{REF}", "revoked": revoked}
    assert recorded(audit) == ["waived", "waived", "unwaived", "unwaived"]
    blacked_out(audit, acme=AUDIT)
    assert waive(audit, "ana", "--blackout", REF, "--json").json["refused"][:2] == [
        "Rosa's was revoked", "Eve's was revoked",
    ]  # fmt: skip
    audit.write("started", {"product": "shop", "ref": "hotfix/2", "kind": "hotfix"}, "", "early", starter="ana")
    audit.run("release", "unwaive", "early", "--reason", "x", "--blackout", REF, "--json").refused(
        2, "unknown_blackout"
    )


def test_a_calendar_of_which_nothing_is_known_keeps_nobody_from_the_others() -> None:
    """The holidays of Sri Lanka are known to nobody for so long."""
    always = Rule.model_validate({"name": "audit", "from": "2000-01-01T00:00", "to": "2100-01-01T00:00"})
    unknown = Rule(name="poya", holidays="LK")
    calendars = [Calendar(timezone="UTC", default="open", blackouts=(rule,)) for rule in (unknown, always)]
    found = Met("h1", (Named("lk.yaml", calendars[0]), Named("b.yaml", calendars[1])), ())
    with patch("stationmaster.cli.blackouts.now", lambda: datetime(2090, 1, 1, tzinfo=UTC)):
        assert list(found.in_force()) == ["b.yaml#audit"]
        assert "poya" in found.said()
