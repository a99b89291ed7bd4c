"""Which release `release start` means, what keeps it from being submitted, and what the end of its run is worth."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from stationmaster.blocks.holder import this_process
from stationmaster.cli import following
from stationmaster.cli.following import Run, RunCrashedError
from stationmaster.cli.starting import _request
from stationmaster.domain.errors import InputError
from stationmaster.domain.release import status
from stationmaster.domain.request import ReleaseRequest
from stationmaster.ledger.faults import LedgerFullError
from stationmaster.ledger.store import Ledger
from tests.cli.conftest import Desk


def asked(
    desk: Desk, release: str | None = None, *, ref: str | None = None, product: str | None = None, starter: str = "ana"
) -> ReleaseRequest:
    return _request(desk.ledger, release, product=product, home="shop", ref=ref, starter=starter)


def test_without_a_name_it_is_called_after_product_and_version(desk: Desk) -> None:
    found = asked(desk, ref="v2.0.0")
    assert (found.id, found.product, found.ref, found.starter) == ("shop-2-0-0", "shop", "v2.0.0", "ana")
    assert asked(desk).ref == "main"


def test_a_number_follows_when_that_name_is_over(desk: Desk) -> None:
    desk.reach("released", "shop-2-0-0")
    assert asked(desk, ref="v2.0.0").id == "shop-2-0-0-2"
    desk.reach("cut", "shop-2-0-0-2")
    desk.write("aborted", {"reason": "no"}, "", "shop-2-0-0-2")
    assert asked(desk, ref="v2.0.0").id == "shop-2-0-0-3"


def test_while_one_of_that_version_is_open_no_other_is_begun(desk: Desk) -> None:
    desk.reach("planned", "shop-2-0-0")
    found = desk.run("release", "start", "--ref", "v2.0.0", "--json")
    found.refused(1, "release_open", "shop-2-0-0 is planned", "stationmaster release start shop-2-0-0")


def test_a_known_name_goes_on_as_it_was_started(desk: Desk) -> None:
    desk.reach("planned")
    found = asked(desk, "r2", starter="ben")
    assert (found.id, found.ref, found.product, found.starter) == ("r2", "v2.0.0", "shop", "ben")
    assert asked(desk, "r2", ref="v2.0.0", product="shop").id == "r2"
    desk.run("release", "start", "r2", "--ref", "main", "--json").refused(2, "input", "started with ref v2.0.0")
    desk.run("release", "start", "r2", "--product", "shp", "--json").refused(2, "block_missing")


def test_a_ticket_is_said_at_the_first_start_and_stays_as_it_is(desk: Desk) -> None:
    request = _request(desk.ledger, None, product=None, home="shop", ref=None, starter="ana", ticket=" CHG-1 ")
    assert request.ticket == "CHG-1"
    desk.run("release", "start", "--ticket", "soon", "--json").refused(2, "input", "not a ticket", "#123")
    desk.reach("planned")

    def again(ticket: str | None) -> ReleaseRequest:
        return _request(desk.ledger, "r2", product=None, home="shop", ref=None, starter="ana", ticket=ticket)

    assert again(None).ticket is None
    with pytest.raises(InputError, match="r2 was started without a ticket, not with CHG-2") as other:
        again("CHG-2")
    assert "start a new release with --ticket" in str(other.value.hint)


@pytest.mark.parametrize("last", ["released", "aborted"])
def test_what_is_over_is_not_started_again(desk: Desk, last: str) -> None:
    desk.reach("released" if last == "released" else "cut")
    if last == "aborted":
        desk.run("release", "abort", "r2", "--reason", "no")
    desk.run("release", "start", "r2", "--json").refused(2, "release_over", f"r2 is {last}", "without an id")


def test_a_misspelt_name_does_not_begin_a_release_of_main(desk: Desk) -> None:
    desk.reach("planned", "shop-2-0-0")
    desk.run("release", "start", "shop-2-0-o", "--json").refused(2, "unknown_release", "did you mean 'shop-2-0-0'?")
    assert asked(desk, "shop-2-0-o", ref="v2.0.0").id == "shop-2-0-o"  # meant so
    assert asked(desk, "friday").ref == "main"


def test_names_and_refs_that_cannot_be(desk: Desk) -> None:
    desk.run("release", "start", "Not An Id", "--ref", "v2.0.0", "--json").refused(2, "input", "orderdesk-1-2-0")
    desk.run("release", "start", "--ref", "v2.0.9", "--json").refused(2, "unknown_ref", "v2.0.0")


def test_without_a_server_none_is_started_for_the_moment(desk: Desk) -> None:
    desk.run("release", "start", "--ref", "v2.0.0", "--json").refused(2, "no_server", "stationmaster up")
    assert desk.ledger.entries("shop-2-0-0") == []


def test_while_somebody_works_on_it_nothing_is_submitted(desk: Desk) -> None:
    desk.reach("deployed")
    desk.ledger.take_lease("r2", this_process("flow run 7"), datetime.now(UTC))
    desk.run("release", "start", "r2", "--json").refused(1, "lease_held", "flow run 7", "release status r2")


def judged(desk: Desk, kind: str, *, silent: bool = False) -> None:
    request = ReleaseRequest(id="r2", product="shop", ref="v2.0.0", starter="ana")
    found = status("r2", desk.ledger.entries("r2"), {})
    Run(request, uuid4(), "", -1)._judge((kind, "why"), found, silent=silent)


@pytest.mark.parametrize("kind", ["CRASHED", "FAILED", "CANCELLED"])
def test_a_run_that_ended_without_a_word_in_the_ledger_crashed(desk: Desk, kind: str) -> None:
    desk.reach("deployed")
    with pytest.raises(RunCrashedError, match=f"ended as {kind.lower()}: why"):
        judged(desk, kind)
    desk.write("failed", {"step": "watch", "code": "x", "message": "m", "hint": None})
    judged(desk, kind)  # the ledger says why
    with pytest.raises(RunCrashedError):
        judged(desk, kind, silent=True)  # that was an earlier run
    desk.write("aborted", {"reason": "no"})
    judged(desk, kind, silent=True)


def test_a_run_that_ended_well_is_believed(desk: Desk) -> None:
    desk.reach("planned")
    judged(desk, "COMPLETED")


def test_a_release_that_was_only_submitted_is_requested(desk: Desk) -> None:
    request = ReleaseRequest(id="r9", product="shop", ref="v2.0.0", starter="ana")
    found = Run(request, uuid4(), "", -1).status(desk.ledger)
    assert (found.id, found.stage, found.entries) == ("r9", "requested", 0)


def test_a_starter_nobody_knows_is_refused_before_anything_is_submitted(desk: Desk) -> None:
    found = desk.run("release", "start", "--ref", "v2.0.0", "--starter", "anna", "--json")
    found.refused(2, "unknown_starter", "'anna' is nobody", "did you mean 'ana'?")


def test_a_run_whose_process_is_gone_is_not_followed_for_ever(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker died with it, so that Prefect believes that it runs."""
    monkeypatch.setattr(following, "has_ended", lambda _run: None)
    monkeypatch.setattr(following, "_QUIET", 0.0)
    desk.reach("deployed")
    request = ReleaseRequest(id="r2", product="shop", ref="v2.0.0", starter="ana")
    told: list[str] = []
    with pytest.raises(RunCrashedError, match="is gone, and said nothing"):
        Run(request, uuid4(), "", -1).follow(desk.ledger, told.append)
    assert told


def test_a_run_that_could_say_nothing_because_the_ledger_is_full(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Prefect server's database may lie on the same disk: then it knows nothing either."""

    def full(_ledger: Ledger) -> None:
        raise LedgerFullError("no space left for the ledger")

    monkeypatch.setattr(following, "has_ended", lambda _run: None)
    monkeypatch.setattr(following, "_QUIET", 0.0)
    monkeypatch.setattr(Ledger, "must_have_room", full)
    desk.reach("deployed")
    request = ReleaseRequest(id="r2", product="shop", ref="v2.0.0", starter="ana")
    with pytest.raises(LedgerFullError):
        Run(request, uuid4(), "", -1).follow(desk.ledger, lambda _told: None)


def test_who_may_not_start_confirms_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stationmaster.cli.starting._must_know_a_server", lambda: None)
    desk.write("started", {"product": "shop", "kind": "manual", "ref": "v2.0.0"}, "", "from-the-form", starter="ana")
    desk.run("release", "start", "from-the-form", "--starter", "nobody", "--json").refused(2, "unknown_starter")
    assert [entry.step for entry in desk.ledger.entries("from-the-form")] == ["started"]
