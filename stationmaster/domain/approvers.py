"""`approvers.yaml`: who may approve, with which keys, and until when.

Pure values. Reading the file is `domain/documents.py`; what a signature counts for is `domain/approval.py`.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from stationmaster.domain import dsse
from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.tenants import Id


def _utc(value: object) -> object:
    """A day is its first instant in UTC, a time without a zone is UTC: half-open, so `until` itself is outside."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    return value


def _raw_key(value: object) -> object:
    raw = dsse.strict_base64(value)
    if len(raw) != dsse.ED25519_BYTES:
        raise ValueError(f"an ed25519 public key has {dsse.ED25519_BYTES} bytes, this one {len(raw)}")
    return value


Instant = Annotated[datetime, BeforeValidator(_utc, json_schema_input_type=date | datetime)]
PublicKey = Annotated[str, BeforeValidator(_raw_key), Field(description="Raw 32-byte ed25519 public key in base64.")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class _Valid(_Part):
    """Something that holds from an instant (included) until another (excluded)."""

    from_: Instant | None = Field(default=None, alias="from", description="First day or instant it is valid.")
    until: Instant | None = Field(default=None, description="First day or instant it is no longer valid.")

    def valid(self, at: datetime) -> bool:
        """Whether it holds at an aware instant."""
        return (self.from_ is None or self.from_ <= at) and (self.until is None or at < self.until)


class Key(_Valid):
    """A public key and when it may be used."""

    ed25519: PublicKey

    @property
    def raw(self) -> bytes:
        """The 32 bytes."""
        return dsse.strict_base64(self.ed25519)


class Person(_Valid):
    """Somebody who may approve or start releases."""

    id: Id
    name: str
    employer: str = ""
    emails: tuple[str, ...] = ()
    github: str | None = None
    slack: str | None = None
    roles: tuple[Id, ...] = ()
    keys: tuple[Key, ...] = ()

    @property
    def handles(self) -> tuple[str, ...]:
        """Every name the person goes by, in lower case."""
        return tuple(name.lower() for name in (self.id, *self.emails, self.github, self.slack) if name)


class Service(_Part):
    """A machine that signs; it can attest, never approve."""

    id: Id
    predicates: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()


class Log(_Part):
    """A ledger whose checkpoints are trusted."""

    origin: str
    vkey: str


class UnknownStarterError(InputError):
    """Who starts a release must be somebody in approvers.yaml, else it could not be told who must not approve it."""

    code = "unknown_starter"

    def __init__(self, starter: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{starter!r} is nobody in approvers.yaml, and who starts a release must be known",
            hint=f"name yourself with --starter or STATIONMASTER_USER; {nearest(_plain(starter), known)}",
        )


class Approvers(_Part):
    """The whole of `approvers.yaml`."""

    people: tuple[Person, ...] = Field(min_length=1)
    services: tuple[Service, ...] = ()
    logs: tuple[Log, ...] = ()

    @model_validator(mode="after")
    def _each_is_one(self) -> "Approvers":
        """Nobody may count twice by being listed twice, by name or by key."""
        _refuse_repeats("id", [owner.id for owner in self._owners()])
        _refuse_repeats("key", [key.ed25519 for _, key, _ in self.holders()])
        _refuse_repeats("e-mail address", [mail.lower() for person in self.people for mail in person.emails])
        _refuse_repeats("GitHub name", [person.github.lower() for person in self.people if person.github])
        _refuse_repeats("Slack user", [person.slack.lower() for person in self.people if person.slack])
        return self

    def person(self, handle: str) -> Person | None:
        """Who goes by this id, e-mail address, GitHub or Slack name, or full name."""
        called = _plain(handle)
        return next((one for one in self.people if called in {*one.handles, _plain(one.name)}), None)

    def starter(self, handle: str) -> Person | Service:
        """Who started a release. Nobody may be unknown here: an unknown starter could approve under another name.

        Raises:
            UnknownStarterError: with the nearest name.
        """
        found = self.person(handle) or next((one for one in self.services if one.id == _plain(handle)), None)
        if found is None:
            raise UnknownStarterError(handle, [name for person in self.people for name in person.handles])
        return found

    def holders(self) -> Iterator[tuple[bytes, Key, Person | Service]]:
        """Every key with its owner."""
        for owner in self._owners():
            for key in owner.keys:
                yield key.raw, key, owner

    def _owners(self) -> Iterator[Person | Service]:
        yield from self.people
        yield from self.services


def _plain(handle: str) -> str:
    """As people type it: any case, spaces around, an @ in front."""
    return handle.strip().removeprefix("@").lower()


def _refuse_repeats(what: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{what} {repeated[0]!r} is listed twice")
