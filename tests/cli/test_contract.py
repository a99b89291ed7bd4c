"""`release contract`, and what is proved on which schema, as a person types it."""

from typing import Any
from uuid import UUID

import pytest

from stationmaster.cli import following
from stationmaster.deployments import submission
from stationmaster.deployments.submission import Submitted
from stationmaster.domain.request import ContractRequest
from tests.cli.conftest import DIGEST, Desk

WAITS = {
    "for": "versions",
    "until": None,
    "message": "the contract of r2 waits: cedar: cedar runs 1",
    "hint": "bring it",
}
LACKS = {"instance": "cedar", "name": "tenants", "met": False, "reason": "cedar runs 1", "way_out": "bring it"}
OLD = "sha256:" + 64 * "a"


@pytest.fixture
def wanted(desk: Desk) -> Desk:
    """A release that is through, and somebody asked for its contract."""
    desk.reach("released")
    desk.write("contract", {"product": "shop"}, who="ana")
    return desk


def test_of_what_nobody_wants_there_is_no_status(desk: Desk) -> None:
    desk.reach("released")
    found = desk.run("release", "contract", "r2", "--status", "--json")
    found.refused(1, "contract_not_wanted", "nobody asked for the contract of r2", "stationmaster release contract r2")


@pytest.mark.parametrize(
    ("step", "fact", "code"),
    [
        ("waiting", {**WAITS, "contract": [LACKS]}, 4),
        ("failed", {"code": "x", "message": "stage broke", "hint": None, "step": "prove", "outside": False}, 1),
        ("contracting", {"before": ["r2"], "target": ["c2"]}, 0),
        ("contract_over", {"databases": ["cloud"], "revisions": ["c2"]}, 0),
    ],
)
def test_its_exit_code_says_whether_something_stands_in_the_way(
    wanted: Desk, step: str, fact: dict[str, Any], code: int
) -> None:
    wanted.write(step, fact, "cloud" if step == "contracting" else "")
    found = wanted.run("release", "contract", "r2", "--status", "--json")
    assert found.code == code
    assert found.json["contract"]["over"] == (step == "contract_over")
    assert wanted.run("release", "contract", "r2", "--status").code == code


def test_a_wait_is_told_with_what_is_lacking_of_which_database(wanted: Desk) -> None:
    wanted.write("waiting", {**WAITS, "contract": [LACKS]})
    told = wanted.run("release", "contract", "r2", "--status").out
    for words in ("the contract of r2 waits", "bring it", "cedar", "tenants", "cedar runs 1"):
        assert words in told


def test_what_is_not_over_is_refused_before_anything_is_submitted(desk: Desk) -> None:
    desk.reach("planned")
    desk.run("release", "contract", "r2", "--json").refused(1, "not_over", "r2 is planned", "release why r2")
    desk.run("release", "contract", "r3", "--json").refused(2, "unknown_release", "r2")


def submitted(desk: Desk, monkeypatch: pytest.MonkeyPatch, *steps: tuple[str, dict[str, Any]]) -> None:
    """A worker that is faster than whoever follows it."""

    def submit(request: ContractRequest) -> Submitted:
        for step, fact in (("contract", {"product": request.product}), *steps):
            desk.write(step, fact, "cloud" if step in {"contracting", "contracted"} else "")
        return Submitted(UUID(int=1), "http://127.0.0.1/1")

    monkeypatch.setattr(submission, "contract", submit)
    monkeypatch.setattr(following, "has_ended", lambda _run: ("COMPLETED", ""))


def test_it_is_told_from_its_first_entry_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.reach("released")
    submitted(desk, monkeypatch, ("waiting", {**WAITS, "contract": [LACKS]}))
    found = desk.run("release", "contract", "r2", "--json")
    assert "its contract is wanted" in found.err
    assert (found.code, found.json["contract"]["waiting_for"]) == (4, "versions")


def test_a_run_that_ended_without_a_word_is_no_success(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.reach("released")
    submitted(desk, monkeypatch)
    desk.run("release", "contract", "r2", "--json").refused(3, "run_crashed", "did not say why")


def test_the_matrix_says_what_is_proved_where_and_who_could_go_back(desk: Desk) -> None:
    assert "nothing is proved yet" in desk.run("migrations", "matrix").out
    desk.reach("released")
    desk.write("proved", {"revision": "e3", "pairs": [[OLD, "e3"], [DIGEST, "e3"]], "covers": [[DIGEST, "e2"]]})
    desk.write("expanded", {"before": ["e2"], "after": ["e3"]}, "cloud")
    found = desk.run("migrations", "matrix", "--json").json
    mine = next(one for one in found["versions"] if one["digest"] == DIGEST)
    assert [(one["schema"], one["passed_on"]) for one in mine["schemas"]] == [("e3", "e3"), ("e2", "e3")]
    (cloud,) = [one for one in found["databases"] if one["instance"] == "cloud"]
    assert cloud["schemas"] == ["e3"]
    assert cloud["tenants"] == [
        {"tenant": "acme", "runs": "2.0.0", "proved": True, "back_to": "1.0.0", "back_proved": True}
    ]
    desk.write("contracted", {"before": ["e3"], "after": ["c1"]}, "cloud")
    told = desk.run("migrations", "matrix").out
    assert "database cloud has c1" in told
    assert "nothing: 1.0.0 is not proved here" in told
