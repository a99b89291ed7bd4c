"""What `up` leaves for other commands to find: where the stack runs, in one file readable by its owner alone."""

import os
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from stationmaster.blocks.home import home
from stationmaster.domain.errors import InputError, OutsideError


class NoStackError(InputError):
    """Nothing was brought up here."""

    code = "no_stack"


class StackFileError(OutsideError):
    """The file that says where the stack runs is damaged."""

    code = "stack_file"


class Descriptor(BaseModel):
    """A stack, and the sandbox in it when there is one."""

    model_config = ConfigDict(frozen=True)

    run: str
    supervisor: str
    prefect_ui: str
    prefect_auth: str
    product: str | None = None
    front: str | None = None
    messages: str | None = None
    public_keys: str | None = None
    receiver: str | None = None

    @property
    def prefect_api(self) -> str:
        return f"{self.prefect_ui}/api"

    @property
    def receiver_file(self) -> str:
        """Where the hooks of this stack's receiver are, once it has one."""
        return str(Path(self.run) / "receiver.yaml")

    def save(self) -> None:
        """Keep it, and point `run` beside it at the run directory."""
        path = _path()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(self.model_dump_json(indent=2))
        new.replace(path)
        link = path.with_name("run")
        link.unlink(missing_ok=True)
        link.symlink_to(self.run)

    def connect(self) -> None:
        """Make this process's Prefect client speak to this stack, whether prefect is imported already or not."""
        os.environ.update(self.prefect_environment())
        if "prefect" in sys.modules:
            from prefect.context import refresh_global_settings_context  # noqa: PLC0415 - costs nothing here

            refresh_global_settings_context()

    def prefect_environment(self) -> dict[str, str]:
        """What a Prefect client needs to reach the server."""
        return {
            "PREFECT_API_URL": self.prefect_api,
            "PREFECT_API_AUTH_STRING": Path(self.prefect_auth).read_text(encoding="utf-8").strip(),
            "PREFECT_HOME": str(Path(self.run) / "prefect"),
            "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }


def load() -> Descriptor:
    """Raises NoStackError and StackFileError."""
    try:
        return Descriptor.model_validate_json(_path().read_text())
    except FileNotFoundError:
        raise NoStackError(
            f"no stack was brought up here ({_path()} does not exist)",
            hint="`stationmaster up` or `stationmaster demo`",
        ) from None
    except (ValidationError, UnicodeDecodeError, OSError) as error:
        raise StackFileError(
            f"the file that says where the stack runs cannot be read: {type(error).__name__}",
            file=str(_path()),
            hint=f"delete it; what still runs is told by {_path().with_name('run')}/supervisor.log",
        ) from None


def forget() -> None:
    """The stack is gone for good."""
    for path in (_path(), _path().with_name("run")):
        path.unlink(missing_ok=True)


def _path() -> Path:
    return home() / "stack.json"
