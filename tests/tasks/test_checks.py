"""Checks: all of them, each against the artifact and an empty database; the first that fails stops the release."""

from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from stationmaster.blocks.guest import GuestFailedError, GuestTimeoutError
from stationmaster.domain.coverage import CoverageUnreadableError
from stationmaster.domain.product import Check
from stationmaster.domain.quarantine import ReportUnreadableError, TestsFailedError
from stationmaster.tasks.build import build
from stationmaster.tasks.checks import run_check, run_checks
from stationmaster.tasks.cut import cut
from tests.shop import PRODUCT, SECRET
from tests.world import World

ONE = 'checks: [{name: smoke, command: [grep, -q, version, "{artifact}"]}]'


def checked(world: World, checks: str) -> None:
    assert ONE in PRODUCT
    world.commit("v3", product=PRODUCT.replace(ONE, f"checks: [{checks}]"))
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        run_checks.fn(leg, this, build.fn(leg, this))


def test_each_check_is_recorded_and_not_run_again(world: World) -> None:
    seen = world.root / "seen"
    checked(world, f"{{name: one, command: [sh, -c, 'echo x >> {seen}']}}, {{name: two, command: ['true']}}")
    checks = world.last("tested", "r3").fact["checks"]
    assert [check["name"] for check in checks] == ["one", "two"]
    assert all(check["log"].startswith("sha256:") for check in checks)
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        run_checks.fn(leg, this, build.fn(leg, this))
    assert seen.read_text() == "x\n"


def test_a_check_sees_the_artifact_and_a_database_of_its_own(world: World) -> None:
    seen = world.root / "seen"
    line = 'echo "$0 $ARTIFACT $PYTHONPATH $DATABASE_URL"'
    checked(world, f"{{name: one, command: [sh, -c, '{line} > {seen}', '{{artifact}}']}}")
    placeholder, artifact, path, database = seen.read_text().split()
    assert placeholder == artifact == path == str(world.store.path(world.last("built", "r3").fact["digest"]))
    assert database.endswith("/scratch/scratch_r3_one")


def test_a_product_without_a_database_gets_none(world: World) -> None:
    seen = world.root / "seen"
    check = f"{{name: one, command: [sh, -c, 'echo \"-$DATABASE_URL-\" > {seen}']}}"
    product = PRODUCT.replace(ONE, f"checks: [{check}]").replace("database: {migrations: migrations}\n", "")
    world.commit("v3", product=product)
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        run_checks.fn(leg, this, build.fn(leg, this))
    assert seen.read_text() == "--\n"


def test_a_check_that_fails_says_how_and_those_after_it_are_not_run(world: World) -> None:
    seen = world.root / "seen"
    broken = "{name: a, command: [sh, -c, 'echo 3 tests failed; exit 1']}"
    with pytest.raises(GuestFailedError, match="3 tests failed") as failed:
        checked(world, f"{broken}, {{name: b, command: [touch, {seen}]}}")
    assert failed.value.hint is not None
    assert "check.log" in failed.value.hint
    assert not seen.exists()
    assert ("tested", "r3") not in world.facts("r3")


def test_a_check_that_never_ends_is_ended(world: World) -> None:
    with pytest.raises(GuestTimeoutError):
        checked(world, "{name: a, command: [sleep, '60'], timeout: 1s}")


SUITE = (
    '<testsuite tests="2" failures="1"><testcase classname="t" name="good"/>'
    '<testcase classname="t" name="{name}"><failure message="no"/></testcase></testsuite>'
)
HELD = "{{test: t.flaky, ticket: SHOP-1, owner: ana, expires: {expires}}}"


def judged(world: World, script: str, *, name: str = "flaky", expires: str = "2100-01-01") -> None:
    """A check whose command is this script. `$0` is a report in which the test `name` failed."""
    (world.root / "left.xml").write_text(SUITE.format(name=name))
    command = f"command: [sh, -c, '{script}', {world.root / 'left.xml'}]"
    checked(world, f"{{name: a, {command}, report: out/r.xml, quarantine: [{HELD.format(expires=expires)}]}}")


FAILS = "mkdir -p out; cp $0 out/r.xml; echo 1 failed; exit 1"


def test_a_quarantined_test_that_fails_is_recorded_and_stops_nothing(world: World) -> None:
    judged(world, FAILS)
    (check,) = world.last("tested", "r3").fact["checks"]
    assert {"name", "seconds", "log", "tests", "quarantined", "report"} == set(check)
    assert check["tests"] == 2
    assert check["quarantined"] == [
        {"test": "t.flaky", "ticket": "SHOP-1", "owner": "ana", "expires": "2100-01-01", "outcome": "failed"}
    ]


def test_a_check_with_a_report_and_no_failing_test_passes(world: World) -> None:
    checked(world, "{name: a, report: r.xml, command: [sh, -c, 'echo \"<testsuite><testcase/></testsuite>\" > r.xml']}")
    (check,) = world.last("tested", "r3").fact["checks"]
    assert (check["tests"], check["quarantined"]) == (1, [])


LATE = datetime(2031, 5, 1, 1, tzinfo=timezone(timedelta(hours=2)))  # it is still April in UTC


def test_the_day_is_that_of_the_clock_in_utc(world: World) -> None:
    world.clock.at = LATE
    with pytest.raises(TestsFailedError, match="its quarantine ended on 2031-04-30"):
        judged(world, FAILS, expires="2031-04-30")


def test_it_holds_on_the_day_before_it_ends(world: World) -> None:
    world.clock.at = LATE
    judged(world, FAILS, expires="2031-05-01")
    assert ("tested", "r3") in world.facts("r3")


