"""The receiver's file on disk, and the secrets it names: in the environment, or in Prefect's own Secret blocks."""

import os
from pathlib import Path

from pydantic import SecretStr

from stationmaster.domain.documents import Document, read
from stationmaster.domain.errors import InputError
from stationmaster.domain.hooks import Receiver, Secretive


class HookSecretError(InputError):
    """A hook's secret is not where the file says, or can verify nothing."""

    code = "hook_secret"


def read_receiver(path: str) -> Document[Receiver]:
    """The receiver's file.

    Raises:
        InputError: it is missing or not text.
        DocumentError: it is wrong; every problem with its line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"the receiver's file cannot be read: {error.strerror}", file=path, hint="name it with --config"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"the receiver's file is not UTF-8: byte {error.start}", file=path, hint="save it as UTF-8"
        ) from None
    return read(Receiver, text, path)


def secrets_of(receiver: Document[Receiver]) -> dict[str, SecretStr]:
    """Hook name to its secret. Asks the Prefect server only for hooks that name a block.

    Raises:
        HookSecretError: one is missing, empty or no key; with the line that names it. None is repeated.
        PrefectAwayError: a block is named and the server does not answer.
    """
    return {name: _secret(receiver, ("hooks", name), hook) for name, hook in receiver.value.hooks.items()}


def slack_secrets_of(receiver: Document[Receiver]) -> dict[str, SecretStr]:
    """The same of Slack apps: their signing secrets."""
    return {name: _secret(receiver, ("slack", name), app) for name, app in receiver.value.slack.items()}


def _secret(receiver: Document[Receiver], place: tuple[str, str], hook: Secretive) -> SecretStr:
    if hook.secret is not None:
        return hook.secret  # was checked with the file
    called = f"{'hook' if place[0] == 'hooks' else 'slack'} {place[1]}"
    if hook.secret_env is not None:
        key, what, hint = "secret_env", f"environment variable {hook.secret_env}", "set it for this process"
        found = os.environ.get(hook.secret_env)
    else:
        key, what = "secret_block", f"Secret block {hook.secret_block!r}"
        hint = "create it in the Prefect UI under Blocks, with text as its value"
        found = _from_block(str(hook.secret_block))
    line = receiver.line(*place, key)
    if found is None:
        raise HookSecretError(f"{called}: there is no {what}", file=receiver.file, line=line, hint=hint)
    try:
        hook.check(SecretStr(found))
    except ValueError as error:
        raise HookSecretError(f"{called}: {what}: {error}", file=receiver.file, line=line, hint=hint) from None
    return SecretStr(found)


def _from_block(name: str) -> str | None:
    """The block's text as it was saved; None where there is none. Its own `get` would take a number for JSON."""
    from prefect.blocks.system import Secret  # noqa: PLC0415 - prefect costs 3 s, and only these hooks need it
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    from stationmaster.blocks.toolbox import PrefectAwayError  # noqa: PLC0415 - imports every tool there is

    try:
        value = Secret.load(name).value.get_secret_value()  # type: ignore[union-attr] # no loop runs here, so no coroutine
    except Exception as error:  # noqa: BLE001 - whatever keeps the server from answering
        if isinstance(error.__cause__, ObjectNotFound):
            return None
        what = f"the Prefect server does not answer ({type(error).__name__}), and hook secrets lie there"
        raise PrefectAwayError(what, hint="start it, or name the secrets by secret_env") from None
    return value if isinstance(value, str) else None
