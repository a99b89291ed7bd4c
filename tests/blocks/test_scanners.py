"""The three scans together: which parts are known from where, what is said of those that could not be looked up, and
what refuses.
"""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks import scanners
from stationmaster.blocks.scan_given import Answer, Given, Subject
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.scans import (
    AdvisoriesStaleError,
    Ignored,
    NotLookedUpError,
    SbomUnusableError,
    Scans,
    SecretsFoundError,
    Vulnerabilities,
    VulnerabilitiesFoundError,
)
from tests.advisories import HIGH, osv, write_zip
from tests.blocks.test_scan_secrets import LINE
from tests.built import dist_info, tarred, zipped
from tests.fakes import FakeClock

NOW = FakeClock().now()  # a day after the records of the database
TWO = zipped({**dist_info("alpha", "1.0"), **dist_info("beta", "1.0")})
RECORDS = {"1.json": osv("PYSEC-1", "alpha", severity=HIGH), "2.json": osv("X-2", "gamma")}


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """An artifact of two parts, a change of one line, and no rules."""
    (tmp_path / "artifact").write_bytes(TWO)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "f").write_text("x = 1\n")
    subject = Subject("shop", "1.2.0", f"sha256:{'a' * 64}", 1_700_000_000)
    return Given(subject, tmp_path / "artifact", tmp_path / "tree", {"f": frozenset({1})}, Scans(), NOW)


def with_database(given: Given, records: dict[str, str] | None = None, **rules: Any) -> Given:
    place = write_zip(given.tree.parent / "osv.zip", RECORDS if records is None else records)
    return replace(given, scans=Scans(vulnerabilities=Vulnerabilities(database=str(place), **rules)))


def parts(given: Given) -> tuple[str, list[str], dict[str, Any]]:
    answer = scanners.scan(given)["sbom"]
    return answer.fact["from"], [one["name"] for one in json.loads(answer.report)["components"]], answer.fact


def looked_up(given: Given) -> tuple[Answer, type[StationmasterError] | None]:
    answer = scanners.scan(given)["vulnerabilities"]
    return answer, type(answer.error) if answer.error else None


# What the parts are known from


def test_an_artifact_that_names_its_parts_is_believed_over_lock_files(given: Given) -> None:
    (given.tree / "uv.lock").write_text('[[package]]\nname = "dev-only"\nversion = "1"\n')
    source, names, fact = parts(given)
    assert (source, names, fact["result"]) == ("artifact", ["alpha", "beta"], "2 parts")


def test_a_package_that_names_only_itself_is_joined_by_what_is_locked(given: Given) -> None:
    assert given.artifact is not None
    given.artifact.write_bytes(zipped(dist_info("shop", "1.2.0")))
    (given.tree / "sub").mkdir()
    (given.tree / "sub" / "requirements.txt").write_text("gamma==3\n")
    source, names, _ = parts(given)
    assert (source, names) == ("artifact and lock files", ["gamma", "shop"])


def test_lock_files_tell_when_nothing_else_does_and_installed_trees_are_none(given: Given) -> None:
    for folder in ("node_modules/x", "web"):
        (given.tree / folder).mkdir(parents=True)
        lock = {"packages": {"node_modules/left-pad": {"version": "1.0.0"}}}
        (given.tree / folder / "package-lock.json").write_text(json.dumps(lock))
    (given.tree / "poetry.lock").write_text("broken")
    (given.tree / "uv.lock").symlink_to("poetry.lock")
    source, names, fact = parts(replace(given, artifact=None))
    assert (source, names, fact["incomplete"]) == ("lock files", ["left-pad"], ["poetry.lock cannot be read"])


@pytest.mark.parametrize("content", [b"\x7fELF", zipped({"main.py": b"x"}), b""])
def test_a_file_of_which_nothing_is_known_is_its_own_only_part(given: Given, content: bytes) -> None:
    assert given.artifact is not None
    given.artifact.write_bytes(content)
    source, names, fact = parts(given)
    assert (source, names, fact["result"], fact["parts"]) == ("file", ["shop-artifact"], "no part named", 0)


def test_what_the_build_says_itself_is_kept_byte_for_byte(given: Given) -> None:
    own = b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "library", "name": "z"}]}\n'
    answers = scanners.scan(replace(given, scans=Scans(sbom="dist/sbom.json"), sbom=own))
    assert answers["sbom"].report == own
    assert (answers["sbom"].fact["from"], answers["sbom"].fact["parts"]) == ("build", 1)


def test_an_sbom_that_is_promised_and_missing_is_an_error(given: Given) -> None:
    with pytest.raises(SbomUnusableError, match="left no SBOM"):
        scanners.scan(replace(given, scans=Scans(sbom="dist/sbom.json")))


def test_the_same_file_gives_the_same_reports(given: Given) -> None:
    """A minute later too: what was killed and is made again is kept once."""
    given = with_database(given)
    later = replace(given, now=NOW + timedelta(minutes=1))
    one, other = scanners.scan(given), scanners.scan(later)
    assert [answer.report for answer in one.values()] == [answer.report for answer in other.values()]
    assert one["vulnerabilities"].fact != other["vulnerabilities"].fact


