"""The demo's story: a product with traffic, releases through every gate, and what each cost its users, in figures.

It releases the way a person does: through the Prefect server, with an approval signed by somebody else's key.
"""

import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from stationmaster.blocks.supervisor import Supervisor
from stationmaster.deployments import descriptor, stack
from stationmaster.deployments.sandbox import orderdesk
from stationmaster.deployments.sandbox.baseline import install
from stationmaster.deployments.sandbox.figures import Figures, figures
from stationmaster.deployments.sandbox.orderdesk import PRODUCT
from stationmaster.deployments.sandbox.repository import Repository, read_repository
from stationmaster.deployments.sandbox.traffic_log import TrafficLog
from stationmaster.deployments.sandbox.users import start_traffic
from stationmaster.deployments.sandbox.world import World, build_world, must_be_free
from stationmaster.deployments.stack import Say
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import InputError
from stationmaster.domain.plan import name_of
from stationmaster.domain.stages import fold


@dataclass(frozen=True)
class Scenario:
    """One release of the demo, and how it must end."""

    name: str
    ref: str
    promise: str
    story: str


GOOD = Scenario(
    "good", "v1.2.0", "released",
    "Orderdesk 1.2.0 adds a column (expand) and writes it beside the old one. Nothing should happen to anybody.",
)  # fmt: skip
BROKEN = Scenario(
    "broken", "v1.3.0", "rolled_back",
    "Orderdesk 1.3.0 lets large orders cost less, for the three pilots first. It has a bug that neither its tests nor "
    "stage can see: small orders answer 500. The pilots' wave should show it, and go back by itself.",
)  # fmt: skip
SCENARIOS: dict[str, tuple[Scenario, ...]] = {"good": (GOOD,), "broken": (BROKEN,), "all": (GOOD, BROKEN)}
APPROVER = "rosa"
BASELINE = "v1.1.0"
_TENANTS = Path(__file__).parent / "tenants.yaml"
_SETTLED = 5.0  # seconds that the traffic has to write down what it met


@dataclass(frozen=True)
class Result:
    """What one release did: how it ended, by the ledger and by the processes, and what it cost."""

    scenario: Scenario
    release: str
    entries: list[Entry]
    figures: Figures
    served: Mapping[str, tuple[str | None, str | None]]  # tenant: version and digest of the process that answers it

    @property
    def kept(self) -> bool:
        """Whether it ended as its scenario promises."""
        return self.outcome == self.scenario.promise

    @property
    def digest(self) -> str | None:
        return next((entry.fact["digest"] for entry in self.entries if entry.step == "built"), None)

    @property
    def outcome(self) -> str:
        """Released, when every tenant is on it; rolled back, when nobody is; else failed, whatever the ledger says."""
        stage = fold(self.entries)
        on = [digest == self.digest for _, digest in self.served.values()]
        if stage == "released" and all(on):
            return "released"
        return "rolled_back" if stage == "rolled_back" and not any(on) else "failed"

    @property
    def waves(self) -> list[dict[str, Any]]:
        """The waves of its plan with their last verdict, None for one that was not watched."""
        planned: list[dict[str, Any]] = next(
            (e.fact["waves"] for e in reversed(self.entries) if e.step == "planned"), []
        )
        verdicts = {entry.subject: entry.fact["verdict"] for entry in self.entries if entry.step == "verdict"}
        return [
            {"ring": wave["ring"], "tenants": wave["tenants"], "verdict": verdicts.get(name_of(wave))}
            for wave in planned
        ]

    def record(self) -> dict[str, Any]:
        """As `demo --json` has it."""
        return {
            "id": self.release,
            "scenario": self.scenario.name,
            "outcome": self.outcome,
            "digest": self.digest,
            "waves": self.waves,
            "breach_to_safe_seconds": self.figures.seconds,
            "bad_requests": self.figures.bad,
            "failed_requests_from_deploy": self.figures.failed,
        }


def prepare(say: Say, ui_port: int | None) -> tuple[World, TrafficLog]:
    """A sandbox with the version before installed and traffic flowing. One of an earlier demo is replaced."""
    _clear(say)
    must_be_free(PRODUCT)
    found = stack.bring_up(say, ui_port)
    found.model_copy(update={"product": PRODUCT}).save()  # a demo killed from here on is replaced by the next
    world = build_world(found, _orderdesk(Path(found.run)), say)
    say(f"installing Orderdesk {BASELINE.removeprefix('v')} for every tenant")
    install(world, BASELINE)
    supervisor = Supervisor(socket=world.descriptor.supervisor)
    password = world.toolbox.secrets.journeys["PROBE_PASSWORD"].get_secret_value()
    log = start_traffic(world.descriptor, supervisor, password)
    say(f"traffic flows: {log.rate():.0f} requests a second from {len(world.toolbox.target.routes()) - 1} tenants")
    return world, log


def _orderdesk(run: Path) -> Repository:
    """Its history, made in the run directory, with tenants of its own and secrets made anew."""
    orderdesk.create(run / PRODUCT)
    shutil.copy(_TENANTS, run / "tenants.yaml")
    shutil.copytree(_TENANTS.with_name("calendars"), run / "calendars", dirs_exist_ok=True)
    probe = SecretStr(secrets.token_urlsafe(18))
    environment = {
        "ORDERDESK_SECRET": SecretStr(secrets.token_urlsafe(32)),
        "ORDERDESK_PROBE_PASSWORD": probe,
        "PROBE_PASSWORD": probe,
    }
    return read_repository(run / PRODUCT, run / "tenants.yaml").given(environment)


def _clear(say: Say) -> None:
    try:
        found = descriptor.load()
    except InputError:
        return
    if found.product == PRODUCT:
        say(f"ending the sandbox of an earlier demo in {found.run}")
        stack.take_down(say, delete=True)


def result(world: World, scenario: Scenario, release: str, log: TrafficLog, since: float) -> Result:
    """What one release did, from the ledger, the processes and the traffic."""
    now = time.time()
    while not log.covers(now) and time.time() < now + _SETTLED:
        time.sleep(0.1)
    entries = world.toolbox.ledger.entries(release)
    return Result(scenario, release, entries, figures(entries, log, since), served(world))


def served(world: World) -> dict[str, tuple[str | None, str | None]]:
    """Each tenant, and version and digest that the process behind it answers with now."""
    target = world.toolbox.target
    routes, answers = target.routes(), {(one.instance, one.colour): one for one in target.running()}
    tenants = sorted(tenant.id for tenant in world.toolbox.tenants.read().tenants)
    found = {tenant: answers.get(routes.get(tenant, ("", ""))) for tenant in tenants}
    return {tenant: (one.version, one.digest) if one else (None, None) for tenant, one in found.items()}


def key_of(world: World, person: str) -> Path:
    """A person's demo key."""
    return world.people.keys[person]
