"""Which versions an OSV record is about: against the order of PEP 440 and of Semantic Versioning, and in garbage."""

from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from stationmaster.domain.scan_advisories import (
    UNRATED,
    Found,
    can_be_looked_up,
    found_in,
    joined,
    refusing,
    severity,
    spelled,
    worst,
)
from stationmaster.domain.scan_parts import Part
from stationmaster.domain.scans import Ignored, Vulnerabilities

TODAY = date(2026, 11, 30)
HIGH3 = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}  # 7.5
CRITICAL4 = {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}
LOW3 = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}
MEDIUM2 = {"type": "CVSS_V2", "score": "AV:N/AC:M/Au:N/C:N/I:P/A:N"}


def record(*events: dict[str, str], ecosystem: str = "PyPI", name: str = "a", **more: Any) -> dict[str, Any]:
    kind = "SEMVER" if ecosystem == "npm" else "ECOSYSTEM"
    affected = {"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": kind, "events": list(events)}]}
    return {"id": "X-1", "modified": "2026-11-01T00:00:00Z", "affected": [affected], **more}


def affects(version: str, *events: dict[str, str], kind: str = "pypi") -> bool:
    system = "npm" if kind == "npm" else "PyPI"
    return found_in(record(*events, ecosystem=system), Part(kind, "a", version)) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("version", "hit"),
    [
        ("1.0", False), ("1.1", True), ("1.1.post1", True), ("1.9", True), ("2.0rc1", True), ("2.0", False),
        ("2", False), ("3.0", True), ("3.5", True), ("3.5.1", False), ("1.1+cu118", True), ("3.5+local", True),
        ("1!1.1", False),
    ],
)  # fmt: skip
def test_a_version_is_where_its_events_put_it(version: str, hit: bool) -> None:  # noqa: FBT001
    later = [{"introduced": "3.0"}, {"last_affected": "3.5"}]
    assert affects(version, {"fixed": "2.0"}, *later, {"introduced": "1.1"}) is hit


@pytest.mark.parametrize(
    ("version", "hit"),
    [("0.0.1-alpha", True), ("1.9.9", True), ("2.0.0-rc.1", True), ("2.0.0", False), ("2.0.0+b", False)],
)
def test_npm_has_the_order_of_semver(version: str, hit: bool) -> None:  # noqa: FBT001
    assert affects(version, {"introduced": "0"}, {"fixed": "2.0.0"}, kind="npm") is hit


def test_a_range_without_an_end_holds_everything_after_and_one_without_a_start_nothing() -> None:
    assert affects("9", {"introduced": "0"})
    assert not affects("9", {"fixed": "10"})


