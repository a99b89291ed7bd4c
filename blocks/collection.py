"""The tools as Prefect blocks, so that the UI can show and edit them. The only module here that imports prefect.

Each block is its tool and nothing more: the tool's fields are the form, its docstring is the description.
"""

from typing import Any, ClassVar, get_origin

from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict

from stationmaster.blocks.artifact_store import DirectoryStore
from stationmaster.blocks.chat import SlackChat
from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.database import ProductDatabase
from stationmaster.blocks.deploy_target import SandboxTarget
from stationmaster.blocks.flag_store import FileFlags
from stationmaster.blocks.metrics import HAProxyMetrics
from stationmaster.blocks.settings import LedgerDatabase, ProductSecrets
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.source import GitRepository
from stationmaster.blocks.tenant_directory import YamlDirectory
from stationmaster.blocks.tenant_http import HttpDirectory
from stationmaster.blocks.tenant_sql import SqlDirectory


def _form(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Prefect's form, but with every value of a mapping that holds secrets kept back. Prefect's own list names the
    mapping alone, which its server takes for no field at all: it would show the values to whoever opens the block.
    """
    prefects: Any = Block.model_config["json_schema_extra"]
    prefects(schema, model)
    names = dict.fromkeys(path.partition(".")[0] for path in schema["secret_fields"])
    mappings = {name for name in names if get_origin(model.model_fields[name].annotation) is dict}
    schema["secret_fields"] = [f"{name}.*" if name in mappings else name for name in names]


_MAPPINGS = ConfigDict(json_schema_extra=_form)


class Source(GitRepository, Block):
    __doc__ = GitRepository.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster source repository"
    _block_type_slug: ClassVar[str] = "stationmaster-source"


class LedgerBlock(LedgerDatabase, Block):
    __doc__ = LedgerDatabase.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster ledger"
    _block_type_slug: ClassVar[str] = "stationmaster-ledger"


class ArtifactStore(DirectoryStore, Block):
    __doc__ = DirectoryStore.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster artifact store"
    _block_type_slug: ClassVar[str] = "stationmaster-artifacts"


class DeployTarget(SandboxTarget, Block):
    __doc__ = SandboxTarget.__doc__
    model_config = _MAPPINGS
    _block_type_name: ClassVar[str] = "Stationmaster deploy target"
    _block_type_slug: ClassVar[str] = "stationmaster-target"


class Databases(ProductDatabase, Block):
    __doc__ = ProductDatabase.__doc__
    model_config = _MAPPINGS
    _block_type_name: ClassVar[str] = "Stationmaster product database"
    _block_type_slug: ClassVar[str] = "stationmaster-database"


class Metrics(HAProxyMetrics, Block):
    __doc__ = HAProxyMetrics.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster metrics"
    _block_type_slug: ClassVar[str] = "stationmaster-metrics"


class Chat(SlackChat, Block):
    __doc__ = SlackChat.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster chat"
    _block_type_slug: ClassVar[str] = "stationmaster-chat"


class Signer(FileSigner, Block):
    __doc__ = FileSigner.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster signer"
    _block_type_slug: ClassVar[str] = "stationmaster-signer"


class TenantDirectory(YamlDirectory, Block):
    __doc__ = YamlDirectory.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster tenant directory"
    _block_type_slug: ClassVar[str] = "stationmaster-tenants"


class TenantQuery(SqlDirectory, Block):
    __doc__ = SqlDirectory.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster tenant directory by SQL"
    _block_type_slug: ClassVar[str] = "stationmaster-tenants-sql"


class TenantEndpoint(HttpDirectory, Block):
    __doc__ = HttpDirectory.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster tenant directory by HTTP"
    _block_type_slug: ClassVar[str] = "stationmaster-tenants-http"


class Flags(FileFlags, Block):
    __doc__ = FileFlags.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster flag store"
    _block_type_slug: ClassVar[str] = "stationmaster-flags"


class Secrets(ProductSecrets, Block):
    __doc__ = ProductSecrets.__doc__
    model_config = _MAPPINGS
    _block_type_name: ClassVar[str] = "Stationmaster product secrets"
    _block_type_slug: ClassVar[str] = "stationmaster-secrets"


class Host(CodeHost, Block):
    __doc__ = CodeHost.__doc__
    _block_type_name: ClassVar[str] = "Stationmaster code host"
    _block_type_slug: ClassVar[str] = "stationmaster-code-host"


BLOCKS: dict[str, type[Block]] = {
    "source": Source,
    "ledger": LedgerBlock,
    "artifacts": ArtifactStore,
    "target": DeployTarget,
    "database": Databases,
    "metrics": Metrics,
    "chat": Chat,
    "signer": Signer,
    "tenants": TenantDirectory,
    "flags": Flags,
    "secrets": Secrets,
    "code-host": Host,
    "tenants-sql": TenantQuery,
    "tenants-http": TenantEndpoint,
}
