"""The people of the sandbox: keys and `approvers.yaml` made anew for every run directory.

These are demo keys. Whoever can read the run directory can approve releases of the sandbox; nothing else trusts them.
"""

import base64
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

STARTER, SERVICE = "ana", "stationmaster"
APPROVERS = ("rosa", "ben")

_FILE = """\
# Demo keys of the sandbox, made when this run directory was. The private halves lie beside this file in keys/.
people:
  - id: rosa
    name: Rosa Keller
    employer: Orderdesk
    emails: [rosa@orderdesk.example]
    slack: U0ROSA
    roles: [release-approver]
    keys: [{{ed25519: "{rosa}"}}]
  - id: ben
    name: Ben Okafor
    employer: Orderdesk
    emails: [ben@orderdesk.example]
    slack: U0BEN
    roles: [release-approver]
    keys: [{{ed25519: "{ben}"}}]
  - id: ana               # starts the releases of the demo, so she may not approve them, and has no role to
    name: Ana Lindqvist
    employer: Orderdesk
    emails: [ana@orderdesk.example]
    slack: U0ANA
    roles: []
    keys: [{{ed25519: "{ana}"}}]
services:
  - id: stationmaster
    predicates: []        # it signs nothing that is trusted before attestations exist
    keys: [{{ed25519: "{stationmaster}"}}]
  - id: webhook           # starts the hotfixes of merged pull requests; it has no key, and a service never approves
  - id: release-train     # in its name trains are started; it has no key either
logs: []
"""


@dataclass(frozen=True)
class Cast:
    """Where the file of the people lies, and each one's private key (the service's too), all 0600."""

    approvers: Path
    keys: dict[str, Path]


def make_people(folder: Path) -> Cast:
    """Keys and `approvers.yaml` in `folder`; those that are there already are kept."""
    keys = folder / "keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    cast = Cast(folder / "approvers.yaml", {name: keys / f"{name}.pem" for name in (*APPROVERS, STARTER, SERVICE)})
    if not cast.approvers.exists():
        public = {name: _make_key(path) for name, path in cast.keys.items()}
        _write(cast.approvers, _FILE.format(**public).encode())
    return cast


def _make_key(path: Path) -> str:
    key = Ed25519PrivateKey.generate()
    _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and never readable by others: approvers.yaml is written last and says that keys exist."""
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)
