"""A product in a running stack: its databases, people, proxy and chat, and its blocks under its name.

Every step converges: a sandbox that is there is left alone, one that is half there is completed. Nothing of the product
is installed here; a release does that.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, SecretStr

from stationmaster.blocks import haproxy
from stationmaster.blocks import toolbox as blocks
from stationmaster.blocks.artifact_store import DirectoryStore
from stationmaster.blocks.chat import SlackChat
from stationmaster.blocks.database import ProductDatabase
from stationmaster.blocks.deploy_target import SandboxTarget
from stationmaster.blocks.flag_store import FileFlags
from stationmaster.blocks.home import home
from stationmaster.blocks.instances import Instance
from stationmaster.blocks.metrics import HAProxyMetrics
from stationmaster.blocks.settings import LedgerDatabase, ProductSecrets
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.source import GitRepository, mirror_of
from stationmaster.blocks.supervisor import Supervisor
from stationmaster.blocks.tenant_directory import YamlDirectory
from stationmaster.blocks.toolbox import Toolbox, assemble
from stationmaster.deployments import descriptor, postgres, reception
from stationmaster.deployments.descriptor import Descriptor, NoStackError
from stationmaster.deployments.sandbox import proxy
from stationmaster.deployments.sandbox.databases import create_databases, database_of
from stationmaster.deployments.sandbox.people import SERVICE, Cast, make_people, ratify
from stationmaster.deployments.sandbox.repository import Repository
from stationmaster.deployments.sandbox.services import start_chat
from stationmaster.deployments.stack import Say
from stationmaster.domain.errors import InputError
from stationmaster.domain.tenants import STAGE


class OtherSandboxError(InputError):
    """The home folder has a sandbox of another product, or this product from elsewhere."""

    code = "other_sandbox"


@dataclass(frozen=True)
class World:
    """A sandbox and everything that a release in it uses."""

    descriptor: Descriptor
    toolbox: Toolbox
    people: Cast


def must_be_free(product: str, folder: Path | None = None) -> None:
    """Return if this home folder may have a sandbox of the product, from `folder` when that is given. Asked before
    anything is started.

    Raises:
        OtherSandboxError: it has another product's, or the product's blocks lead to another repository.
    """
    beside = "`export STATIONMASTER_HOME=~/second` makes room for one beside it"
    found = _known()
    if found is not None and found.product not in (None, product):
        raise OtherSandboxError(
            f"here is the sandbox of {found.product} already", hint=f"`stationmaster down --delete` ends it; {beside}"
        )
    source = _before("source", product)
    if folder is not None and isinstance(source, GitRepository) and source.url != str(folder):
        raise OtherSandboxError(
            f"product {product!r} is known here from {source.url}, not from {folder}",
            hint=f"`stationmaster down --delete` ends the sandbox of that one; {beside}",
        )


def build_world(stack: Descriptor, repository: Repository, say: Say) -> World:
    """The sandbox of a product of which `must_be_free` said that it may be here. It installs nothing."""
    run, supervisor = Path(stack.run), Supervisor(socket=stack.supervisor)
    claimed = stack.model_copy(update={"product": repository.name})
    claimed.save()  # one that is killed from here on is completed, or replaced, by the next
    people = make_people(run / "people", repository.product, repository.authors)
    create_databases(run, repository)
    supervisor.ensure(proxy.prepare(run, repository.instances, repository.product.service.health))
    messages, token = start_chat(stack, supervisor)
    tools = _tools(stack, repository, people, messages, token)
    _publish_flags(repository, FileFlags(path=_flags(run)))
    found = claimed.model_copy(
        update={
            "front": f"http://127.0.0.1:{supervisor.ping().front_port}",
            "messages": messages,
            "public_keys": str(people.approvers),
        }
    )
    found.save()
    from stationmaster.deployments.registration import register_tools  # noqa: PLC0415 - imports prefect

    register_tools(repository.name, tools)
    if stack.product is None:  # else `up` opened it
        found = reception.open_for(found, supervisor, say)
    toolbox = assemble(dict(tools))
    ratify(people, toolbox, repository.product)
    return World(found, toolbox, people)


def _tools(stack: Descriptor, repository: Repository, people: Cast, messages: str, token: str) -> dict[str, BaseModel]:
    run, instances = Path(stack.run), repository.instances
    url = str(repository.folder)
    return {
        "source": GitRepository(url=url, mirror=mirror_of(url, home())),
        "ledger": LedgerDatabase(url=SecretStr(postgres.url(run, "ledger", "postgresql+psycopg"))),
        "artifacts": DirectoryStore(root=str(run / "artifacts")),
        "target": SandboxTarget(
            supervisor=stack.supervisor,
            stats=str(run / haproxy.STATS),
            run_dir=stack.run,
            instances={one: Instance(environment="stage" if one == STAGE else "production") for one in instances},
        ),
        "database": ProductDatabase(
            databases={one: SecretStr(postgres.url(run, database_of(repository.product, one))) for one in instances},
            scratch=SecretStr(postgres.url(run, "scratch")),
        ),
        "metrics": HAProxyMetrics(stats=str(run / haproxy.STATS)),
        "chat": SlackChat(base_url=f"{messages}/api/", token=SecretStr(token), channel="releases"),
        "signer": FileSigner(key=SecretStr(people.keys[SERVICE].read_text()), approvers=str(people.approvers)),
        "tenants": YamlDirectory(path=str(repository.tenants)),
        "flags": FileFlags(path=_flags(run)),
        "secrets": ProductSecrets(
            environment={"FLAGS_FILE": SecretStr(_flags(run)), **repository.environment},
            journeys=repository.journey_secrets,
        ),
    }


def _publish_flags(repository: Repository, flags: FileFlags) -> None:
    """A first release proves the product in stage before it publishes flags, and instances read them when they start;
    those that a release published stay.
    """
    file = repository.product.flags
    if file and not Path(flags.path).exists():
        flags.publish(repository.committed(file), file)


def kept_environment(product: str) -> dict[str, SecretStr]:
    """The environment that was given when the product's sandbox was last brought up; empty when there was none."""
    given = _before("secrets", product)
    return (
        {}
        if not isinstance(given, ProductSecrets)
        else {name: value for name, value in given.environment.items() if name != "FLAGS_FILE"}
    )


def _known() -> Descriptor | None:
    """The stack that was brought up here last, if its data is still there."""
    try:
        found = descriptor.load()
    except NoStackError:
        return None
    return found if Path(found.run).is_dir() else None


def _before(kind: str, product: str) -> BaseModel | None:
    """The product's block as it was registered here last."""
    try:
        block: BaseModel = blocks.recall(kind, product)
    except blocks.BlockMissingError:
        return None
    return block


def _flags(run: Path) -> str:
    return str(run / "flags.json")