RELEASES = st.lists(st.integers(0, 12), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
SUFFIXES = st.sampled_from(["", "", "a1", "b2", "rc1", ".post1", ".dev3"])
VERSIONS = st.tuples(RELEASES, SUFFIXES).map("".join)


def after(version: str, low: str) -> bool:
    """OSV's "0" lies before every version, also before 0a1."""
    return low == "0" or Version(low) <= Version(version)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_a_range_is_what_the_order_of_packaging_says(version: str, first: str, second: str) -> None:
    low, high = sorted([first, second], key=Version)
    inside = affects(version, {"introduced": low}, {"fixed": high})
    assert inside is (after(version, low) and Version(version) < Version(high))
    reaching = affects(version, {"last_affected": high}, {"introduced": low})
    assert reaching is (after(version, low) and Version(version) <= Version(high))


@given(VERSIONS, RELEASES, RELEASES)
def test_a_range_is_what_a_specifier_of_pip_takes(version: str, first: str, second: str) -> None:
    """Those before a fix aside: pip takes 2.0rc1 for no version below 2.0, and OSV for one."""
    low, high = sorted([first, second], key=Version)
    assume(low != "0" and not Version(version).is_prerelease)
    taken = SpecifierSet(f">={low},<{high}").contains(version)
    assert affects(version, {"introduced": low}, {"fixed": high}) is taken


@given(st.lists(st.tuples(st.sampled_from(["introduced", "fixed", "last_affected"]), RELEASES), max_size=6), RELEASES)
def test_the_order_in_which_events_are_written_does_not_matter(events: list[tuple[str, str]], version: str) -> None:
    rows = [{kind: text} for kind, text in events]
    assert affects(version, *rows) is affects(version, *reversed(rows))


@pytest.mark.parametrize(
    ("spelling", "version", "hit"),
    [
        ("1.0", "1.0", True),
        ("1.0.0", "1.0", True),
        ("1.1", "1.0", False),
        ("2004d", "2004d", True),
        ("2004e", "2004d", False),
    ],
)
def test_a_listed_version_is_affected_however_it_is_written(spelling: str, version: str, hit: bool) -> None:  # noqa: FBT001
    about = record()
    about["affected"] = [{"package": {"ecosystem": "PyPI", "name": "A"}, "versions": [spelling]}]
    assert (found_in(about, Part("pypi", "a", version)) is not None) is hit


def test_what_cannot_be_read_rules_nothing_out() -> None:
    assert affects("1.0", {"introduced": "0"}, {"fixed": "the next one"})
    assert affects("2004d", {"introduced": "0"}, {"fixed": "1.0"})
    assert affects("1.0", {"introduced": "0"}, {"fixed": "2.0.0"}, kind="npm")


def test_commits_are_no_versions_and_what_was_withdrawn_is_nothing() -> None:
    about = record({"introduced": "0"})
    assert found_in({**about, "withdrawn": "2026-01-01T00:00:00Z"}, Part("pypi", "a", "1")) is None
    about["affected"][0]["ranges"][0]["type"] = "GIT"
    assert found_in(about, Part("pypi", "a", "1")) is None


@pytest.mark.parametrize(
    ("part", "hit"),
    [
        (Part("pypi", "zope-interface", "1"), True),
        (Part("npm", "zope-interface", "1.0.0"), False),
        (Part("pypi", "zope", "1"), False),
        (Part("other", "zope-interface", "1"), False),
    ],
)
def test_a_record_is_about_a_package_of_its_ecosystem(part: Part, hit: bool) -> None:  # noqa: FBT001
    about = record({"introduced": "0"}, name="Zope.Interface")
    assert (found_in(about, part) is not None) is hit


def test_only_packages_of_pypi_have_several_spellings() -> None:
    assert (spelled("A.b", "PyPI"), spelled("A.b", "npm")) == ("a-b", "A.b")


def test_what_mends_it_is_what_comes_after() -> None:
    events = [{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}, {"fixed": "2.10"}, {"fixed": "2.9"}]
    found = found_in(record(*events), Part("pypi", "a", "2.1"))
    assert found is not None
    assert found.fixed == ("2.9", "2.10")
    assert str(found) == "a 2.1: X-1 (unrated), fixed in 2.9, 2.10"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, UNRATED),
        ({"severity": [HIGH3]}, "high"),
        ({"severity": [LOW3]}, "low"),
        ({"severity": [MEDIUM2]}, "medium"),
        ({"severity": [LOW3, CRITICAL4]}, "critical"),
        ({"database_specific": {"severity": "MODERATE"}}, "medium"),
        ({"database_specific": {"severity": "LOW"}, "severity": [HIGH3]}, "high"),
        ({"database_specific": {"severity": "EXTREME"}}, UNRATED),
        ({"database_specific": {}}, UNRATED),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/garbage"}]}, UNRATED),
        ({"severity": [{"type": "CVSS_V4", "score": ""}]}, UNRATED),
        ({"severity": [{"type": "Ubuntu", "score": "high"}]}, UNRATED),
        ({"id": "MAL-2026-1"}, "critical"),
    ],
)
def test_how_bad_it_is(more: dict[str, Any], said: str) -> None:
    about = record({"introduced": "0"}, **more)
    assert severity(about, about["affected"]) == said


def test_a_rating_may_stand_beside_the_package() -> None:
    about = record({"introduced": "0"})
    about["affected"][0]["severity"] = [HIGH3]
    assert severity(about, about["affected"]) == "high"


A, B = Part("pypi", "a", "1"), Part("pypi", "b", "1")


def test_aliases_are_one_vulnerability_as_bad_as_the_worst_says() -> None:
    one = Found(A, ("PYSEC-1", "CVE-1"), UNRATED)
    two = Found(A, ("GHSA-1", "CVE-1"), "high", ("2",), "boom")
    three = Found(A, ("OTHER", "GHSA-1"), "low")
    other = Found(B, ("GHSA-1",), "low")
    assert joined([one, three, other, two]) == [
        Found(A, ("CVE-1", "GHSA-1", "OTHER", "PYSEC-1"), "high", ("2",), "boom"),
        other,
    ]


def test_what_refuses_is_as_bad_as_the_limit_or_unrated_and_not_ignored() -> None:
    every = [Found(A, (f"X-{word}",), word) for word in ("low", "medium", "high", "critical", UNRATED)]
    limit = Vulnerabilities(ignore=(Ignored(id="X-critical", reason="unused", until=date(2026, 12, 1)),))
    assert [one.severity for one in refusing(every, limit, TODAY)] == ["high", UNRATED]
    assert len(refusing(every, limit, date(2026, 12, 1))) == 3
    assert len(refusing(every, Vulnerabilities(fail_on="low"), TODAY)) == 5


def test_nothing_is_as_bad_as_nothing() -> None:
    assert worst([]) == worst([UNRATED, "extreme"]) == UNRATED
    assert worst(["low", UNRATED]) == "low"


@pytest.mark.parametrize(
    ("part", "can"),
    [
        (A, True), (Part("npm", "a", "1.0.0"), True), (Part("npm", "a", "1.0"), False),
        (Part("pypi", "a", "2004d"), False),
        (Part("other", "a", "1.0"), False),
    ],
)  # fmt: skip
def test_what_has_no_place_in_an_order_is_not_looked_up(part: Part, can: bool) -> None:  # noqa: FBT001
    assert can_be_looked_up(part) is can
