"""Tickets: what is one, and which are a release's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stationmaster.domain.documents import DocumentError
from stationmaster.domain.fragments import read_fragment
from stationmaster.domain.request import ReleaseRequest
from stationmaster.domain.ticket import is_ticket, must_be_ticket, tickets_of


@pytest.mark.parametrize(
    "text", ["CHG-4711", "OD2-1", "#123", "https://tickets.example/CHG-4711?tab=1#c2", "http://t/1"]
)
def test_tickets(text: str) -> None:
    assert is_ticket(text)
    assert must_be_ticket(f" {text}\n") == text


@pytest.mark.parametrize(
    "text",
    ["", "chg-1", "CHG", "CHG-", "CHG-1x", "-1", "1-1", "#", "#1a", "123", "CHG-1 CHG-2", "CHG-\u0661", "CHG-1\n",
     "ftp://t/1", "https://", "https://ana:pw@t/1", "https://ana@t/1", "https://t/ 1", "javascript:x", "https://[", 7,
     None, ["CHG-1"], f"https://t/{'x' * 600}"],
)  # fmt: skip
def test_no_tickets(text: object) -> None:
    assert not is_ticket(text)


@given(st.text())
def test_what_is_taken_has_no_space_and_no_line_in_it(text: str) -> None:
    assert not is_ticket(text) or not any(sign.isspace() for sign in text)


def test_those_of_a_release_come_once_each_the_request_first() -> None:
    assert tickets_of("CHG-9", [("OD-1", "CHG-9"), (), ("#7", "OD-1")]) == ("CHG-9", "OD-1", "#7")
    assert tickets_of(None, [("OD-1",)]) == ("OD-1",)
    assert tickets_of(None, []) == ()


def test_a_request_names_a_ticket_or_says_what_one_looks_like() -> None:
    def asked(ticket: str | None) -> ReleaseRequest:
        return ReleaseRequest(id="r1", product="shop", starter="ana", ticket=ticket)

    assert asked(" CHG-1 ").asked()["ticket"] == "CHG-1"
    assert "ticket" not in asked(None).asked()
    with pytest.raises(ValidationError, match=r"'soon' is not a ticket, as CHG-4711, #123 or https://"):
        asked("soon")


FRAGMENT = "---\nkind: added\n{refs}---\nOrders have a status.\n"


def test_a_fragment_names_its_tickets() -> None:
    refs = "refs: {pr: 4, ticket: [OD-7, '#12', https://t.example/3]}\n"
    assert read_fragment(FRAGMENT.format(refs=refs), "changes/a.md").refs == ("OD-7", "#12", "https://t.example/3")
    assert read_fragment(FRAGMENT.format(refs="refs: {ticket: OD-7}\n"), "changes/a.md").refs == ("OD-7",)
    for none in ("", "refs:\n", "refs: {pr: 4}\n", "refs: {ticket: }\n"):
        assert read_fragment(FRAGMENT.format(refs=none), "changes/a.md").refs == ()


@pytest.mark.parametrize(
    ("refs", "said"),
    [
        ("refs: OD-7\n", "changes/a.md:3: `refs` is 'OD-7', not a mapping of keys to values (write `refs: {pr: 12, "),
        ("refs: [OD-7]\n", "changes/a.md:3: `refs` is ['OD-7'], not a mapping"),
        ("refs: {tickt: OD-7}\n", "changes/a.md:3: unknown key 'tickt' of refs (did you mean 'ticket'?)"),
        ("refs:\n  pr: 4\n  ticket: od-8\n", "changes/a.md:5: 'od-8' is not a ticket (a ticket is CHG-4711, #123 or "),
        ("refs: {ticket: 7}\n", "changes/a.md:3: 7 is not a ticket"),
        ("refs: {ticket: [OD-7, {a: b}]}\n", "changes/a.md:3: {'a': 'b'} is not a ticket"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_them_is_named_by_line(refs: str, said: str) -> None:
    with pytest.raises(DocumentError) as wrong:
        read_fragment(FRAGMENT.format(refs=refs), "changes/a.md")
    assert str(wrong.value).startswith(said)
