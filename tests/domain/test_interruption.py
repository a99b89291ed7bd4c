"""A planned interruption as a value and a line, and who is in a mode by the ledger."""

from stationmaster.domain.interruption import Interruption, in_mode, modes_of
from tests.entries import story

ONE = Interruption(
    "cloud", "read_only", ("acme", "birch"), "e2 is long", 12.4, "2026-11-24T22:00:00Z", "2026-11-24T22:45:00Z"
)


def test_what_was_recorded_is_read_back() -> None:
    assert Interruption.read(ONE.fact()) == ONE


def test_a_line_says_who_how_when_and_how_long_as_far_as_that_is_known() -> None:
    assert str(ONE).startswith("acme, birch read-only for about 12 s, expected in the slot from 2026-11-24T22:00:00Z;")
    bare = Interruption("cloud", None, tuple(f"t{number}" for number in range(12)), "e2 is long", closed=("a.yaml#x",))
    assert "t9 and 2 more waiting for locks, no slot: a.yaml#x; database cloud: e2 is long" in str(bare)


def test_the_last_word_about_a_tenant_says_whether_it_is_in_a_mode() -> None:
    facts = {"mode_on": {"mode": "read_only"}, "mode_off": {"mode": "read_only"}}
    entries = story(("mode_on", "acme"), ("mode_on", "birch"), ("mode_off", "acme"), facts=facts)
    assert modes_of(entries) == {"birch": "read_only"}
    last = {entry.subject: entry for entry in entries}
    assert list(in_mode(last)) == list(in_mode(last, "r1")) == ["birch"]
    assert in_mode(last, "r2") == {}
