"""The product's declared checks, against the built artifact and an empty scratch database."""

from contextlib import ExitStack

from stationmaster.blocks.guest import run
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.product import Check
from stationmaster.tasks import act


@act("test", timeout=7200)
def run_checks(leg: Leg, cut: Cut, artifact: Artifact) -> None:
    """Every check passes, or the release stops with the log of the one that did not."""
    inputs = {"digest": artifact.digest, "commit": cut.commit.commit}
    if leg.recorded("tested", inputs):
        return
    passed = [_run(leg, cut, artifact, check) for check in cut.product.checks]
    leg.record("tested", inputs, {"checks": passed})


def _run(leg: Leg, cut: Cut, artifact: Artifact, check: Check) -> dict[str, str | float]:
    path = str(leg.tools.artifacts.path(artifact.digest))
    export, home = leg.export(f"check-{check.name}", cut.commit.commit), leg.folder(f"check-{check.name}")
    command = tuple(word.replace("{artifact}", path) for word in check.command)
    with ExitStack() as stack:
        env = {"ARTIFACT": path, "PYTHONPATH": path}
        if cut.product.database:
            stack.enter_context(leg.tools.database.steady())
            env["DATABASE_URL"] = stack.enter_context(
                leg.tools.database.scratch_database(f"scratch_{leg.release}_{check.name}")
            )
        done = run(command, cwd=export, home=home, log=home / "check.log", timeout=check.timeout, env=env)
    return {"name": check.name, "seconds": done.seconds, "log": done.log_digest}
