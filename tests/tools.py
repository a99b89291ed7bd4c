"""One tool of every kind, with a secret wherever one may stand: `hunter2`."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import BaseModel, SecretStr

from stationmaster.blocks.artifact_store import DirectoryStore
from stationmaster.blocks.chat import SlackChat
from stationmaster.blocks.code_host import CodeHost
from stationmaster.blocks.database import ProductDatabase
from stationmaster.blocks.deploy_target import SandboxTarget
from stationmaster.blocks.flag_store import FileFlags
from stationmaster.blocks.instances import Instance
from stationmaster.blocks.metrics import HAProxyMetrics
from stationmaster.blocks.settings import LedgerDatabase, ProductSecrets
from stationmaster.blocks.signer import FileSigner
from stationmaster.blocks.source import GitRepository
from stationmaster.blocks.tenant_directory import YamlDirectory
from stationmaster.blocks.tenant_http import HttpDirectory
from stationmaster.blocks.tenant_sql import SqlDirectory

SECRET = SecretStr("hunter2")
KEY = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def tools(folder: Path) -> dict[str, BaseModel]:
    database = SecretStr("postgresql://app:hunter2@db/cloud")
    return {
        "source": GitRepository(url="https://code.example/shop", mirror=str(folder / "mirror")),
        "ledger": LedgerDatabase(url=SecretStr(f"sqlite:///{folder}/ledger.db")),
        "artifacts": DirectoryStore(root=str(folder / "artifacts")),
        "target": SandboxTarget(
            supervisor=str(folder / "s.sock"), stats=str(folder / "stats"), run_dir=str(folder),
            instances={"cloud": Instance(environment="production", database=database)},
        ),
        "database": ProductDatabase(databases={"cloud": database}, scratch=database),
        "metrics": HAProxyMetrics(stats=str(folder / "stats")),
        "chat": SlackChat(base_url="https://slack.example/api/", token=SECRET, channel="releases"),
        "signer": FileSigner(key=SecretStr(KEY), approvers=str(folder / "approvers.yaml")),
        "tenants": YamlDirectory(path=str(folder / "tenants.yaml")),
        "flags": FileFlags(path=str(folder / "flags.json")),
        "secrets": ProductSecrets(environment={"KEY": SECRET}, journeys={"PASSWORD": SECRET}),
    }  # fmt: skip


def optional() -> dict[str, BaseModel]:
    """Those that a product may have, with their secrets."""
    return {"code-host": CodeHost(host="github", repository="shop/orders", token=SECRET)}


def alternatives() -> dict[str, BaseModel]:
    """The tenants by the other block types, with their secrets."""
    return {
        "tenants-sql": SqlDirectory(url=SecretStr("postgresql://app:hunter2@db/crm"), query="SELECT 1 AS id"),
        "tenants-http": HttpDirectory(url="https://crm.example/tenants", token=SECRET, fields={"id": "customer"}),
    }
