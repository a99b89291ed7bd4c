"""A hotfix passes a frozen production by the waivers of two approvers; a train does not, and nobody's own counts."""

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from stationmaster.blocks.confirmation import confirm
from stationmaster.blocks.ratification import put_policy_in_force
from stationmaster.blocks.signer import public_key_id, sign_with
from stationmaster.cli.waiving import Wanted, unwaive, waive
from stationmaster.domain.documents import read
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.product import Product
from stationmaster.domain.release import why
from stationmaster.domain.request import Kind, ReleaseRequest
from stationmaster.domain.waiver import Terms, statement, subject
from stationmaster.flows.leg import conduct
from stationmaster.flows.release import runbook
from tests.shop import PRODUCT
from tests.world import Killed, World, once

PEOPLE = {"ana": "approver", "ben": "approver", "rosa": "approver", "dev": "approver", "guest": "reader"}


@dataclass
class Night:
    """A world in which production is frozen and a hotfix by Dev is wanted by Ana."""

    world: World
    keys: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    told: str = ""  # what the last leg ended in, for people

    def __post_init__(self) -> None:
        rows = []
        for name, role in PEOPLE.items():
            self.keys[name] = Ed25519PrivateKey.generate()
            public = {"ed25519": base64.b64encode(self.keys[name].public_key().public_bytes_raw()).decode()}
            roles = ["release-approver"] if role == "approver" else [role]
            rows.append({"id": name, "name": name.title(), "roles": roles, "keys": [public]})
        (self.world.root / "approvers.yaml").write_text(json.dumps({"people": rows}))
        world = self.world
        world.keys = self.keys
        world.source.refs["hotfix/1"] = world.commit("v1.1", head="r2")

    def run(self, kind: Kind = "hotfix", release: str = "h1") -> str | None:
        """One leg, and the name of what it ended in or waits for."""
        request = ReleaseRequest(id=release, product="shop", ref="hotfix/1", kind=kind, starter="ana")
        confirm(self.world.ledger, self.world.tools.signer, request, "command line", self.world.clock.now())
        ended = conduct(self.world.tools, request, "test", runbook)
        self.told = ended.message or ""
        return ended.name

    def approved(self, kind: Kind = "hotfix", release: str = "h1") -> None:
        """Run it to the gate of its approval, and sign."""
        assert self.run(kind, release) == "WaitingForApproval"
        self.world.approve(release)

    def waive(
        self, who: str, scope: str = "env:production", seconds: int = 7200, release: str = "h1",
        closed_by: int | None = None,
    ) -> Entry:  # fmt: skip
        """What `closed_by` closed; the last freeze of the scope when it is not given."""
        if closed_by is None:
            closed_by = next(e.index for e in reversed(self.world.ledger.entries("freeze")) if e.subject == scope)
        at, digest = self.world.clock.now(), self.world.last("built", release).fact["digest"]
        terms = Terms(
            gate=scope, closed_by=closed_by, reason="checkout is down", ticket="SHOP-1",
            until=instant(at + timedelta(seconds=seconds)), signed=instant(at),
        )  # fmt: skip
        fact = terms.fact(digest, sign_with(self.keys[who], statement(release, digest, terms)))
        return self.record(release, "waived", subject(scope, public_key_id(self.keys[who])), fact)

    def typed(self, who: str) -> Entry:
        """The same as a person does it, for production and two hours."""
        key = self.world.root / f"{who}.pem"
        key.write_bytes(self.keys[who].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key.chmod(0o600)
        waive(self.world.ledger, "shop", Wanted("h1", "env:production", "checkout is down", "SHOP-1", "2h", key))
        return self.world.last("waived", "h1")

    def record(self, release: str, step: str, about: str, fact: dict[str, object]) -> Entry:
        draft = Draft(release=release, step=step, subject=about, inputs=fact, fact=fact)
        return self.world.ledger.append(draft, self.world.clock.now())

    def said(self, release: str = "h1") -> str:
        """What a person reads of the wait; the fact of it, which stays for ever, names nobody."""
        kept = self.kept(release).lower()
        assert not [name for name in PEOPLE if re.search(rf"\b{name}\b", kept)]
        return self.told

    def kept(self, release: str = "h1") -> str:
        return str(self.world.last("waiting", release).fact["message"])

    def passed(self, release: str = "h1") -> list[str]:
        return [subject for step, subject in self.world.steps(release) if step == "passed"]


@pytest.fixture
def night(world: World, monkeypatch: pytest.MonkeyPatch) -> Night:
    by_ana = world.source._change
    authors = {"authors": ("Dev <dev@shop.example>",)}
    for module in ("waiving", "lookup"):
        monkeypatch.setattr(f"stationmaster.cli.{module}.now", world.clock.now)
    monkeypatch.setattr("stationmaster.cli.waiving.recall", lambda kind, _product: getattr(world.tools, kind))
    monkeypatch.setenv("STATIONMASTER_USER", "ana")
    monkeypatch.setattr(world.source, "_change", lambda commit: by_ana(commit).model_copy(update=authors))
    return Night(world)


def test_two_approvers_let_a_hotfix_pass_and_it_is_on_record_by_whom(night: Night) -> None:
    night.world.freeze("env:production")
    night.approved()
    assert night.run() == "WaitingForWindow"
    assert night.said() == "h1 waits: production is frozen: ERP is down"
    assert "stationmaster release waive h1 --env production" in night.world.last("waiting", "h1").fact["hint"]
    first = night.typed("rosa")
    assert why(night.world.status("h1")).message == "Somebody answered since; the next start counts it."
    assert night.run() == "WaitingForWindow"
    assert night.said() == "h1 waits: production is frozen: ERP is down; 1 of 2 waivers, Rosa's"
    night.typed("ana")
    night.typed("dev")
    night.typed("guest")
    assert night.run() == "WaitingForWindow"
    assert "Ana's does not count: who starts a release cannot waive for it; Dev's does not" in night.said()
    assert night.kept() == (
        "h1 waits: production is frozen: ERP is down; 1 of 2 waivers; one does not count: who starts a release cannot "
        "waive for it; one does not count: nobody waives for what they wrote; one does not count: none of their roles "
        "may approve it"
    )
    assert set(night.world.production().values()) == {"1"}
    assert night.passed() == []
    second = night.typed("ben")
    assert night.run() == "Released"
    assert set(night.world.production().values()) == {"1.1"}
    assert night.passed() == ["env:production", "ring:pilot", "ring:broad"]
    entry = night.world.last("passed", "h1")
    (gate,) = entry.fact["gates"]
    assert (gate["gate"], gate["waivers"], gate["tickets"]) == (
        "env:production", [first.index, second.index], ["SHOP-1"],
    )  # fmt: skip
    assert night.world.ledger.personal(entry) == {"who": ["ben", "rosa"]}
    order = [about for step, about in night.world.facts("h1") if step in {"passed", "deployed"}]
    told = json.dumps(night.world.chat.shown, ensure_ascii=False)
    assert "at ring broad: passes the freeze of production by 2 waivers (SHOP-1) until" in told
    assert ", given by ben and rosa" in told
    assert order == ["env:production", "ring:pilot", "acme", "ring:broad", "cedar", "birch"]


def test_what_the_policy_states_for_waivers_decides(night: Night) -> None:
    stated = PRODUCT.replace("{deploy: {release-approver: 1}}", "{deploy: {release-approver: 1}, waiver: {guard: 3}}")
    night.world.source.refs["hotfix/1"] = night.world.commit("v1.1", head="r2", product=stated)
    put_policy_in_force(night.world.ledger, read(Product, stated, "x").value, "first", night.world.clock.now())
    file = night.world.root / "approvers.yaml"
    known = json.loads(file.read_text())
    for name in ("gil", "hana", "ivo"):
        night.keys[name] = Ed25519PrivateKey.generate()
        public = {"ed25519": base64.b64encode(night.keys[name].public_key().public_bytes_raw()).decode()}
        known["people"].append({"id": name, "name": name.title(), "roles": ["guard"], "keys": [public]})
    file.write_text(json.dumps(known))
    night.world.freeze("env:production")
    night.approved()
    assert night.run() == "WaitingForWindow"
    assert night.world.last("waiting", "h1").fact["hint"].startswith("3 guard may let it pass: stationmaster release")
    for who in ("gil", "hana", "ben"):
        night.waive(who)
    assert night.run() == "WaitingForWindow"
    assert "; 2 of 3 waivers, Gil's and Hana's; missing: 1 guard; Ben's does not count: none of" in night.said()
    night.waive("ivo")
    assert night.run() == "Released"


@pytest.mark.parametrize("kind", ["manual", "train"])
def test_nothing_else_passes_by_the_same_waivers(night: Night, kind: Kind) -> None:
    night.world.freeze("env:production")
    night.approved(kind, "r3")
    assert night.run(kind, "r3") == "WaitingForWindow"
    night.waive("ben", release="r3")
    night.waive("rosa", release="r3")
    assert night.run(kind, "r3") == "WaitingForWindow"
    assert "0 of 2 waivers; r3 is no hotfix, and only a hotfix may pass" in night.said("r3")
    assert set(night.world.production().values()) == {"1"}


@pytest.mark.slow
def test_when_they_expire_between_two_waves_the_second_waits(night: Night) -> None:
    night.world.freeze("env:production")
    night.approved()
    assert night.run() == "WaitingForWindow"
    night.waive("ben", seconds=2)  # a wave is watched for three
    night.waive("rosa")
    assert night.run() == "WaitingForWindow"
    assert "1 of 2 waivers, Rosa's; Ben's has expired" in night.said()
    assert night.world.production() == {"acme": "1.1", "birch": "1", "cedar": "1"}
    night.waive("ben")
    assert night.run() == "Released"


@pytest.mark.slow
def test_what_is_frozen_anew_is_waived_anew(night: Night) -> None:
    night.world.freeze("env:production", hours=1)
    night.approved()
    assert night.run() == "WaitingForWindow"
    night.waive("ben")
    night.waive("rosa")
    night.world.freeze("env:production", hours=3)
    assert night.run() == "WaitingForWindow"
    assert night.said() == "h1 waits: production is frozen until 2026-11-23T11:00:00Z: ERP is down"


@pytest.mark.slow
def test_each_freeze_in_its_way_is_waived_by_itself(night: Night) -> None:
    night.approved()
    night.world.freeze("ring:pilot")
    night.world.freeze("tenant:acme")
    assert night.run() == "WaitingForWindow"
    for who in ("ben", "rosa"):
        night.waive(who, "ring:pilot")
    assert night.run() == "WaitingForWindow"
    assert night.said() == "wave pilot of h1 waits for a window: acme: tenant acme is frozen: ERP is down"
    for who in ("ben", "rosa"):
        night.waive(who, "tenant:acme")
    assert night.run() == "Released"
    assert night.passed() == ["ring:pilot"]
    assert [gate["gate"] for gate in night.world.last("passed", "h1").fact["gates"]] == ["ring:pilot", "tenant:acme"]


def test_a_frozen_stage_is_passed_in_the_same_way(night: Night) -> None:
    night.world.freeze("env:stage")
    assert night.run() == "WaitingForWindow"
    for who in ("ben", "rosa"):
        night.waive(who, "env:stage")
    assert night.run() == "WaitingForApproval"
    assert night.passed() == ["env:stage"]


@pytest.mark.slow
def test_a_tenant_s_own_window_is_waived_by_nobody(night: Night) -> None:
    night.world.freeze("env:production")
    night.world.windows("closed")
    night.approved()
    assert night.run() == "WaitingForWindow"
    for who in ("ben", "rosa"):
        night.waive(who)
    assert night.run() == "WaitingForWindow"
    assert "acme is closed: tenants.yaml:acme#default" in night.said()
    assert "frozen" not in night.said()
    assert set(night.world.production().values()) == {"1"}


@pytest.mark.slow
def test_an_author_stays_known_whom_the_file_does_not_name_any_more(night: Night) -> None:
    night.world.freeze("env:production")
    night.approved()
    assert night.run() == "WaitingForWindow"
    for who in ("ben", "rosa"):
        night.waive(who)
    file = night.world.root / "approvers.yaml"
    known = json.loads(file.read_text())
    file.write_text(json.dumps({"people": [one for one in known["people"] if one["id"] != "dev"]}))
    assert night.run() == "Released"


@pytest.mark.slow
def test_what_is_revoked_between_two_waves_closes_the_second(night: Night) -> None:
    night.world.freeze("env:production")
    night.approved()
    assert night.run() == "WaitingForWindow"
    for who in ("ben", "rosa"):
        night.typed(who)
    night.world.power.trap = once(
        "metrics.read", lambda _: unwaive(night.world.ledger, "shop", "h1", "env:production", "no")
    )
    assert night.run() == "WaitingForWindow"
    assert "0 of 2 waivers; Ben's was revoked; Rosa's was revoked" in night.said()
    assert night.world.production() == {"acme": "1.1", "birch": "1", "cedar": "1"}


@pytest.mark.slow
def test_a_process_that_dies_anywhere_and_is_run_again_records_each_passage_once(night: Night) -> None:
    night.world.freeze("env:production")
    night.approved()
    assert night.run() == "WaitingForWindow"
    for who in ("ben", "rosa"):
        night.waive(who)
    for call in ("target.shift", "ledger.append", "database.expand"):
        night.world.power.trap = lambda when, called, _arguments, call=call: (when, called) == ("after", call)
        with pytest.raises(Killed):
            night.run()
        night.world.power.on()
        night.world.clock.sleep(60)
    assert night.run() == "Released"
    assert sorted(night.passed()) == ["env:production", "ring:broad", "ring:pilot"]
    assert set(night.world.production().values()) == {"1.1"}
