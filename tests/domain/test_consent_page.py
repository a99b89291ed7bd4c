"""The page for a tenant's contact: what concerns it, nothing of others, and nothing that runs."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.consent import Standing, State
from stationmaster.domain.consent_page import Asked, concerns, notice, page, policy
from stationmaster.domain.fragments import Fragment
from stationmaster.domain.others import Others
from stationmaster.domain.tenants import Consent, Tenant

AT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
ACME = Tenant(id="acme", name="Acme GmbH", ring="pilot", tags=("eu",), approval=Consent(contacts=("it@acme.example",)))
BIRCH = Tenant(id="birch", name="Birch & Söhne", ring="broad", sites=("kiel",), contacts={"it": "it@birch.example"})
GLOBEX = Tenant(id="globex", name="Globex Corporation", ring="broad")
DIRECTORY = [ACME, BIRCH, GLOBEX, Tenant(id="acme-two", name="Acme", ring="broad")]
OTHERS = Others.of("acme", DIRECTORY, {"birch", "gone-since"})


def fragment(text: str = "Orders are faster.", **front: Any) -> Fragment:
    return Fragment("1", "added", text, upgrade="Nothing to do.", internal="SECRET of ours", front=front)


def shown(*fragments: Fragment, state: State = "asked") -> str:
    return page(Asked("shop", "r2", "2.0.0", ACME, Standing(state, AT), fragments or (fragment(),), OTHERS))


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        assert not any(name.startswith("on") or name in {"src", "href", "action"} for name, _ in attrs)


def test_it_says_what_comes_until_when_and_takes_two_answers() -> None:
    text = shown()
    for word in (
        "shop 2.0.0",
        "r2",
        "Acme GmbH",
        "Orders are faster.",
        "Nothing to do.",
        "25 November 2026, 08:00 UTC",
    ):
        assert word in text
    assert re.findall(r'name="answer" value="(\w+)"', text) == ["agree", "decline"]
    assert '<form method="post">' in text
    assert "SECRET" not in text
    assert shown() == text


@pytest.mark.parametrize("state", ["asked", "agreed", "declined", "go", "skip"])
def test_it_says_how_it_stands(state: State) -> None:
    words = {"asked": "Without an answer until then, this release does not come", "agreed": "You agreed",
             "declined": "You did not agree", "go": "comes as your contract", "skip": "does not come"}  # fmt: skip
    assert words[state] in shown(state=state)


@given(st.text(max_size=200))
def test_whatever_a_fragment_says_is_text(text: str) -> None:
    plain = Tags(shown(fragment("x"))).names
    assert Tags(shown(fragment(f"x{text}<script>alert(1)</script><a href=//evil>"))).names == plain
    assert Tags(notice(text, text, "<img src=x>")).names == Tags(notice("", "", "")).names


def test_the_policy_lets_nothing_in_but_the_style_that_is_there() -> None:
    assert "default-src 'none'" in policy()
    assert "script-src" not in policy()
    assert "unsafe" not in policy()


@pytest.mark.parametrize(
    ("front", "told"),
    [
        ({}, True), ({"audience": "customer"}, True), ({"audience": ["support", "customer_it"]}, True),
        ({"audience": "internal"}, False), ({"audience": ["support"]}, False),
        ({"tenants": ["acme"]}, True), ({"tenants": "eu"}, True), ({"tenants": ["birch"]}, False),
        ({"tenants": {"include": ["eu"]}}, True), ({"tenants": {"exclude": ["acme"]}}, False),
        ({"tenants": {"include": ["birch"]}}, False), ({"tenants": {"exclude": ["birch"]}}, True),
    ],
)  # fmt: skip
def test_a_change_for_others_is_not_told(front: dict[str, Any], told: bool) -> None:  # noqa: FBT001
    assert concerns(fragment(**front), ACME) is told
    assert ("Orders are faster." in shown(fragment(**front))) is told
    assert told or "Nothing of this release is for you to read." in shown(fragment(**front))


@pytest.mark.parametrize(
    "text",
    [
        "For BIRCH alone.", "for birch &\nSöhne", "for Birch  & Söhne", "for Birch\u00a0& Söhne", "Birch & So\u0308hne",
        "schema globex_db", "tenant_globex", "Globex\n  Corporation", "as acme-two asked", "at Kiel",
        "it@birch.example", "since gone-since left", "\uff22irch",
    ],
)  # fmt: skip
def test_a_change_that_names_another_is_left_out_and_that_is_said(text: str) -> None:
    seen = shown(fragment("Orders are faster."), fragment(f"A change {text}"))
    assert "Orders are faster." in seen
    assert "A change" not in seen
    assert "Not shown here, since the text names another customer: 1 of 2." in seen
    upgrade = Fragment("1", "added", "A change", upgrade=text)
    assert "A change" not in shown(upgrade)
    assert "Not shown here, since the text names another customer: 1 of 1." in shown(upgrade)


def test_the_tenant_itself_is_named() -> None:
    told = "For acme GmbH, and acme; birches stay."
    assert told in shown(fragment(told))
    assert "Not shown" not in shown(fragment(told))


@given(st.lists(st.sampled_from(["birch", "Birch & Söhne", "ACME-TWO", "acme", "x", " ", "-", "\n"]), max_size=12))
def test_no_order_of_words_lets_a_name_through(words: list[str]) -> None:
    text = "".join(f" {word} " for word in words)
    named = bool({"birch", "Birch & Söhne", "ACME-TWO"} & set(words))
    assert ("Orders:" in shown(fragment(f"Orders: {text}"))) is not named
