"""Random commands against a ledger and a plain list that follows the same domain functions."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stationmaster.domain.entries import OBSERVED, RUNS, STEPS, Draft, Entry, inputs_digest, standing
from stationmaster.ledger.store import Ledger

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
releases = st.sampled_from(["r1", "r2"])
subjects = st.sampled_from(["acme", "beta"])
inputs = st.fixed_dictionaries({"digest": st.sampled_from(["a", "b"])})
facts = st.sampled_from(sorted(set(STEPS) - OBSERVED))
seen = st.sampled_from(sorted(OBSERVED))


class LedgerModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger.open("sqlite://")
        self.model: list[Entry] = []

    def teardown(self) -> None:
        self.ledger.close()

    @rule(release=releases, step=facts, subject=subjects, inputs=inputs)
    def append(self, release: str, step: str, subject: str, inputs: dict[str, Any]) -> None:
        expected = standing(self.model, release, step, subject, inputs_digest(inputs))
        entry = self.ledger.append(Draft(release=release, step=step, subject=subject, inputs=inputs), AT)
        if expected is None:
            self.model.append(entry)
        assert entry == (expected or self.model[-1])

    @rule(release=releases, step=seen, subject=subjects)
    def observe(self, release: str, step: str, subject: str) -> None:
        subject = release if step == "started" else subject  # a leg is about the release, always
        self.model.append(self.ledger.observe(Draft(release=release, step=step, subject=subject), AT))

    @rule(release=releases, step=st.sampled_from(sorted(STEPS)), subject=subjects, inputs=inputs)
    def ask(self, release: str, step: str, subject: str, inputs: dict[str, Any]) -> None:
        expected = standing(self.model, release, step, subject, inputs_digest(inputs))
        assert self.ledger.recorded(release, step, subject, inputs) == expected

    @invariant()
    def the_ledger_is_the_list(self) -> None:
        assert self.ledger.entries() == self.model
        assert [entry.index for entry in self.model] == list(range(len(self.model)))

    @invariant()
    def keys_are_unique_and_attempts_count(self) -> None:
        about = [(e.release, e.step, e.subject) for e in self.model]
        assert [e.attempt for e in self.model] == [1 + about[:index].count(key) for index, key in enumerate(about)]

    @invariant()
    def the_projections_are_those_of_the_list(self) -> None:
        assert self.ledger.running() == {e.subject: e for e in self.model if e.step in RUNS}
        started = dict.fromkeys(e.release for e in self.model if e.step == "started")
        assert self.ledger.releases() == list(started)


TestLedger = LedgerModel.TestCase
TestLedger.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
