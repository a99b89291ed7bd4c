"""`approvers.yaml`: who may approve, with which keys, and until when.

Pure values. Reading the file is `domain/documents.py`; what a signature counts for is `domain/approval.py`.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from stationmaster.domain import dsse, signed_note
from stationmaster.domain.approval_statement import PREDICATE_TYPE
from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.located import Place, PlaceError
from stationmaster.domain.tenants import Id

# The context in which what was ratified is read: it stays what it is, whatever files may say by now.
RATIFIED = {"ratified": True}


def _utc(value: object) -> object:
    """A day is its first instant in UTC, a time without a zone is UTC: half-open, so `until` itself is outside."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, datetime):
        return _in_utc(value)
    if value is None:
        return None
    raise ValueError(f"{value!r} is no day and no instant; write 2026-01-31")  # pydantic counts numbers from 1970


def _in_utc(at: datetime) -> datetime:
    try:
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{at.isoformat()} is no instant in UTC") from None


def _raw_key(value: object, info: ValidationInfo) -> object:
    raw = dsse.strict_base64(value)
    if len(raw) != dsse.ED25519_BYTES:
        raise ValueError(f"an ed25519 public key has {dsse.ED25519_BYTES} bytes, this one {len(raw)}")
    if dsse.is_weak(raw) and info.context != RATIFIED:
        raise ValueError("anybody could sign in the name of this key: it is a point of small order; make another")
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
    gitlab: str | None = None
    slack: str | None = None
    roles: tuple[Id, ...] = ()
    keys: tuple[Key, ...] = ()

    @property
    def handles(self) -> tuple[str, ...]:
        """Every handle the person goes by, as `plain` makes it."""
        return tuple(plain(name) for name in (self.id, *self.emails, self.github, self.gitlab, self.slack) if name)

    @property
    def names(self) -> tuple[str, ...]:
        """The handles, and the full name."""
        return (*self.handles, plain(self.name))


class Service(_Part):
    """A machine that signs; it can attest, never approve."""

    id: Id
    predicates: tuple[str, ...] = Field(
        default=(), description="Types of predicates, or how they begin with a `*` at the end, that its keys count for."
    )
    keys: tuple[Key, ...] = ()
    emails: tuple[str, ...] = Field(default=(), description="Under which its commits are made, if it makes any.")
    github: str | None = None

    @property
    def handles(self) -> tuple[str, ...]:
        """Every handle it goes by, as `plain` makes it."""
        return tuple(plain(name) for name in (self.id, *self.emails, self.github) if name)

    @property
    def names(self) -> tuple[str, ...]:
        """The handles: it has no other name."""
        return self.handles

    def attests(self, predicate: str) -> bool:
        """Whether its keys count for that type of predicate."""
        return any(predicate.startswith(one[:-1]) if one.endswith("*") else predicate == one for one in self.predicates)

    @property
    def attests_approvals(self) -> bool:
        """Whether it may say that somebody approved through a channel."""
        return self.attests(PREDICATE_TYPE)


class Log(_Part):
    """A ledger whose checkpoints are trusted. One whose key was changed is listed once for each key."""

    origin: str = Field(description="What its checkpoints begin with: stationmaster.dev/ledger/ and the product.")
    vkey: str = Field(description="The origin, the id of the key and the public key, joined by plus signs.")

    @field_validator("vkey")
    @classmethod
    def _of_the_origin(cls, vkey: str, others: ValidationInfo) -> str:
        key = signed_note.read_key(vkey)
        if key.name != others.data.get("origin", key.name):
            raise ValueError(f"the vkey is one of {key.name!r}, not of this origin")
        return vkey


class UnknownStarterError(InputError):
    """Who starts a release must be somebody in approvers.yaml, else it could not be told who must not approve it."""

    code = "unknown_starter"

    def __init__(self, starter: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{starter!r} is nobody in approvers.yaml, and who starts a release must be known",
            hint=f"name yourself with --starter or STATIONMASTER_USER; {nearest(plain(starter), known)}",
        )
        hint = "name yourself with --starter or STATIONMASTER_USER"
        self.unname("who starts the release is nobody in approvers.yaml, and must be known", hint=hint)


