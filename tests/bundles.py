"""A released world with everything that a bundle may hold, its bundles, and the keys with which they are checked."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stationmaster.blocks.artifact_store import DirectoryStore
from stationmaster.blocks.checkpoints import make as make_checkpoint
from stationmaster.blocks.checkpoints import origin
from stationmaster.domain import bundle
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.entries import Draft, Entry, canonical, digest
from stationmaster.ledger.leases import Lease
from stationmaster.ledger.store import Ledger
from tests.world import World

JUNIT = b'<testsuite tests="1"><testcase name="smoke"/></testsuite>\n'
Files = dict[str, bytes]


class Evident(Ledger):
    """A ledger in which each fact tells of a log and more that the evidence store has."""

    store: DirectoryStore

    def append(self, draft: Draft, at: datetime, lease: Lease | None = None) -> Entry:
        if draft.step == "staged":
            super().append(self._scanned(draft.release), at, lease)
        more = {"built": self._log, "deployed": self._log, "expanded": self._migrated, "tested": self._checked}
        told = more.get(draft.step, lambda _draft: {})(draft)
        return super().append(draft.model_copy(update={"fact": {**draft.fact, **told}}), at, lease)

    def _log(self, draft: Draft) -> dict[str, Any]:
        text = f"{draft.step} {draft.subject}\nacme is beside birch\nCEDAR answers\nnothing else\n"
        return {"log": self.store.keep(text.encode())}

    def _migrated(self, draft: Draft) -> dict[str, Any]:
        return {**self._log(draft), "sql": self.store.keep(b"ALTER TABLE orders ADD note text;\n")}

    def _checked(self, draft: Draft) -> dict[str, Any]:
        check = {**draft.fact["checks"][0], **self._log(draft), "report": self.store.keep(JUNIT)}
        return {"checks": [check]}

    def _scanned(self, release: str) -> Draft:
        found = {name: {"result": "clean", "digest": self.store.keep(f'{{"{name}": []}}'.encode())}
                 for name in ("sbom", "vulnerabilities", "secrets")}  # fmt: skip
        return Draft(release=release, step="scanned", fact=found)


@dataclass(frozen=True)
class Released:
    """A world with a release, and the file of keys."""

    world: World
    keys: Approvers

    def checkpoint(self) -> bytes:
        """A signed checkpoint of the ledger as it is now."""
        return make_checkpoint(self.world.ledger.tree(), self.world.tools.signer, "shop").encode()

    def append(self, step: str, subject: str, fact: dict[str, Any], release: str = "r2") -> Entry:
        draft = Draft(release=release, step=step, subject=subject, inputs=fact, fact=fact)
        return self.world.ledger.append(draft, self.world.clock.now())

    def sealed(self, files: Mapping[str, bytes], /, **changed: Any) -> Files:
        """The files under an index that lists them as they are and is signed: what only the service's key can forge."""
        told = {row["name"]: row for row in json.loads(files[bundle.INDEX])["files"]}
        rest = {name: content for name, content in files.items() if name not in bundle.UNLISTED}
        rows = [
            {"entry": None, "cut": None, **told.get(name, {}), "name": name, "digest": digest(content),
             "size": len(content)} for name, content in sorted(rest.items())
        ]  # fmt: skip
        raw = canonical({**json.loads(files[bundle.INDEX]), "files": rows, **changed})
        index = json.loads(raw)
        signed = self.world.tools.signer.sign(bundle.statement(raw, index["release"], index["tenant"]))
        return {**rest, bundle.INDEX: raw, bundle.SIGNATURE: canonical(signed)}


@contextmanager
def opened() -> Iterator[Released]:
    """Version 1 runs everywhere, version 2 is committed."""
    with TemporaryDirectory(prefix="stm-") as root, Evident.open("sqlite://") as ledger:
        made = World(Path(root), ledger=ledger)
        ledger.store = made.tools.evidence
        made.commit("v2")
        yield Released(made, keys_of(made))


@contextmanager
def released() -> Iterator[Released]:
    """Version 2 released as r2 to everybody, attested, closed and published by the flow."""
    with opened() as found:
        found.world.release()
        yield found


def keys_of(made: World) -> Approvers:
    """`approvers.yaml` as an auditor has it: the people, the service with what it may sign, and the log."""
    signer = made.tools.signer
    file = Path(signer.approvers)
    people = json.loads(file.read_text())
    key = base64.b64encode(signer.public_key()).decode()
    ours = ["https://slsa.dev/*", "https://in-toto.io/*", "https://stationmaster.dev/*"]
    service = {"id": "stationmaster", "predicates": ours, "keys": [{"ed25519": key}]}
    log = {"origin": origin("shop"), "vkey": signer.vkey(origin("shop"))}
    file.write_text(json.dumps({**people, "services": [service], "logs": [log]}))
    return signer.people()
