"""What Prefect and the ledger together say of a flow run."""

from datetime import UTC, datetime, timedelta

import pytest

from stationmaster.domain.flow_runs import Asked, FlowRun, Worker, condition, newest

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LONG_AGO = AT - timedelta(hours=9)


def ago(seconds: float) -> datetime:
    return AT - timedelta(seconds=seconds)


def run(kind: str, age: float, due: float | None = None) -> FlowRun:
    return FlowRun("1", kind, kind.title(), ago(age), None if due is None else ago(-due))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, "over"),
        (run("COMPLETED", 1), "over"),
        (run("FAILED", 1), "over"),
        (run("SCHEDULED", 1, due=3600), "parked"),
        (run("SCHEDULED", 1, due=5), "coming"),  # a worker claims it ahead of time
        (run("SCHEDULED", 9999, due=-9998), "coming"),  # whoever sets it again does not bring a worker
        (run("SCHEDULED", 1), "coming"),
        (run("PENDING", 59), "coming"),
        (run("PENDING", 61), "dead"),
        (run("CRASHED", 29), "dying"),
        (run("CRASHED", 30), "dead"),
        (run("RUNNING", 44), "coming"),  # it starts up and has no lease yet
        (run("RUNNING", 46), "dead"),
        (run("CANCELLED", 9999), "stopped"),
        (run("CANCELLING", 9999), "stopped"),
        (run("PAUSED", 9999), "stopped"),
    ],
)
def test_without_a_lease_the_state_and_its_age_decide(found: FlowRun | None, expected: str) -> None:
    assert condition(found, Worker(), LONG_AGO, AT) == expected


@pytest.mark.parametrize(
    ("since", "renewed", "gone", "heard", "expected"),
    [
        (300, 9, 0, 300, "dying"),  # the worker, if it lives, says so in a moment
        (300, 9, 9.9, 300, "dying"),
        (300, 20, 10, 300, "dead"),  # it did not: it died too
        (5, 9, 60, 300, "coming"),  # that was the process before; this one starts up
        (46, 90, 60, 300, "dead"),
        (300, 44, None, 300, "coming"),  # silent, on another machine or stopped
        (300, 46, None, 300, "dead"),
        (300, None, None, 20, "coming"),  # its lease is given back: it is between two legs, or ends
        (300, None, None, 50, "dead"),
    ],
)
def test_a_running_one_is_dead_when_its_process_is(
    since: float, renewed: float | None, gone: float | None, heard: float, expected: str
) -> None:
    worker = Worker(
        renewed=None if renewed is None else ago(renewed), gone=None if gone is None else timedelta(seconds=gone)
    )
    assert condition(run("RUNNING", since), worker, ago(heard), AT) == expected


def asked(number: int, kind: str, flow: str = "release", release: str = "r2") -> Asked:
    request = {"id" if flow == "release" else "release": release}
    found = FlowRun(str(number), kind, "", AT)
    return Asked("release" if flow == "release" else "rollback", request, AT + timedelta(seconds=number), found)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], None),
        ([asked(1, "CRASHED"), asked(2, "RUNNING")], "2"),
        ([asked(2, "COMPLETED"), asked(1, "CRASHED")], "2"),
        ([asked(1, "RUNNING"), asked(2, "FAILED")], "1"),  # a second start, which found the release taken
        ([asked(1, "FAILED"), asked(2, "FAILED")], "2"),
        ([asked(1, "RUNNING"), asked(2, "RUNNING", "rollback"), asked(3, "RUNNING", release="r3")], "1"),
    ],
)
def test_the_newest_run_stands_for_a_release_unless_it_failed_beside_another(
    found: list[Asked], expected: str | None
) -> None:
    one = newest(found, "r2")
    assert (one.id if one else None) == expected
