"""With which key a person signs what they type: one in a file, or one that their SSH agent holds."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stationmaster.blocks.signer import load_person_key, public_key_id, sign_with
from stationmaster.blocks.ssh_agent import chosen, own_agent, sign_with_agent
from stationmaster.domain.dsse import key_id
from stationmaster.domain.errors import InputError


class WhichKeyError(InputError):
    """A key is named in two ways, or in none."""

    code = "which_key"


@dataclass(frozen=True)
class Pen:
    """A key that can sign statements; `keyid` is that of its public half."""

    keyid: str
    sign: Callable[[bytes], dict[str, Any]]


def pen(key: Path | None, *, agent: bool, identity: str | None) -> Pen:
    """The key that was meant.

    Raises:
        WhichKeyError: none was, or two.
        KeyFileError: the file cannot be used.
        AgentAwayError, AgentKeyError: the agent has no such key.
    """
    if (key is not None) == agent or (identity is not None and not agent):
        raise WhichKeyError("name one key: --key FILE, or --agent with or without --identity", hint="--key FILE")
    if key is not None:
        private = load_person_key(key, os.environ.get("STATIONMASTER_KEY_PASSPHRASE"))
        return Pen(public_key_id(private), lambda statement: sign_with(private, statement))
    holder = own_agent()
    held = chosen(holder.keys(), identity)
    return Pen(key_id(held.raw), lambda statement: sign_with_agent(holder, held, statement))
