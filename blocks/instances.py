"""What a deploy target speaks of: instances, their two colours, what runs in them, and what can go wrong.

Values, names and errors only; `deploy_target.py` acts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from stationmaster.domain.errors import InputError, OutsideError, RefusedError

Colour = str  # one of
COLOURS = ("a", "b")
_SHORTEST_SECRET = 8  # characters; hiding shorter words would make a log unreadable


class Instance(BaseModel):
    """A deployment that one or more tenants share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Literal["stage", "production"]
    database: SecretStr | None = Field(default=None, description="Given to the process as DATABASE_URL.")


@dataclass(frozen=True, slots=True)
class Running:
    """A process that runs, and what it said of itself: None where it did not answer."""

    instance: str
    colour: str
    digest: str | None
    version: str | None
    pid: int


class UnknownInstanceError(InputError):
    """The target has no such instance."""

    code = "unknown_instance"


class ArtifactChangedError(RefusedError):
    """The file that was to be started has another digest than the one released."""

    code = "artifact_changed"


class WrongDigestError(RefusedError):
    """A started process says that it runs something else."""

    code = "wrong_digest"


class InstanceDidNotStartError(OutsideError):
    """The process ended, or was not healthy in time. The message ends with its log."""

    code = "instance_did_not_start"


class NoIdleColourError(RefusedError):
    """Both colours of an instance serve tenants, so a third artifact has no place."""

    code = "no_idle_colour"


class ColourInUseError(RefusedError):
    """Tenants are routed to the colour."""

    code = "colour_in_use"


class NotDrainedError(OutsideError):
    """A colour without new requests still answers old ones."""

    code = "not_drained"


class NothingRunsError(RefusedError):
    """Tenants cannot be shifted to a colour in which nothing runs."""

    code = "nothing_runs"


class DigestMismatchError(RefusedError):
    """A process answers with another digest than its tenants were released to."""

    code = "digest_mismatch"

    def __init__(self, digest: str, wrong: Mapping[str, str | None]) -> None:
        served = ", ".join(f"{tenant} by {found or 'nobody who answers'}" for tenant, found in sorted(wrong.items()))
        super().__init__(
            f"not every tenant is served by {digest}: {served}", hint="start the release again to route them there"
        )


class NobodyAnswersError(OutsideError):
    """Nobody says what some tenants are served: perhaps too slow for once."""

    code = "nobody_answers"


def must_serve(wanted: Mapping[str, str], found: Mapping[str, str | None]) -> None:
    """Return if each tenant is served by the digest it was released to, as its process says.

    Raises:
        DigestMismatchError: one is served by another.
        NobodyAnswersError: none is, and for one nobody answers.
    """
    wrong = {tenant: found.get(tenant) for tenant, digest in wanted.items() if found.get(tenant) != digest}
    if any(digest is not None for digest in wrong.values()):
        raise DigestMismatchError(next(iter(wanted[tenant] for tenant in wrong)), wrong)
    if wrong:
        raise NobodyAnswersError(f"nobody who answers serves {', '.join(sorted(wrong))}", hint="try again in a moment")


def backend(instance: str, colour: str) -> str:
    """The name of the colour: of its backend in the proxy, its unit, its socket."""
    return f"{instance}_{colour}"


def place(name: str) -> tuple[str, str]:
    """Instance and colour of a backend."""
    instance, _, colour = name.rpartition("_")
    return instance, colour


def socket_path(run_dir: Path, name: str) -> Path:
    """Where the process of that name listens."""
    return run_dir / "i" / f"{name}.sock"


def secrets_in(env: Mapping[str, str]) -> tuple[str, ...]:
    """What must not be shown of an environment: its longer values, and passwords inside addresses by themselves."""
    values = [value for value in env.values() if len(value) >= _SHORTEST_SECRET]
    return (*values, *(word for value in values if (word := urlsplit(value).password)))
