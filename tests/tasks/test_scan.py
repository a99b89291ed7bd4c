"""The act `scan`: every report is kept before the fact names it, once; what refuses is not recorded."""

import json
from pathlib import Path
from typing import Any

import pytest

from stationmaster.domain.entries import Draft, digest
from stationmaster.domain.errors import InputError
from stationmaster.domain.scans import (
    BaselineUnreadableError,
    NotLookedUpError,
    SbomUnusableError,
    SecretsFoundError,
    VulnerabilitiesFoundError,
)
from stationmaster.domain.story import sentence
from stationmaster.tasks.build import build
from stationmaster.tasks.checks import run_checks
from stationmaster.tasks.cut import cut
from stationmaster.tasks.scan import scan
from tests.advisories import osv, write_zip
from tests.blocks.test_scan_secrets import AWS, LINE
from tests.shop import PRODUCT
from tests.tasks.test_build import built_by
from tests.world import Killed, World

LOCKED = {"requirements.txt": "alpha==1.0\n"}


def rules(world: World, *records: str, more: str = "") -> str:
    """A database of these records, and what `scans` says of it."""
    place = write_zip(world.root / "osv.zip", {f"{number}.json": one for number, one in enumerate(records)})
    return f"scans: {{vulnerabilities: {{database: {place}{more}}}}}\n"


def scanned(world: World, release: str = "r2", ref: str = "v2") -> None:
    with world.leg(release, ref) as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        run_checks.fn(leg, this, artifact)
        scan.fn(leg, this, artifact)


def commit(world: World, version: str, product: str = PRODUCT, **files: str) -> None:
    made = world.commit(version, product=product)
    world.source.commits[made].update(files)


def cut_lines(world: World, release: str) -> int:
    """Lines of `settings.py` that the release adds."""
    fact = world.last("cut", release).fact
    return len(world.source.additions(tuple(fact["previous"]), fact["commit"])["settings.py"])


def kept(world: World) -> set[str]:
    """Digests of what the evidence holds."""
    return {f"sha256:{path.name}" for path in Path(world.tools.evidence.root).glob("sha256/*/*")}


def test_each_report_is_what_its_digest_says(world: World) -> None:
    scanned(world)
    fact = world.last("scanned").fact
    assert {name: fact[name]["result"] for name in fact} == {
        "sbom": "no part named", "vulnerabilities": "not scanned: no advisory database", "secrets": "clean",
    }  # fmt: skip
    for one in fact.values():
        content = world.tools.evidence.bytes_of(one["digest"])
        assert digest(content) == one["digest"]
        assert json.loads(content)
    assert sentence(world.last("scanned")) == (
        "scanned: sbom no part named, vulnerabilities not scanned: no advisory database, secrets clean"
    )


def test_the_sbom_is_about_the_artifact_that_was_built(world: World) -> None:
    scanned(world)
    document = json.loads(world.tools.evidence.bytes_of(world.last("scanned").fact["sbom"]["digest"]))
    about = document["metadata"]["component"]
    assert (about["name"], about["version"]) == ("shop", "2")
    assert f"sha256:{about['hashes'][0]['content']}" == world.last("built").fact["digest"]


def test_a_second_leg_reads_the_answer_and_scans_nothing(world: World) -> None:
    scanned(world)
    before, files = world.ledger.entries("r2"), kept(world)
    world.power.trap = lambda _when, call, _arguments: call in {"source.export", "source.additions"}
    scanned(world)
    assert [entry for entry in world.ledger.entries("r2")[len(before) :] if entry.step == "scanned"] == []
    assert kept(world) == files


@pytest.mark.parametrize(
    ("when", "call"),
    [
        ("before", "artifacts.beside"),
        ("after", "artifacts.beside"),
        ("before", "ledger.append"),
        ("after", "ledger.append"),
    ],
)
def test_killed_anywhere_there_is_one_file_and_one_fact(world: World, when: str, call: str) -> None:
    """Between keeping and recording above all: what is made again is the same bytes."""
    commit(world, "v3", PRODUCT + rules(world, osv("X-1", "gamma")), **LOCKED)
    with world.leg("r3", "v3") as leg:
        this = cut.fn(leg)
        artifact = build.fn(leg, this)
        run_checks.fn(leg, this, artifact)
        before = kept(world)
        world.power.trap = lambda at, called, _arguments: (at, called) == (when, call)
        with pytest.raises(Killed):
            scan.fn(leg, this, artifact)
        world.power.on()
    assert len(kept(world) - before) == (3 if call == "ledger.append" else 0)
    world.clock.sleep(31)
    scanned(world, "r3", "v3")
    assert [step for step, _ in world.steps("r3")].count("scanned") == 1
    assert kept(world) - before == {one["digest"] for one in world.last("scanned", "r3").fact.values()}


