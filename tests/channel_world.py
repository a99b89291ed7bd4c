"""A world whose people have accounts at GitHub and in Slack, and whose service may say what was said there."""

import base64
import json
from dataclasses import replace
from typing import Any

from stationmaster.blocks.approval import mandate_of
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.approval_statement import PREDICATE_TYPE
from tests.world import World


class Borrowed:
    """A ledger that whoever was lent it does not close."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def close(self) -> None:
        pass


def with_accounts(world: World, predicates: tuple[str, ...] = (PREDICATE_TYPE,)) -> World:
    """`NAME-hub` at GitHub, `U0NAME` in Slack. Before the first release: then they are in force."""
    file = world.root / "approvers.yaml"
    told = json.loads(file.read_text())
    for person in told["people"]:
        person |= {"github": f"{person['id']}-hub", "slack": f"U0{person['id'].upper()}"}
    raw = base64.b64encode(world.tools.signer.public_key()).decode()
    told["services"] = [{"id": "stationmaster", "predicates": list(predicates), "keys": [{"ed25519": raw}]}]
    file.write_text(json.dumps(told))
    return world


def lent(world: World) -> Toolbox:
    ledger: Any = Borrowed(world.ledger)
    return replace(world.tools, ledger=ledger)


def mandate(world: World, release: str = "r2") -> str:
    return mandate_of(world.ledger, release).digest