@pytest.mark.parametrize(
    ("script", "name", "error", "said"),
    [
        (FAILS, "other", TestsFailedError, "t.other failed"),
        (FAILS.replace("exit 1", "exit 0"), "other", TestsFailedError, "t.other failed"),
        ("echo 1 failed; exit 1", "flaky", ReportUnreadableError, "left no report"),
        ("true", "flaky", ReportUnreadableError, "left no report"),
        ("mkdir -p out/r.xml; exit 1", "flaky", ReportUnreadableError, "left no report"),
        ("mkdir out; ln -s $0 out/r.xml; exit 1", "flaky", ReportUnreadableError, "left no report"),
        ("ln -s $(dirname $0) out; cp $0 out/r.xml; exit 1", "flaky", ReportUnreadableError, "left no report"),
        ("mkdir out; echo broken > out/r.xml; exit 1", "flaky", ReportUnreadableError, "no JUnit XML"),
        ("mkdir out; truncate -s 17M out/r.xml; exit 1", "flaky", ReportUnreadableError, "larger than 16 MiB"),
        (FAILS.replace("exit 1", "exit 2"), "flaky", GuestFailedError, "exit code 2"),
        ("mkdir out; cp $0 out/r.xml; kill -9 $$", "flaky", GuestFailedError, "SIGKILL"),
    ],
)
def test_what_no_report_explains_stops_the_release(
    world: World, script: str, name: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        judged(world, script, name=name)
    assert ("tested", "r3") not in world.facts("r3")


def test_the_message_ends_with_what_the_check_said(world: World) -> None:
    with pytest.raises(TestsFailedError, match=r"'a' does not pass:\n  t\.other failed\n +1 failed") as failed:
        judged(world, FAILS, name="other")
    assert "check.log" in str(failed.value.hint)


def test_a_report_that_was_committed_is_not_believed(world: World) -> None:
    text = SUITE.format(name="flaky").replace("'", "")
    product = PRODUCT.replace(
        ONE,
        f"checks: [{{name: a, command: ['false'], report: r.xml, quarantine: [{HELD.format(expires='2100-01-01')}]}}]",
    )
    commit = world.commit("v3", product=product)
    world.source.commits[commit]["r.xml"] = text
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        with pytest.raises(ReportUnreadableError, match="left no report"):
            run_checks.fn(leg, this, artifact)


def test_a_report_below_a_committed_link_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "r.xml").write_text("precious")
    (tmp_path / "export" / "out").symlink_to(tmp_path / "else")
    check = Check(name="a", command=("touch", str(tmp_path / "ran")), report="out/r.xml")
    with pytest.raises(ReportUnreadableError, match="leads out of the export"):
        run_check(check, "artifact", tmp_path / "export", tmp_path, {}, today=date(2026, 11, 23))
    assert (tmp_path / "else" / "r.xml").read_text() == "precious"
    assert not (tmp_path / "ran").exists()


def kept(world: World, digest: str) -> bytes:
    return world.tools.evidence.bytes_of(digest)


def test_what_a_check_printed_and_reported_is_kept_without_secrets_and_the_log_stays(world: World) -> None:
    suite = f'<testsuite tests=\\"1\\"><testcase classname=\\"t\\" name=\\"{SECRET}\\"/></testsuite>'
    checked(world, f"{{name: a, report: r.xml, command: [sh, -c, \"echo is {SECRET}; echo '{suite}' > r.xml\"]}}")
    (check,) = world.last("tested", "r3").fact["checks"]
    assert kept(world, check["log"]) == b"is ***\n"
    assert b'name="***"' in kept(world, check["report"])
    assert (world.tools.work / "r3" / "check-a" / "check.log").read_text() == f"is {SECRET}\n"


COBERTURA = '<coverage lines-valid=\\"8\\" lines-covered=\\"7\\"/>'


def covered(world: World, script: str) -> None:
    checked(world, f'{{name: a, coverage: out/c.xml, command: [sh, -c, "mkdir -p out; {script}"]}}')


def test_coverage_is_a_fact_of_the_build_and_its_report_is_kept(world: World) -> None:
    covered(world, f"echo '{COBERTURA}' > out/c.xml")
    (check,) = world.last("tested", "r3").fact["checks"]
    report = check["coverage"].pop("report")
    assert check["coverage"] == {"lines": {"covered": 7, "valid": 8}, "permille": 875}
    assert kept(world, report).startswith(b"<coverage")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("true", "left no such file"),
        ("mkdir out/c.xml", "left no such file"),
        ("ln -s /etc/hostname out/c.xml", "left no such file"),
        ("echo broken > out/c.xml", "no XML"),
        ("truncate -s 17M out/c.xml", "larger than 16 MiB"),
    ],
)
def test_a_check_that_leaves_no_coverage_as_it_promised_stops_the_release(world: World, script: str, said: str) -> None:
    with pytest.raises(CoverageUnreadableError, match=said) as wrong:
        covered(world, script)
    assert wrong.value.file == "out/c.xml"
    assert ("tested", "r3") not in world.facts("r3")


def test_coverage_that_was_committed_is_not_believed(world: World) -> None:
    commit = world.commit("v3", product=PRODUCT.replace(ONE, "checks: [{name: a, command: ['true'], coverage: c.xml}]"))
    world.source.commits[commit]["c.xml"] = '<coverage lines-valid="1" lines-covered="1"/>'
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        with pytest.raises(CoverageUnreadableError, match="left no such file"):
            run_checks.fn(leg, this, artifact)
