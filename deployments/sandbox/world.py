"""The sandbox's product in a running stack: Orderdesk's repository, databases, people, proxy, chat and traffic.

It installs the version before the demo's first release and says so in the ledger (`adopted`); releases are not made
here (`demo.py`).
"""

import secrets
import shutil
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, SecretStr

from stationmaster.blocks import haproxy
from stationmaster.blocks.artifact_store import DirectoryStore
from stationmaster.blocks.chat import SlackChat
from stationmaster.blocks.database import ProductDatabase, Revisions
from stationmaster.blocks.deploy_target import SandboxTarget
from stationmaster.blocks.flag_store import FileFlags
from stationmaster.blocks.home import home
from stationmaster.blocks.instances import Instance
from stationmaster.blocks.leg import Leg
from stationmaster.blocks.metrics import HAProxyMetrics
from stationmaster.blocks.serving import start_instance
from stationmaster.blocks.settings import LedgerDatabase, ProductSecrets
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.source import GitRepository, mirror_of
from stationmaster.blocks.supervisor import Supervisor
from stationmaster.blocks.tenant_directory import YamlDirectory
from stationmaster.blocks.toolbox import Toolbox, assemble
from stationmaster.deployments import postgres, reception
from stationmaster.deployments.descriptor import Descriptor
from stationmaster.deployments.sandbox import orderdesk, proxy
from stationmaster.deployments.sandbox.people import SERVICE, STARTER, Cast, make_people
from stationmaster.deployments.sandbox.services import start_chat
from stationmaster.deployments.stack import Say
from stationmaster.domain.artifact import Artifact, Cut
from stationmaster.domain.entries import Draft
from stationmaster.domain.request import ReleaseRequest
from stationmaster.domain.tenants import SHARED
from stationmaster.tasks.build import build
from stationmaster.tasks.cut import cut

PRODUCT = "orderdesk"
BASELINE = "v1.1.0"
_TENANTS = Path(__file__).parent / "tenants.yaml"


@dataclass(frozen=True)
class World:
    """What a demo needs of the sandbox."""

    descriptor: Descriptor
    tools: dict[str, BaseModel]
    toolbox: Toolbox
    people: Cast


def build_world(stack: Descriptor, say: Say) -> World:
    """The sandbox's parts, running; the version before installed for every tenant; no traffic yet."""
    run = Path(stack.run)
    stack.model_copy(update={"product": PRODUCT}).save()  # a demo killed from here on is replaced by the next
    orderdesk.create(run / PRODUCT)
    shutil.copy(_TENANTS, run / "tenants.yaml")
    people = make_people(run / "people")
    instances = ["stage", SHARED, *_dedicated(run)]
    for name in ("scratch", *(_database(instance) for instance in instances)):
        postgres.create_database(run, name)
    supervisor = Supervisor(socket=stack.supervisor)
    supervisor.ensure(proxy.prepare(run, instances))
    messages, token = start_chat(stack, supervisor)
    tools = _tools(stack, people, instances, messages, token)
    found = stack.model_copy(
        update={
            "product": PRODUCT,
            "front": f"http://127.0.0.1:{supervisor.ping().front_port}",
            "messages": messages,
            "public_keys": str(people.approvers),
        }
    )
    found.save()
    from stationmaster.deployments.registration import register_tools  # noqa: PLC0415 - imports prefect

    register_tools(PRODUCT, tools)
    found = reception.open_for(found, supervisor, say)
    world = World(found, tools, assemble(dict(tools)), people)
    say(f"installing Orderdesk {BASELINE.removeprefix('v')} for every tenant")
    _install(world)
    return world


def _install(world: World) -> None:
    """The version before, brought to every tenant built as a release builds, without its gates."""
    tools, release = world.toolbox, "baseline"
    lease = tools.ledger.take_lease(release, "sandbox", datetime.now(UTC), seconds=600)
    request = ReleaseRequest(id=release, product=PRODUCT, ref=BASELINE, starter=STARTER)
    leg = Leg(tools, request, lease, threading.Event())
    this = cut.fn(leg)
    artifact = build.fn(leg, this)
    tools.flags.publish(tools.source.read(this.commit.commit, str(this.product.flags)), str(this.product.flags))
    database, export = this.product.database, leg.export("migrations", this.commit.commit)
    assert database is not None  # noqa: S101 - Orderdesk has one
    revisions = Revisions(database, export, leg.folder("migrations"))
    for instance in tools.target.instances:
        tools.database.expand(instance, revisions)
        colour = start_instance(leg, this.product.service, artifact.digest, instance)
        tenants = [t.id for t in tools.tenants.read().tenants if t.instance == instance]
        tools.target.shift(tuple(tenants or [this.product.stage_tenant]), instance, colour, fence=leg.fence)
        for tenant in tenants:
            _adopt(leg, this, artifact, tenant)
    tools.ledger.give_back(lease)


def _adopt(leg: Leg, this: Cut, artifact: Artifact, tenant: str) -> None:
    fact = {"version": this.commit.version, "digest": artifact.digest, "commit": this.commit.commit}
    draft = Draft(release=leg.release, step="adopted", subject=tenant, inputs={"digest": artifact.digest}, fact=fact)
    leg.tools.ledger.append(draft, leg.tools.now())


def _tools(stack: Descriptor, people: Cast, instances: list[str], messages: str, token: str) -> dict[str, BaseModel]:
    run, probe = Path(stack.run), secrets.token_urlsafe(18)
    url = str(run / PRODUCT)
    return {
        "source": GitRepository(url=url, mirror=mirror_of(url, home())),
        "ledger": LedgerDatabase(url=SecretStr(postgres.url(run, "ledger", "postgresql+psycopg"))),
        "artifacts": DirectoryStore(root=str(run / "artifacts")),
        "target": SandboxTarget(
            supervisor=stack.supervisor,
            stats=str(run / haproxy.STATS),
            run_dir=stack.run,
            instances={name: Instance(environment="stage" if name == "stage" else "production") for name in instances},
        ),
        "database": ProductDatabase(
            databases={name: SecretStr(postgres.url(run, _database(name))) for name in instances},
            scratch=SecretStr(postgres.url(run, "scratch")),
        ),
        "metrics": HAProxyMetrics(stats=str(run / haproxy.STATS)),
        "chat": SlackChat(base_url=f"{messages}/api/", token=SecretStr(token), channel="releases"),
        "signer": FileSigner(key=SecretStr(people.keys[SERVICE].read_text()), approvers=str(people.approvers)),
        "tenants": YamlDirectory(path=str(run / "tenants.yaml")),
        "flags": FileFlags(path=str(run / "flags.json")),
        "secrets": ProductSecrets(
            environment={
                "FLAGS_FILE": SecretStr(str(run / "flags.json")),
                "ORDERDESK_SECRET": SecretStr(secrets.token_urlsafe(32)),
                "ORDERDESK_PROBE_PASSWORD": SecretStr(probe),
            },
            journeys={"PROBE_PASSWORD": SecretStr(probe)},
        ),
    }


def _dedicated(run: Path) -> list[str]:
    directory = YamlDirectory(path=str(run / "tenants.yaml")).read()
    return sorted(tenant.id for tenant in directory.tenants if tenant.hosting == "dedicated")


def _database(instance: str) -> str:
    return f"{PRODUCT}_{instance}".replace("-", "_")