# Vulnerabilities


def test_without_a_database_nothing_is_called_clean(given: Given) -> None:
    answer, error = looked_up(given)
    assert (answer.fact, error) == ({"result": "not scanned: no advisory database", "database": None}, None)
    assert [row["part"] for row in json.loads(answer.report)["unmatched"]] == ["alpha", "beta"]
    required = replace(given, scans=Scans(vulnerabilities=Vulnerabilities(required=True)))
    assert looked_up(required)[1] is NotLookedUpError


def test_what_is_found_refuses_with_the_version_that_mends_it(given: Given) -> None:
    answer, error = looked_up(with_database(given))
    assert error is VulnerabilitiesFoundError
    assert "alpha 1.0: PYSEC-1 (high), fixed in 2.0.0" in str(answer.error)
    assert answer.fact["result"] == "1 known"
    assert answer.fact["found"] == [
        {"part": "alpha", "version": "1.0", "ids": ["PYSEC-1"], "severity": "high", "fixed": ["2.0.0"], "ignored": None}
    ]


def test_below_the_limit_it_is_told_and_refuses_nothing(given: Given) -> None:
    answer, error = looked_up(with_database(given, fail_on="critical"))
    assert (error, answer.fact["result"], len(answer.fact["found"])) == (None, "1 known", 1)


@pytest.mark.parametrize(
    ("days", "error"), [(1, None), (0, VulnerabilitiesFoundError), (-1, VulnerabilitiesFoundError)]
)
def test_an_ignored_one_is_told_with_its_reason_until_its_day(given: Given, days: int, error: object) -> None:
    until = NOW.date() + timedelta(days=days)
    answer, refused = looked_up(with_database(given, ignore=(Ignored(id="PYSEC-1", reason="unused", until=until),)))
    assert refused is error
    assert answer.fact["found"][0]["ignored"] == (None if error else {"reason": "unused", "until": str(until)})


def test_clean_is_what_was_looked_up_to_the_last_part(given: Given) -> None:
    answer, error = looked_up(with_database(given, {"1.json": osv("X-1", "gamma")}, required=True))
    assert (answer.fact["result"], answer.fact["unmatched"], error) == ("clean", 0, None)
    assert answer.fact["database"] == {
        "digest": answer.fact["database"]["digest"], "records": 1, "newest": "2026-11-22T00:00:00Z", "age": 115200,
        "ecosystems": ["PyPI"],
    }  # fmt: skip


def test_a_database_of_another_ecosystem_says_nothing(given: Given) -> None:
    """A change to the mirror that loses an ecosystem must not look like a clean release."""
    given = with_database(given, {"1.json": osv("X-1", "x", ecosystem="npm")})
    answer, error = looked_up(given)
    assert (answer.fact["result"], answer.fact["unmatched"], error) == (
        "not scanned: no part could be looked up",
        2,
        None,
    )
    rules = given.scans.vulnerabilities.model_copy(update={"required": True})
    assert looked_up(replace(given, scans=Scans(vulnerabilities=rules)))[1] is NotLookedUpError


def test_parts_that_cannot_be_looked_up_are_counted_and_named(given: Given) -> None:
    assert given.artifact is not None
    odd = {**dist_info("odd", "2004d"), "node_modules/a/package.json": b'{"name": "a", "version": "1.0.0"}'}
    given.artifact.write_bytes(zipped({**dist_info("beta", "1.0"), **odd}))
    answer, error = looked_up(with_database(given))
    assert (answer.fact["result"], error) == ("none known, 2 of 3 parts not looked up", None)
    answer, error = looked_up(with_database(given, required=True))
    assert error is NotLookedUpError
    assert "2 could not be looked up (a 1.0.0, odd 2004d)" in str(answer.error)


def test_an_odd_version_of_what_has_an_advisory_counts_as_affected(given: Given) -> None:
    assert given.artifact is not None
    given.artifact.write_bytes(zipped({**dist_info("alpha", "2004d"), "main.py": b""}))
    answer, error = looked_up(with_database(given))
    assert (answer.fact["result"], error) == ("1 known, 1 of 1 parts not looked up", VulnerabilitiesFoundError)


def test_an_artifact_that_was_not_read_to_its_end_is_never_clean(given: Given) -> None:
    assert given.artifact is not None
    whole = tarred({**dist_info("beta", "1.0"), **dist_info("gone", "1.0"), "noise": bytes(range(256)) * 99}, "w:gz")
    given.artifact.write_bytes(whole[:-200])
    harmless = {"1.json": osv("X-1", "gamma")}
    answer, error = looked_up(with_database(given, harmless))
    assert (answer.fact["result"], error) == ("none known, parts may be missing", None)
    assert looked_up(with_database(given, harmless, required=True))[1] is NotLookedUpError


OPEN = "benign==1.0\nrequests>=2\nflask\n-r more.txt\nevil @ https://x/evil.whl\n"
SAID = [
    "requirements.txt pins no version with == in lines 2, 3, 5",
    "requirements.txt asks for more.txt, which is not read",
]


