"""Whatever people do in whatever order, no tenant gets a version for which the quorum did not sign.

A model beside it knows three sentences: who may sign is whom the rules in force *and* the file name; a signature is for
what it was given for; nobody signs for what they started or wrote. It asks nothing of `domain/`.
"""

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from stationmaster.blocks.ratification import proposal, put_approvers_in_force, put_signature
from stationmaster.blocks.signer import sign_with
from stationmaster.domain.approval_statement import Said
from stationmaster.domain.entries import Draft
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.plan import Wave
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut
from stationmaster.tasks.deploy import deploy, shift
from tests.shop import OPEN, PRODUCT, TENANTS
from tests.world import World, world

WHO = ("ana", "ben", "mei")
ROLE = "release-approver"


@dataclass
class Believed:
    """Who holds the role by the rules in force, who by the file; how many must sign; who signed what is asked for, and
    who each proposal of a file.
    """

    ratified: set[str] = field(default_factory=lambda: set(WHO))
    file: set[str] = field(default_factory=lambda: set(WHO))
    quorum: int = 1
    asked: str | None = None
    signed: set[str] = field(default_factory=set)
    proposed: dict[str, set[str]] = field(default_factory=dict)

    @property
    def enough(self) -> bool:
        counting = self.signed & self.ratified & self.file - {"ana"}  # she starts it, and wrote all of it
        return len(counting) >= self.quorum


class Siege(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()

    @initialize(quorum=st.integers(1, 2))
    def a_release_waits_for_its_approval(self, quorum: int) -> None:
        self.world: World = self._stack.enter_context(world())
        self.believed = Believed(quorum=quorum)
        self.world.commit("v2", product=PRODUCT.replace(f"{ROLE}: 1", f"{ROLE}: {quorum}"))
        self.leg()

    @rule(who=st.sampled_from(WHO))
    def somebody_signs(self, who: str) -> None:
        self.world.approve(who=who)
        self.believed.signed.add(who)

    @rule(who=st.sampled_from(WHO), roles=st.sampled_from([[], [ROLE]]))
    def the_file_is_edited(self, who: str, roles: list[str]) -> None:
        file = self.world.root / "approvers.yaml"
        known = json.loads(file.read_text())
        for one in known["people"]:
            if one["id"] == who:
                one["roles"] = roles
        file.write_text(json.dumps(known))
        (self.believed.file.add if roles else self.believed.file.discard)(who)

    @rule(who=st.sampled_from(WHO))
    def somebody_signs_for_the_file(self, who: str) -> None:
        ledger, signer, now = self.world.ledger, self.world.tools.signer, self.world.clock.now()
        asked = proposal(ledger, signer, "shop", now).question
        said = Said(release=asked.release, mandate=asked.mandate).statement(asked.digest)
        put_signature(ledger, "shop", sign_with(self.world.keys[who], said), who, now)
        self.believed.proposed.setdefault(asked.mandate, set()).add(who)
        found = proposal(ledger, signer, "shop", now)
        if found.decision.satisfied:
            assert len(self.believed.proposed[asked.mandate] & self.believed.ratified) >= self.believed.quorum
            put_approvers_in_force(ledger, "shop", found.approvers, "signatures", now)
            self.believed.ratified = set(self.believed.file)

    @rule()
    def a_tenant_comes(self) -> None:
        self.world.directory.write_text(f"{TENANTS}  - {{id: dune, name: Dune, ring: pilot, {OPEN}}}\n")
        where = self.world.target.where
        where.setdefault("dune", where["acme"])  # a slot that runs: the one it came on first may be gone

    @rule()
    def somebody_forges_what_the_gate_records(self) -> None:
        mandate = self.world.last("mandated").fact["digest"]
        fact = {"roles": [ROLE], "mandate": mandate, "assurances": ["signed"], "emergency": False}
        forged = Draft(release="r2", step="approved", inputs={"mandate": mandate}, fact=fact)
        self.world.ledger.append(forged, self.world.clock.now())

    @rule(days=st.sampled_from([1, 20]))
    def time_passes(self, days: int) -> None:
        self.world.clock.sleep(days * 86_400)

    @rule()
    def it_goes_on(self) -> None:
        self.leg()

    @rule(tenant=st.sampled_from(["acme", "birch", "dune"]))
    def somebody_calls_the_acts_themselves(self, tenant: str) -> None:
        with self.watched(), self.world.leg() as leg:
            this = cut(leg)
            artifact = build(leg, this)
            colour = deploy(leg, this, artifact, "cloud")
            shift(leg, this, artifact, Wave("pilot", {"cloud": (tenant,)}), {"cloud": colour})

    @precondition(lambda self: self.believed.signed)
    @rule()
    def what_was_signed_is_given_for_another_release(self) -> None:
        entry = self.world.last("approval")
        self.world.commit("v3")
        draft = Draft(release="r3", step="approval", subject=entry.subject, inputs=entry.fact, fact=entry.fact)
        self.world.ledger.append(draft, self.world.clock.now())
        with contextlib.suppress(StationmasterError):
            self.world.start("r3", "v3")
        assert "3" not in self.world.production().values()

    def leg(self) -> None:
        with self.watched():
            self.world.start()

    @contextlib.contextmanager
    def watched(self) -> Any:
        """Whoever moved in it was moved by enough signatures for what was asked when it began or for what it asks."""
        before = self.world.production()
        with contextlib.suppress(StationmasterError):
            yield
        asked = self.world.last("mandated").fact["digest"]
        if asked != self.believed.asked:  # whatever was signed is void
            self.believed.asked, self.believed.signed = asked, set()
        moved = {tenant for tenant, version in self.world.production().items() if version == "2" != before.get(tenant)}
        assert not moved or self.believed.enough, (moved, self.believed)

    def teardown(self) -> None:
        self._stack.close()


@pytest.mark.timeout(600)  # dozens of whole releases: a busy machine takes minutes
def test_nothing_is_deployed_that_was_not_approved() -> None:
    how = settings(max_examples=6, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Siege, settings=how)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_nothing_is_deployed_that_was_not_approved_however_long_it_is_tried() -> None:
    how = settings(max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Siege, settings=how)
