"""`approvals review`: the look of somebody else, signed; whoever went ahead alone cannot end what they owe."""

import base64
import json
from datetime import UTC, datetime

import pytest

from stationmaster.blocks.ratification import put_approvers_in_force
from stationmaster.blocks.signer import load_person_key, public_key_id, sign_with
from stationmaster.domain.approval_statement import Said
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.entries import Draft
from tests.cli.conftest import DIGEST, Answered, Desk


@pytest.fixture
def alone(desk: Desk) -> Desk:
    """Ben went ahead alone with r2."""
    desk.reach("planned")
    went_ahead(desk)
    return desk


def went_ahead(desk: Desk, ticket: str = "INC-1") -> None:
    key = load_person_key(desk.key("ben"))
    said = Said(release="r2", mandate="sha256:" + "c" * 64, action="emergency", reason="down", ticket=ticket)
    envelope = sign_with(key, said.statement(DIGEST))
    fact = {**said.model_dump(exclude_none=True, exclude={"release"}), "digest": DIGEST, "envelope": envelope}
    draft = Draft(release="r2", step="approval", subject=public_key_id(key), inputs={"ticket": ticket}, fact=fact)
    desk.ledger.append(draft, datetime.now(UTC))


def review(desk: Desk, who: str, *more: str) -> Answered:
    said = ("--verdict", "justified", "--reason", "I saw it", "--key", str(desk.key(who)), "--json")
    return desk.run("approvals", "review", "r2", *(more or said))


def looks(desk: Desk) -> int:
    return len([entry for entry in desk.ledger.entries("r2") if entry.step == "reviewed"])


def test_somebody_else_looks_once(alone: Desk) -> None:
    found = review(alone, "mei")
    entry = alone.ledger.entries("r2")[-1]
    assert (found.code, found.json["verdict"], found.json["entries"]) == (0, "justified", [entry.fact["entry"]])
    assert (entry.step, entry.fact["reason"], alone.ledger.personal(entry)) == ("reviewed", "I saw it", {"who": "ana"})
    review(alone, "mei").refused(1, "nothing_to_review", "was reviewed already")
    assert looks(alone) == 1


def test_whoever_went_ahead_does_not(alone: Desk) -> None:
    review(alone, "ben").refused(1, "review_refused", "Ben went ahead alone")
    review(alone, "mallory").refused(1, "review_refused", "no key in approvers.yaml")
    assert looks(alone) == 0


def test_nor_with_a_second_key_once_the_first_is_taken_out_of_the_file(alone: Desk) -> None:
    file = alone.root / "approvers.yaml"
    alone.key("second")
    told = json.loads(file.read_text())
    ben = next(row for row in told["people"] if row["id"] == "ben")
    public = alone.keys["second"].public_key().public_bytes_raw()
    ben["keys"].append({"ed25519": base64.b64encode(public).decode()})
    ratified = Approvers.model_validate(told)
    put_approvers_in_force(alone.ledger, "shop", ratified, "first", datetime(2026, 11, 23, 8, tzinfo=UTC))
    del ben["keys"][0]
    file.write_text(json.dumps(told))
    review(alone, "second").refused(1, "review_refused", "Ben went ahead alone")
    assert "ben went ahead alone" in alone.run("release", "plan", "--ref", "v2.0.0", "--json").json["owed"][0]
    assert review(alone, "mei").code == 0


def test_where_the_key_is_known_nowhere_nobody_ends_it(alone: Desk) -> None:
    file = alone.root / "approvers.yaml"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({"people": [row for row in told["people"] if row["id"] != "ben"]}))
    review(alone, "mei").refused(1, "review_refused", "nobody can tell who went ahead alone", "approvals ratify")


def test_every_emergency_of_the_release_is_reviewed_at_once(alone: Desk) -> None:
    went_ahead(alone, "INC-2")
    assert len(review(alone, "mei").json["entries"]) == 2
    assert looks(alone) == 2


def test_there_must_be_something_to_review_and_something_found(desk: Desk) -> None:
    desk.reach("planned")
    review(desk, "mei").refused(1, "nothing_to_review", "nobody went ahead alone with r2")
    key = str(desk.key("mei"))
    review(desk, "mei", "--verdict", "justified", "--reason", " ", "--key", key, "--json").refused(2, "input", "reason")
    review(desk, "mei", "--verdict", "fine", "--reason", "x", "--key", key, "--json").refused(2, "usage", "fine")
    desk.run("approvals", "review", "r9", "--verdict", "justified", "--reason", "x", "--key", key, "--json").refused(
        2, "unknown_release"
    )


def test_doctor_and_a_preview_tell_of_it(alone: Desk) -> None:
    found = alone.run("release", "plan", "--ref", "v2.0.0", "--json").json["owed"]
    assert len(found) == 1
    assert "the emergency of r2 (INC-1: down), in which ben went ahead alone" in found[0]
    assert "owed        the emergency of r2" in alone.run("release", "plan", "--ref", "v2.0.0").out
    findings = {one["name"]: one for one in alone.run("doctor", "--json", "--offline").json["findings"]}
    assert "approvals review r2" in findings["shop review"]["hint"]
    review(alone, "mei")
    assert alone.run("release", "plan", "--ref", "v2.0.0", "--json").json["owed"] == []


def test_a_preview_tells_of_a_hotfix_that_is_not_merged_back(desk: Desk) -> None:
    desk.repository.git("switch", "--quiet", "-c", "hotfix/1.0.0", "v1.0.0")
    commit = desk.repository.commit("Mend it", {"changes/mend.md": "---\nkind: fixed\n---\nMended.\n"})
    desk.repository.git("switch", "--quiet", "main")
    desk.write("confirmed", {"product": "shop", "kind": "hotfix", "ref": commit}, "", "fix-1", who="ana")
    desk.write("cut", {"commit": commit}, "", "fix-1")
    desk.write("deployed", {"version": "1.0.1", "digest": DIGEST, "commit": commit}, "acme", "fix-1")
    (told,) = desk.run("release", "plan", "--ref", "v2.0.0", "--json").json["owed"]
    assert told.startswith("fix-1 is not merged back into main, owed since 2026-11-23T08:00:00Z")
