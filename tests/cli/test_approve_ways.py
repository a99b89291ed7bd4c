"""`approve` with a key in an SSH agent, as a code for the form, and to confirm a start."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from stationmaster.blocks.approval import Desk as Approvals
from stationmaster.blocks.channel import Answer, bring
from stationmaster.blocks.toolbox import recall
from stationmaster.domain.approval_code import ApprovalCodeError, code_of, envelope_in
from stationmaster.domain.confirming import ConfirmationRefusedError
from tests.cli.conftest import Desk
from tests.openssh import OpenSsh, openssh

__all__ = ["openssh"]  # a fixture


@pytest.fixture
def agent(openssh: OpenSsh, monkeypatch: pytest.MonkeyPatch) -> OpenSsh:
    monkeypatch.setenv("SSH_AUTH_SOCK", openssh.path)
    return openssh


def hold(agent: OpenSsh, desk: Desk, who: str) -> Path:
    """The person's own key, in the agent."""
    path = desk.key(who)
    path.write_bytes(desk.keys[who].private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    agent.run("ssh-add", "-q", str(path))
    return path


def steps(desk: Desk) -> list[str]:
    return [entry.step for entry in desk.ledger.entries("r2") if entry.step in {"approval", "refused", "confirmed"}]


def test_a_key_in_the_agent_signs_as_one_in_a_file_does(desk: Desk, agent: OpenSsh) -> None:
    desk.reach("planned")
    path = hold(agent, desk, "mei")
    found = desk.run("approve", "r2", "--agent", "--json")
    assert (found.code, found.json["counts"], found.json["satisfied"]) == (0, True, True)
    assert desk.run("approve", "r2", "--key", str(path), "--json").code == 0
    assert steps(desk).count("approval") == 1  # ed25519 signs the same bytes the same way


def test_of_several_keys_one_is_named(desk: Desk, agent: OpenSsh) -> None:
    desk.reach("planned")
    agent.add("laptop")
    hold(agent, desk, "mei")
    desk.run("approve", "r2", "--agent", "--json").refused(
        2, "agent_key", "several ed25519 keys", "laptop", "--identity"
    )
    desk.run("approve", "r2", "--agent", "--identity", "leptop", "--json").refused(2, "agent_key", "'leptop' is no key")
    other = desk.run("approve", "r2", "--agent", "--identity", "laptop", "--json")
    assert (other.code, other.json["refused"][0]["rule"]) == (1, "unknown_key")


def test_no_agent_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.reach("planned")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    desk.run("approve", "r2", "--agent", "--json").refused(3, "agent_away", "SSH_AUTH_SOCK")


@pytest.mark.parametrize(
    "ways", [(), ("--agent", "--key", "x"), ("--identity", "x"), ("--key", "x", "--identity", "y")]
)
def test_one_key_is_named_in_one_way(desk: Desk, ways: tuple[str, ...]) -> None:
    desk.reach("planned")
    desk.run("approve", "r2", *ways, "--json").refused(2, "which_key", "--agent")


def printed(desk: Desk, who: str, *more: str) -> str:
    found = desk.run("approve", "r2", "--key", str(desk.key(who)), "--print", *more)
    assert found.code == 0
    assert max(map(len, found.out.splitlines())) <= 76
    return found.out


def register(desk: Desk, code: str, release: str = "r2", product: str = "shop") -> Answer:
    """What the form of the flow does with a code."""
    approvals = Approvals(desk.ledger, recall("source", "shop"), recall("signer", "shop"))
    return bring(approvals, product, release, envelope_in(code), by="a form", at=datetime(2026, 11, 23, 9, tzinfo=UTC))


def test_a_printed_code_records_nothing_until_the_form_takes_it(desk: Desk) -> None:
    desk.reach("planned")
    code = printed(desk, "mei")
    assert steps(desk) == ["confirmed"]
    assert register(desk, code) == Answer("r2", counts=True, said="it counts: r2 is approved")
    assert register(desk, code.replace("\n", "  \r\n")).counts
    assert steps(desk) == ["confirmed", "approval"]
    assert desk.run("approvals", "status", "r2", "--json").json["given"][0]["who"] == "mei"


def test_a_code_that_does_not_count_says_why_and_is_on_record(desk: Desk) -> None:
    desk.reach("planned")
    told = register(desk, printed(desk, "ana"))
    assert told.counts is False
    assert "who starts a release cannot approve it (starter)" in told.said
    assert steps(desk) == ["confirmed", "approval", "refused"]


def test_a_code_of_another_release_or_a_broken_one_leaves_nothing(desk: Desk) -> None:
    desk.reach("planned")
    desk.reach("planned", "r3", "3.0.0")
    code = printed(desk, "mei")
    for wrong, release in ((code, "r3"), (code[:-9], "r2"), ("hello", "r2")):
        with pytest.raises(ApprovalCodeError):
            register(desk, wrong, release)
    assert steps(desk) == ["confirmed"]


def test_a_code_that_was_altered_is_refused_and_on_record(desk: Desk) -> None:
    """Whoever can count a checksum cannot sign."""
    desk.reach("planned")
    envelope = envelope_in(printed(desk, "mei"))
    envelope["signatures"][0]["sig"] = envelope_in(printed(desk, "ben"))["signatures"][0]["sig"]
    assert "(signature); it does not count" in register(desk, code_of(envelope)).said


def test_an_envelope_that_is_not_one_signature_of_one_key_leaves_nothing(desk: Desk) -> None:
    desk.reach("planned")
    good = envelope_in(printed(desk, "mei"))
    (mine,) = good["signatures"]
    odd = [[], [mine, mine], [mine, {**mine, "keyid": "f" * 64}], [{**mine, "keyid": "k" * 300}],
           [{**mine, "keyid": mine["keyid"][:-1] + "\0"}]]  # fmt: skip
    for signatures in odd:
        with pytest.raises(ApprovalCodeError):
            register(desk, code_of({**good, "signatures": signatures}))
    assert steps(desk) == ["confirmed"]


def test_a_code_is_of_the_product_that_the_form_names(desk: Desk) -> None:
    desk.reach("planned")
    with pytest.raises(ApprovalCodeError, match="r2 is no release of other"):
        register(desk, printed(desk, "mei"), product="other")
    assert steps(desk) == ["confirmed"]


def test_whose_approval_it_is_and_who_brought_it_are_both_known(desk: Desk) -> None:
    desk.reach("planned")
    register(desk, printed(desk, "mei"))
    desk.run("approve", "r2", "--key", str(desk.key("ben")))
    known = [desk.ledger.personal(entry) for entry in desk.ledger.entries("r2") if entry.step == "approval"]
    assert known == [{"who": "mei", "brought_by": "a form"}, {"who": "ben", "brought_by": "ana"}]


def asked(desk: Desk, release: str = "r2") -> None:
    """A start from the Prefect UI, which nobody confirmed."""
    desk.write("started", {"product": "shop", "ref": "v2.0.0", "kind": "manual"}, release=release, starter="somebody")


def test_a_start_is_confirmed_by_a_signature_and_the_signer_is_the_starter(desk: Desk) -> None:
    asked(desk)
    found = desk.run("approve", "r2", "--confirm", "--key", str(desk.key("mei")))
    assert (found.code, found.out) == (0, "mei wants r2, and so cannot approve it\n")
    entry = desk.ledger.about("r2", ["confirmed"])[0]
    assert entry.fact == {"product": "shop", "ref": "v2.0.0", "kind": "manual", "assurance": "signed"}
    assert (desk.ledger.personal(entry) or {})["who"] == "mei"
    desk.run("approve", "r2", "--confirm", "--key", str(desk.key("ben")), "--json").refused(
        1, "not_asked", "was confirmed before"
    )


def test_a_start_is_confirmed_by_a_code_in_the_form(desk: Desk) -> None:
    asked(desk)
    code = printed(desk, "mei", "--confirm")
    assert steps(desk) == []
    assert register(desk, code).said == "mei wants r2, and so cannot approve it"


def test_nobody_unknown_confirms_a_start(desk: Desk) -> None:
    asked(desk)
    desk.run("approve", "r2", "--confirm", "--key", str(desk.key("mallory")), "--json").refused(
        1, "confirmation_refused", "nobody who may start releases"
    )
    code = printed(desk, "mei", "--confirm")
    asked(desk, "r9")
    with pytest.raises(ConfirmationRefusedError, match="something else was signed"):
        register(desk, code, "r9")
    assert steps(desk) == []


def test_an_emergency_confirms_nothing(desk: Desk) -> None:
    asked(desk)
    emergency = ("--emergency", "--reason", "fire", "--ticket", "INC-1")
    desk.run("approve", "r2", "--confirm", *emergency, "--key", "x", "--json").refused(2, "emergency_unexplained")
    desk.run("approve", "r9", "--confirm", "--key", str(desk.key("mei")), "--json").refused(2, "unknown_release")