class SharedNameError(InputError):
    """Who starts a release must be one, else it could not be told who must not approve it."""

    code = "shared_name"

    def __init__(self, handle: str, owners: Sequence[str]) -> None:
        super().__init__(f"{handle!r} is a name of {' and of '.join(owners)}", hint="name yourself by your id")
        self.unname("who starts the release has a name that somebody else has too", hint=self.hint)


class Approvers(_Part):
    """The whole of `approvers.yaml`."""

    people: tuple[Person, ...] = Field(min_length=1)
    services: tuple[Service, ...] = ()
    logs: tuple[Log, ...] = ()

    @model_validator(mode="after")
    def _each_is_one(self, info: ValidationInfo) -> "Approvers":
        """Nobody may count twice by being listed twice, by name or by key, and no name may be two owners'."""
        _refuse_repeats("id", [owner.id for owner in self._owners()])
        _refuse_repeats("key", [key.ed25519 for _, key, _ in self.holders()])
        _refuse_repeats("vkey", [log.vkey for log in self.logs])
        if info.context != RATIFIED:
            _refuse_shared((*_places("people", self.people), *_places("services", self.services)))
            _refuse_repeats("e-mail address", [plain(mail) for owner in self._owners() for mail in owner.emails])
        return self

    def called(self, handle: str) -> list[Person | Service]:
        """Everybody who goes by this id, e-mail address, account or full name. More than one only of what was ratified
        before names had to be one owner's.
        """
        name = plain(handle)
        return [one for one in self._owners() if name in one.names]

    def person(self, handle: str) -> Person | None:
        """Which person goes by it."""
        return next((one for one in self.called(handle) if isinstance(one, Person)), None)

    def starter(self, handle: str) -> Person | Service:
        """Who started a release. Nobody may be unknown here: an unknown starter could approve under another name.

        Raises:
            UnknownStarterError: with the nearest name.
            SharedNameError: with the ids of those who have it.
        """
        found = [one for one in self.called(handle) if isinstance(one, Person) or one.id == plain(handle)]
        if not found:
            raise UnknownStarterError(handle, [name for person in self.people for name in person.handles])
        if len(found) > 1:
            raise SharedNameError(handle, [one.id for one in found])
        return found[0]

    def vkeys(self, origin: str) -> tuple[str, ...]:
        """The verifier keys that are trusted for a log."""
        return tuple(log.vkey for log in self.logs if log.origin == origin)

    def by_channel(self, channel: Literal["github", "gitlab", "slack"], handle: str) -> Person | None:
        """Who has that account there. No other name of theirs will do: an account could be called like one."""
        called = handle.lower()
        return next((one for one in self.people if (getattr(one, channel) or "").lower() == called != ""), None)

    def by_github(self, account: str) -> Person | Service | None:
        """Which person or service has that account at GitHub, by no other name of theirs."""
        robots = (one for one in self.services if one.github and one.github.lower() == account.lower())
        return self.by_channel("github", account) or next(robots, None)

    def holders(self) -> Iterator[tuple[bytes, Key, Person | Service]]:
        """Every key with its owner."""
        for owner in self._owners():
            for key in owner.keys:
                yield key.raw, key, owner

    def _owners(self) -> Iterator[Person | Service]:
        yield from self.people
        yield from self.services


def plain(handle: str) -> str:
    """One spelling of what people type: any case, width and spaces, an @ in front."""
    return " ".join(unicodedata.normalize("NFKC", handle).split()).removeprefix("@").casefold()


def _places(part: str, owners: Sequence[Person | Service]) -> Iterator[tuple[Place, str, str]]:
    """Where each name stands, whose it is, and the name."""
    for number, owner in enumerate(owners):
        yield (part, number, "id"), owner.id, owner.id
        yield from (((part, number, "emails", n), owner.id, mail) for n, mail in enumerate(owner.emails))
        for kind in ("name", "github", "gitlab", "slack"):
            if name := getattr(owner, kind, None):
                yield (part, number, kind), owner.id, name


def _refuse_shared(names: Iterable[tuple[Place, str, str]]) -> None:
    """One name of two would be taken for the wrong one of them, who then wrote or started what the other did."""
    first: dict[str, str] = {}
    for place, owner, name in names:
        if (other := first.setdefault(plain(name), owner)) != owner:
            raise PlaceError(place, f"{name!r} would be a name of {other!r} and of {owner!r}; each name is one owner's")


def _refuse_repeats(what: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{what} {repeated[0]!r} is listed twice")