def test_a_secret_in_the_change_stops_the_release_and_stays_out_of_everything(world: World) -> None:
    commit(world, "v3", **{"settings.py": f"x = 1\n{LINE}"})
    with pytest.raises(SecretsFoundError, match=r"settings\.py:2 AWS Access Key") as refused:
        scanned(world, "r3", "v3")
    assert ("scanned", "r3") not in world.facts("r3")
    everything = "".join(str(entry) for entry in world.ledger.entries("r3"))
    stored = b"".join(world.tools.evidence.bytes_of(one) for one in kept(world))
    assert AWS not in f"{refused.value} {refused.value.hint} {everything}"
    assert AWS.encode() not in stored


def test_a_secret_that_runs_already_is_not_of_this_change(world: World) -> None:
    commit(world, "v3", **{"settings.py": LINE})
    fact = {"version": "3", "digest": f"sha256:{'a' * 64}", "commit": world.source.refs["v3"]}
    for tenant in ("acme", "birch", "cedar"):
        draft = Draft(release="install", step="adopted", subject=tenant, inputs=fact, fact=fact)
        world.ledger.append(draft, world.clock.now())
    commit(world, "v4", **{"settings.py": f"# moved down\n{LINE}"})
    scanned(world, "r4", "v4")
    assert world.last("scanned", "r4").fact["secrets"]["result"] == "clean"
    assert cut_lines(world, "r4") == 1


def test_what_the_product_allows_is_counted(world: World) -> None:
    commit(world, "v3", **{"settings.py": f"{LINE.rstrip()}  # pragma: allowlist secret\n"})
    scanned(world, "r3", "v3")
    assert world.last("scanned", "r3").fact["secrets"]["commented"] == 1


def test_a_baseline_that_is_none_is_an_error(world: World) -> None:
    commit(world, "v3", **{".secrets.baseline": "broken"})
    with pytest.raises(BaselineUnreadableError):
        scanned(world, "r3", "v3")


# Vulnerabilities


def test_a_vulnerable_part_stops_the_release_until_somebody_says_why_it_may_wait(world: World) -> None:
    commit(world, "v3", PRODUCT + rules(world, osv("PYSEC-1", "alpha")), **LOCKED)
    with pytest.raises(VulnerabilitiesFoundError, match=r"alpha 1\.0: PYSEC-1 \(unrated\)"):
        scanned(world, "r3", "v3")
    ignore = ", ignore: [{id: PYSEC-1, reason: never called, until: 2027-01-01}]"
    commit(world, "v4", PRODUCT + rules(world, osv("PYSEC-1", "alpha"), more=ignore), **LOCKED)
    scanned(world, "r4", "v4")
    fact = world.last("scanned", "r4").fact["vulnerabilities"]
    assert fact["found"][0]["ignored"] == {"reason": "never called", "until": "2027-01-01"}
    assert fact["database"]["records"] == 1


def test_a_database_that_is_renewed_meanwhile_does_not_stop_a_release_under_way(world: World) -> None:
    commit(world, "v3", PRODUCT + rules(world, osv("X-1", "gamma")), **LOCKED)
    scanned(world, "r3", "v3")
    rules(world, osv("X-2", "alpha"))
    scanned(world, "r3", "v3")
    assert [step for step, _ in world.steps("r3")].count("scanned") == 1


def test_what_is_required_and_cannot_be_done_stops_the_release(world: World) -> None:
    commit(world, "v3", PRODUCT + "scans: {vulnerabilities: {required: true}}\n")
    with pytest.raises(NotLookedUpError, match="no advisory database"):
        scanned(world, "r3", "v3")


# What the build says itself

OWN = '{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "library", "name": "z"}]}'
ASKED = "scans: {sbom: dist/sbom.json}\n"


def leaving(sbom: str) -> str:
    return built_by(f"[sh, -c, 'mkdir dist; cp app.json dist/shop; {sbom}']") + ASKED


def test_the_sbom_that_the_build_leaves_is_kept_with_the_build(world: World) -> None:
    """Also where the export is gone, as on another machine."""
    commit(world, "v3", leaving("cp own.json dist/sbom.json"), **{"own.json": OWN})
    with world.leg("r3", "v3") as leg:
        build.fn(leg, cut.fn(leg))
        leg.export("build", world.source.refs["v2"])
    scanned(world, "r3", "v3")
    fact = world.last("scanned", "r3").fact["sbom"]
    assert (fact["from"], fact["result"]) == ("build", "1 part")
    assert fact["digest"] == world.last("built", "r3").fact["sbom"]
    assert world.tools.evidence.bytes_of(fact["digest"]).decode() == OWN


@pytest.mark.parametrize(
    ("sbom", "error", "said"),
    [
        ("true", InputError, "left no file dist/sbom.json"),
        ("ln -s /etc/passwd dist/sbom.json", InputError, "left no file"),
        ("truncate -s 33M dist/sbom.json", SbomUnusableError, "larger than 32 MiB"),
        ("echo hello > dist/sbom.json", SbomUnusableError, "no CycloneDX JSON"),
    ],
)
def test_one_that_cannot_be_used_stops_the_release(world: World, sbom: str, error: type[Exception], said: str) -> None:
    commit(world, "v3", leaving(sbom))
    with pytest.raises(error, match=said) as refused:
        scanned(world, "r3", "v3")
    hint: Any = getattr(refused.value, "hint", None)
    assert error is SbomUnusableError or "scans.sbom must name" in hint
