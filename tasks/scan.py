"""Scans: what the artifact is made of, which of it is known to be vulnerable, and whether the change adds secrets."""

from typing import Any

from stationmaster.blocks import scanners
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.policies import policy_for
from stationmaster.blocks.scan_given import Given, Subject
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.scans import Scans
from stationmaster.tasks import act


@act("scan", timeout=3600)
def scan(leg: Leg, cut: Cut, artifact: Artifact) -> None:
    """Every report lies in the evidence before the fact names it; what refuses the release is not recorded as scanned.

    The answer stands for the release: a database that is renewed while it waits stops the next one. Which data it was
    is in the fact.
    """
    inputs = {"digest": artifact.digest, "commit": cut.commit.commit}
    if leg.recorded("scanned", inputs):
        return
    answers = scanners.scan(_given(leg, cut, artifact))
    fact: dict[str, Any] = {
        name: {**one.fact, "digest": leg.tools.evidence.keep(one.report)} for name, one in answers.items()
    }
    for name in ("secrets", "vulnerabilities"):
        if error := answers[name].error:
            raise error
    leg.record("scanned", inputs, fact)


def _given(leg: Leg, cut: Cut, artifact: Artifact) -> Given:
    commit = cut.commit
    return Given(
        subject=Subject(cut.product.product, commit.version, artifact.digest, commit.at),
        artifact=leg.tools.artifacts.path(artifact.digest),
        tree=leg.export("scan", commit.commit),
        added=leg.tools.source.additions(cut.previous, commit.commit),
        scans=_asked(leg, cut),
        now=leg.tools.now(),
        sbom=_left(leg, cut),
    )


def _asked(leg: Leg, cut: Cut) -> Scans:
    """What the policy in force asks for; where the build leaves its SBOM, the commit knows."""
    return policy_for(leg.tools.ledger, cut).scans.model_copy(update={"sbom": cut.product.scans.sbom})


def _left(leg: Leg, cut: Cut) -> bytes | None:
    """The SBOM that the build left, as it was kept with the build."""
    built = leg.recorded("built", {"commit": cut.commit.commit})
    kept = built.fact.get("sbom") if built else None
    return leg.tools.evidence.bytes_of(kept) if kept else None