def test_what_lock_files_leave_open_is_never_clean(given: Given) -> None:
    (given.tree / "requirements.txt").write_text(OPEN)
    given = replace(given, artifact=None)
    assert parts(given)[1:] == (["benign"], {**parts(given)[2], "incomplete": SAID})
    answer, error = looked_up(with_database(given))
    assert (answer.fact["result"], error) == ("none known, parts may be missing", None)
    answer, error = looked_up(with_database(given, required=True))
    assert error is NotLookedUpError
    assert all(reason in str(answer.error) for reason in SAID)


def test_a_lock_file_that_another_asks_for_is_read(given: Given) -> None:
    (given.tree / "requirements-dev.txt").write_text("\N{ZERO WIDTH NO-BREAK SPACE}a==1\n-r requirements.txt\n")
    (given.tree / "requirements.txt").write_text("b==2\n")
    source, names, fact = parts(replace(given, artifact=None))
    assert (source, names, fact["incomplete"]) == ("lock files", ["a", "b"], [])


@pytest.mark.parametrize(
    ("name", "text"),
    [("package-lock.json", "[]"), ("package-lock.json", '{"packages": []}'), ("uv.lock", "package = 3")],
)
def test_a_lock_file_of_another_form_is_never_clean(given: Given, name: str, text: str) -> None:
    assert given.artifact is not None
    given.artifact.write_bytes(zipped(dist_info("beta", "1.0")))
    (given.tree / name).write_text(text)
    answer, error = looked_up(with_database(given))
    assert (answer.fact["result"], error) == ("none known, parts may be missing", None)
    assert looked_up(with_database(given, required=True))[1] is NotLookedUpError


def test_an_image_with_a_layer_that_is_not_read_is_never_clean(given: Given) -> None:
    assert given.artifact is not None
    layer = {f"blobs/sha256/{'b' * 64}": b"\x28\xb5\x2f\xfd" + bytes(99), "wheels/broken.whl": b"no zip"}
    given.artifact.write_bytes(tarred({**dist_info("benign", "1.0"), **layer}))
    answer, _ = looked_up(with_database(given))
    assert answer.fact["result"] == "none known, parts may be missing"
    assert len(parts(given)[2]["incomplete"]) == 2
    assert looked_up(with_database(given, required=True))[1] is NotLookedUpError


def test_an_opaque_file_is_not_called_clean(given: Given) -> None:
    assert given.artifact is not None
    given.artifact.write_bytes(b"\x7fELF")
    answer, error = looked_up(with_database(given))
    assert (answer.fact["result"], error) == ("not scanned: no part could be looked up", None)
    answer, error = looked_up(with_database(given, required=True))
    assert error is NotLookedUpError
    assert "nothing names the artifact's parts" in str(answer.error)


def test_an_old_database_refuses_or_is_told(given: Given) -> None:
    harmless = {"1.json": osv("X-1", "gamma", modified="2026-11-01T08:00:00Z")}
    answer, error = looked_up(with_database(given, harmless))
    assert error is AdvisoriesStaleError
    assert "is 528 h old, 168 h are allowed" in str(answer.error)
    answer, error = looked_up(with_database(given, harmless, stale="warn"))
    assert (error, answer.fact["database"]["age"]) == (None, 22 * 86_400)
    assert looked_up(with_database(given, harmless, max_age=22 * 86_400))[1] is None


def test_a_database_is_as_old_as_the_ecosystem_that_is_needed(given: Given) -> None:
    """A mirror that goes on for npm alone says nothing new of PyPI."""
    old = osv("X-1", "gamma", modified="2026-11-01T08:00:00Z")
    records = {"1.json": old, "2.json": osv("X-2", "x", ecosystem="npm")}
    answer, error = looked_up(with_database(given, records))
    assert (error, answer.fact["database"]["newest"]) == (AdvisoriesStaleError, "2026-11-01T08:00:00Z")
    assert looked_up(with_database(given, {**records, "3.json": osv("X-3", "gamma")}))[1] is None


def test_what_is_found_in_an_old_database_is_told_first(given: Given) -> None:
    records = {"1.json": osv("X-1", "alpha", modified="2020-01-01T00:00:00Z")}
    assert looked_up(with_database(given, records))[1] is VulnerabilitiesFoundError


def test_a_record_from_the_future_makes_no_negative_age(given: Given) -> None:
    answer, error = looked_up(with_database(given, {"1.json": osv("X-1", "gamma", modified="2030-01-01T00:00:00Z")}))
    assert (answer.fact["database"]["age"], error) == (0, None)


def test_every_scan_answers_although_another_refuses(given: Given) -> None:
    (given.tree / "f").write_text(LINE)
    answers = scanners.scan(with_database(given))
    assert isinstance(answers["secrets"].error, SecretsFoundError)
    assert isinstance(answers["vulnerabilities"].error, VulnerabilitiesFoundError)
    assert answers["sbom"].error is None
    assert date.fromisoformat(answers["vulnerabilities"].fact["database"]["newest"][:10]) == date(2026, 11, 22)
