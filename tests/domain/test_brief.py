"""The support brief says what comes, for whom, and what to do; it fits Slack whatever the release."""

import json
from typing import Any

from stationmaster.domain.artifact import Artifact, Change, Commit, Cut
from stationmaster.domain.brief import Brief, brief, flag_states
from stationmaster.domain.fragments import Fragment
from stationmaster.domain.plan import Plan
from stationmaster.domain.product import Product
from stationmaster.domain.progress import Standing
from stationmaster.domain.tenants import Directory, Tenant
from tests.plans import plan

ARTIFACT = Artifact(digest=f"sha256:{'ab' * 32}", size=1)
PRODUCT = Product.model_validate(
    {
        "product": "orderdesk",
        "build": {"command": ["make"], "output": "out"},
        "service": {"command": ["run"]},
        "rings": [{"name": "pilot", "watch": 90}, {"name": "general", "watch": "5m"}],
        "journeys": [{"name": "log-in", "steps": [{"name": "a", "path": "/"}]}],
        "hard_limits": {"availability": {"max_bad": 0.1, "min_count": 1}},
        "approvals": {"deploy": {"approver": 1}},
        "support": {"escalation": "on-call <+49>", "watch": "orders per minute"},
    }
)
FRAGMENT = Fragment(
    "od-7",
    "fixed",
    "Totals are **right** again.",
    internal="Only support sees this.",
    front={"support": {"macro": "totals", "watch": "refunds"}},
)


def cut(commits: int = 1) -> Cut:
    return Cut(
        release="r1",
        product=PRODUCT,
        commit=Commit(commit="c" * 40, subject="Fix totals", authors=(), version="1.2.0", at=0),
        previous=(),
        changes=tuple(Change(commit=f"{n:040}", subject=f"Fix <!channel> {n}", authors=()) for n in range(commits)),
        fragments=(),
    )


def planned(pilots: int = 2) -> Plan:
    tenants = [Tenant(id=f"t{n:05}", name="T", ring="pilot") for n in range(pilots)]
    others = [Tenant(id="zeta", name="Z", ring="general"), Tenant(id="old", name="O", ring="general", pinned="1.0")]
    return plan(PRODUCT, Directory(tenants=(*tenants, *others)), {}, ARTIFACT.digest)


def test_what_was_passed_by_waiver_is_told_and_nothing_is_said_where_nothing_was() -> None:
    plain = brief(cut(), ARTIFACT, planned())
    told = brief(cut(), ARTIFACT, planned(), passed=["at ring pilot: passes <it>, given by ben and rosa"])
    assert "waiver" not in written(plain)
    assert "*Closed, and passed by waiver*\n• at ring pilot: passes &lt;it&gt;, given by ben and rosa" in written(told)


def written(made: Brief) -> str:
    return "\n".join(_texts(made.blocks))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for inner in value.values() for text in _texts(inner)]
    return [text for inner in value for text in _texts(inner)] if isinstance(value, list) else []


def test_it_says_what_comes_for_whom_and_what_to_watch() -> None:
    made = brief(cut(), ARTIFACT, planned(), fragments=[FRAGMENT], approved_by=["Rosa"], flags={"new-totals": "off"})
    said = written(made)
    assert made.text == "Support brief: orderdesk 1.2.0 goes to 3 tenants"
    for part in (
        "*Fixed* · `od-7`\nTotals are *right* again.",
        "○ *Wave 1: pilot* · planned for Mon 23 Nov 08:00 UTC · watched 90s\nt00000, t00001",
        "○ *Wave 2: general* · planned for Mon 23 Nov 08:45 UTC · watched 5m\nzeta",
        "*Not in this release*\n• old is pinned to version 1.0",
        "*Watch for 24 h*\norders per minute\nrefunds",
        "*Escalation*\non-call &lt;+49&gt;",
        "*Approved by*\nRosa",
        "*Flags*\n`new-totals` off",
        "macros: totals",
    ):
        assert part in said
    assert made.thread == ()


def test_support_reads_the_internal_section_too() -> None:
    assert "*Internal*\nOnly support sees this." in written(brief(cut(), ARTIFACT, planned(), fragments=[FRAGMENT]))


def test_progress_is_shown_wave_by_wave() -> None:
    now = Standing({"pilot": "done", "general": "now"}, said="Under <way>.")
    said = written(brief(cut(), ARTIFACT, planned(), standing=now))
    assert "*Where it stands.* Under &lt;way&gt;." in said
    assert "✓ *Wave 1: pilot* · done" in said
    assert "▶ *Wave 2: general* · now" in said


def test_who_of_a_wave_is_back_is_named_where_others_are_not() -> None:
    held = Standing({"pilot": "held", "general": "planned"}, back=("t00001",))
    said = written(brief(cut(), ARTIFACT, planned(), standing=held))
    assert "‖ *Wave 1: pilot* · held · watched 90s\nt00000, t00001\n↩ back on the version before: t00001" in said
    back = Standing({"pilot": "rolled back", "general": "planned"}, back=("t00000", "t00001"))
    said = written(brief(cut(), ARTIFACT, planned(), standing=back))
    assert "↩ *Wave 1: pilot* · rolled back · watched 90s\nt00000, t00001" in said
    assert "back on the version before" not in said


def test_the_waves_of_a_release_that_is_over_are_called_off() -> None:
    over = Standing({"pilot": "rolled back", "general": "planned"}, over=True)
    assert "○ *Wave 2: general* · called off" in written(brief(cut(), ARTIFACT, planned(), standing=over))


def test_nothing_in_a_commit_calls_the_channel() -> None:
    assert "<!" not in json.dumps(brief(cut(3), ARTIFACT, planned()).blocks)


def test_a_huge_release_is_split_into_a_thread_within_slacks_limits() -> None:
    big = Fragment("big", "changed", "word " * 4_000, "step\n" * 2_000, "secret plan " * 500)
    made = brief(cut(700), ARTIFACT, planned(3_000), fragments=[big] * 5, flags={f"f{n}": "on" for n in range(99)})
    assert len(made.thread) > 3
    for blocks in (made.blocks, *made.thread):
        assert len(blocks) <= 50
        assert len(json.dumps(blocks, ensure_ascii=False)) <= 13_000
    assert "and 2980 more" in json.dumps([made.blocks, *made.thread])
    assert "t02999" in json.dumps(made.thread)


def test_the_same_release_gives_the_same_bytes() -> None:
    assert brief(cut(), ARTIFACT, planned(), fragments=[FRAGMENT]) == brief(
        cut(), ARTIFACT, planned(), fragments=[FRAGMENT]
    )


def test_a_release_that_moves_nobody_still_has_a_brief() -> None:
    made = brief(cut(0), ARTIFACT, Plan("orderdesk", ARTIFACT.digest, (), ()))
    assert "goes to 0 tenants" in made.text
    assert made.thread == ()


def test_flag_states_are_those_of_the_file() -> None:
    flags = {
        "on": {"state": "ENABLED", "defaultVariant": "on", "variants": {"on": True}},
        "some": {"state": "ENABLED", "defaultVariant": "off", "targeting": {"if": []}},
        "gone": {"state": "DISABLED", "defaultVariant": "on"},
        "open": {"state": "ENABLED", "defaultVariant": None},
    }
    assert flag_states(json.dumps({"flags": flags})) == {
        "gone": "disabled",
        "on": "on",
        "open": "the code's own default",
        "some": "off, with targeting",
    }
