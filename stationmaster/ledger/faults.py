"""What can go wrong with the ledger's database, named for the fact, and how a driver's error is recognised."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from stationmaster.domain.errors import InputError, OutsideError, RefusedError, StationmasterError


class LedgerAddressError(InputError):
    """The address is not one of a ledger."""

    code = "ledger_address"


class LedgerUnreachableError(OutsideError):
    """The database does not answer, or the connection broke: the outcome of the last call is unknown."""

    code = "ledger_unreachable"


class LedgerBusyError(OutsideError):
    """Somebody else held the database for longer than we wait; nothing was written."""

    code = "ledger_busy"


class LedgerFullError(OutsideError):
    """No space for the entry; nothing was written and nothing written before is lost."""

    code = "ledger_full"


class LedgerFaultError(OutsideError):
    """The database refused for a reason we have no better name for; nothing was written."""

    code = "ledger_fault"


class LedgerForbiddenError(OutsideError):
    """The role in the address may not do this; nothing was written."""

    code = "ledger_forbidden"


class LedgerAppendOnlyError(RefusedError):
    """Somebody tried to change what is in the ledger, and its triggers refused; nothing was written."""

    code = "ledger_append_only"


class LedgerSchemaError(StationmasterError):
    """The database has tables that this version of Stationmaster does not know."""

    code = "ledger_schema"

    def __init__(self, where: str, found: str) -> None:
        super().__init__(
            f"the ledger {where} has schema {found!r}, which this version of Stationmaster does not know",
            hint="use the newer Stationmaster that wrote it; nothing was changed",
        )
        self.found = found


class LedgerTamperedError(StationmasterError):
    """A stored row is not what was appended."""

    code = "ledger_tampered"

    def __init__(self, index: int, what: str) -> None:
        super().__init__(
            f"entry {index} of the ledger is not what was appended: {what}",
            hint="somebody changed the table; restore it from a backup and compare",
        )
        self.index = index
        self.what = what


class LedgerShortError(StationmasterError):
    """The ledger has fewer entries than were asked for."""

    code = "ledger_short"

    def __init__(self, size: int, wanted: int) -> None:
        super().__init__(
            f"the ledger has {size} entries, not {wanted}",
            hint="if it had more once, entries were taken away: compare it with a backup and the published checkpoints",
        )
        self.size = size
        self.wanted = wanted


# PostgreSQL by SQLSTATE, SQLite by the words of its message. First match wins.
_FULL = ("53100", "database or disk is full")
_BUSY = ("57014", "55P03", "40P01", "25P03", "database is locked", "database table is locked")
_FORBIDDEN = ("42501",)
_APPEND_ONLY = ("the ledger is append-only",)
_UNREACHABLE = ("57P01", "57P02", "57P03", "53300", "08", "unable to open database file", "disk I/O error")


def named(error: DBAPIError, where: str) -> StationmasterError:
    """The error a person gets for a driver's error."""
    state, words = getattr(error.orig, "sqlstate", None) or "", " ".join(str(error.orig).split())
    if _is(_FULL, state, words):
        return LedgerFullError(
            f"no space left for the ledger {where}; the entry was not written, what was recorded before is safe",
            hint="free some space there, then start the release again with the same id",
        )
    if _is(_BUSY, state, words):
        return LedgerBusyError(
            f"the ledger {where} was held by somebody else for too long", hint="try again; nothing was written"
        )
    if _is(_APPEND_ONLY, state, words):
        return LedgerAppendOnlyError(f"{words}, {where}", hint="nothing was changed; entries are only ever added")
    if _is(_FORBIDDEN, state, words):
        return LedgerForbiddenError(
            f"the ledger {where} does not let this role: {words}",
            hint="a new schema is brought in by the owner of its tables: docs/explanation/log.md says how",
        )
    if error.connection_invalidated or not _is_server_verdict(error, state) or _is(_UNREACHABLE, state, words):
        return LedgerUnreachableError(
            f"the ledger {where} does not answer: {words}",
            hint="check that its database runs and has room on its disk, then run the same command again",
        )
    return LedgerFaultError(f"the ledger {where} refused: {words}", hint="run `stationmaster doctor`")


def _is(signs: tuple[str, ...], state: str, words: str) -> bool:
    return any(state.startswith(sign) if sign[0].isdigit() else sign in words for sign in signs)


def _is_server_verdict(error: DBAPIError, state: str) -> bool:
    """There is no SQLSTATE when no server spoke; SQLite never has one and is always there."""
    return bool(state) or type(error.orig).__module__.startswith("sqlite3")


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Driver errors leave this block under their own names. `where` must hold no password."""
    try:
        yield
    except PoolTimeoutError as error:
        raise LedgerBusyError(f"no connection to the ledger {where} became free", hint="try again") from error
    except DBAPIError as error:
        raise named(error, where) from error
