"""`approve`: a signature counts, or is recorded and told why it does not; a key that is none is refused before."""

from pathlib import Path

import pytest

from stationmaster.domain.stages import fold
from tests.cli.conftest import DIGEST, Desk


def approvals(desk: Desk) -> int:
    return len([entry for entry in desk.ledger.entries("r2") if entry.step == "approval"])


def test_a_signature_that_counts(desk: Desk) -> None:
    desk.reach("planned")
    found = desk.run("approve", "r2", "--key", str(desk.key("mei")), "--json")
    assert found.code == 0
    told = {name: found.json[name] for name in ("release", "counts", "satisfied", "refused", "missing", "required")}
    assert told == {
        "release": "r2", "counts": True, "satisfied": True, "refused": [], "missing": {},
        "required": {"release-approver": 1},
    }  # fmt: skip
    (given,) = found.json["given"]
    assert (given["who"], given["role"], given["assurance"]) == ("mei", "release-approver", "signed")
    entry = desk.ledger.entries("r2")[-1]
    assert entry.fact["mandate"] == found.json["mandate"] == desk.ledger.about("r2", ["mandated"])[0].fact["digest"]
    assert (entry.step, entry.fact["digest"], desk.ledger.personal(entry)) == (
        "approval",
        DIGEST,
        {"who": "mei", "brought_by": "ana"},
    )
    assert "ana" not in entry.canonical().decode()
    text = desk.run("approve", "r2", "--key", str(desk.key("mei"))).out
    assert text == "signed: r2 is approved by mei\ngo on with: stationmaster release start r2\n"
    assert approvals(desk) == 1  # the same signature again is the same


def test_nobody_approves_what_they_committed(desk: Desk) -> None:
    desk.reach("planned")
    found = desk.run("approve", "r2", "--key", str(desk.key("ben")), "--json")
    assert (found.code, [(one["who"], one["rule"]) for one in found.json["refused"]]) == (1, [("ben", "author")])


def test_who_started_it_cannot_approve_it(desk: Desk) -> None:
    desk.reach("planned")
    found = desk.run("approve", "r2", "--key", str(desk.key("ana")), "--json")
    assert (found.code, found.json["counts"], found.json["satisfied"]) == (1, False, False)
    assert [(one["who"], one["rule"]) for one in found.json["refused"]] == [("ana", "starter")]
    assert found.json["missing"] == {"release-approver": 1}
    assert approvals(desk) == 1  # the attempt is on record
    assert fold(desk.ledger.entries("r2")) == "planned"


def test_a_key_that_nobody_has(desk: Desk) -> None:
    desk.reach("planned")
    found = desk.run("approve", "r2", "--key", str(desk.key("mallory")), "--json")
    assert (found.code, found.json["refused"][0]["rule"]) == (1, "unknown_key")
    assert "refused: no key in approvers.yaml made this signature" in (
        desk.run("approve", "r2", "--key", str(desk.key("mallory"))).out
    )


def test_it_is_this_signature_that_counts_or_not_and_no_other_by_the_same_key(desk: Desk) -> None:
    desk.reach("planned")
    key = str(desk.key("mei"))
    assert desk.run("approve", "r2", "--key", key).code == 0
    alone = ("--emergency", "--reason", "it is down", "--ticket", "INC-1")
    found = desk.run("approve", "r2", "--key", key, *alone, "--json")
    assert (found.code, found.json["counts"], found.json["satisfied"]) == (1, False, True)
    assert [(one["who"], one["rule"]) for one in found.json["refused"]] == [("mei", "role")]
    assert "go on with" not in desk.run("approve", "r2", "--key", key, *alone).out
    again = desk.run("approve", "r2", "--key", key)
    assert (again.code, "Mei: has approved already (same_person)" in again.out) == (1, True)


def spoilt(desk: Desk, how: str) -> Path:
    path = desk.key("ben")
    if how == "missing":
        return desk.root / "none.pem"
    if how == "others":
        path.chmod(0o644)
    if how == "public":
        path.write_text("ssh-ed25519 AAAA ben")
    if how == "noise":
        path.write_text("hello")
    return path


@pytest.mark.parametrize(
    ("how", "word"),
    [("missing", "No such file"), ("others", "chmod 600"), ("public", "public key"), ("noise", "no private key")],
)
def test_a_key_file_that_is_none(desk: Desk, how: str, word: str) -> None:
    desk.reach("planned")
    desk.run("approve", "r2", "--key", str(spoilt(desk, how)), "--json").refused(2, "key", word)
    assert approvals(desk) == 0


def test_there_must_be_something_to_approve(desk: Desk) -> None:
    key = str(desk.key("ben"))
    desk.reach("cut", "early")
    desk.run("approve", "early", "--key", key, "--json").refused(1, "nothing_to_approve", "no plan to approve yet")
    desk.reach("released", "over")
    desk.run("approve", "over", "--key", key, "--json").refused(1, "nothing_to_approve", "over is released")
    desk.run("approve", "eraly", "--key", key, "--json").refused(2, "unknown_release", "did you mean 'early'?")
    desk.run("approve", "early", "--json").refused(2, "which_key", "--key")


def test_approvers_that_cannot_be_read(desk: Desk) -> None:
    desk.reach("planned")
    (desk.root / "approvers.yaml").write_text("people: [{id: Ben}]\n")
    desk.run("approve", "r2", "--key", str(desk.key("ben")), "--json").refused(2, "document", "approvers.yaml")
    (desk.root / "approvers.yaml").unlink()
    desk.run("approve", "r2", "--key", str(desk.key("ben")), "--json").refused(3, "outside", "signer block")
