"""Orderdesk, the sandbox's real product, scanned as its releases scan it: nothing of it is refused, and what is not
known is not called clean.
"""

import json
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from stationmaster.blocks import scanners
from stationmaster.blocks.scan_given import Given, Subject
from stationmaster.blocks.source import GitRepository
from stationmaster.deployments.sandbox import orderdesk
from stationmaster.deployments.sandbox.orderdesk import RELEASES
from stationmaster.domain.artifact import Artifact
from stationmaster.tasks.build import _measure
from tests.built import dist_info, installed
from tests.deployments.orderdesk_versions import Version, export
from tests.fakes import FakeClock


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> GitRepository:
    path = tmp_path_factory.mktemp("orderdesk") / "repository"
    orderdesk.create(path)
    return GitRepository(url=str(path), mirror=str(path.parent / "mirror"))


def given(source: GitRepository, version: Version, measured: Artifact, since: str, until: str) -> Given:
    commit = source.resolve(until)
    subject = Subject("orderdesk", commit.version, measured.digest, commit.at)
    added = source.additions((since,), until)
    return Given(subject, version.artifact, version.folder, added, version.product.scans, FakeClock().now())


@pytest.mark.parametrize(("before", "after"), list(pairwise(RELEASES)), ids=lambda one: one.tag)
def test_each_release_passes(
    source: GitRepository, tmp_path: Path, before: orderdesk.Release, after: orderdesk.Release
) -> None:
    source.resolve("main")
    version = export(Path(source.url), after.tag, tmp_path)
    asked = given(source, version, _measure(version.artifact), before.commit, after.commit)
    answers = scanners.scan(asked)
    assert [answer.error for answer in answers.values()] == [None, None, None]
    assert answers["secrets"].fact["lines"] == sum(map(len, asked.added.values())) > 0
    assert answers["sbom"].fact["from"] == "file"
    assert answers["vulnerabilities"].fact["result"] == "not scanned: no advisory database"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(answers["sbom"].report.decode()) is None
    assert scanners.scan(asked)["sbom"].report == answers["sbom"].report


def test_with_its_packages_inside_the_real_zipapp_names_them(source: GitRepository, tmp_path: Path) -> None:
    version = export(Path(source.url), RELEASES[-1].tag, tmp_path)
    with zipfile.ZipFile(version.artifact, "a") as archive:  # as a shiv holds what it needs
        for path, content in {**installed("starlette"), **dist_info("Alpha", "1.0")}.items():
            archive.writestr(path, content)
    asked = given(source, version, _measure(version.artifact), RELEASES[-2].commit, RELEASES[-1].commit)
    names = [one["name"] for one in json.loads(scanners.scan(asked)["sbom"].report)["components"]]
    assert names == ["alpha", "starlette"]
