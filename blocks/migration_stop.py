"""Why a run of revisions ended before its target, in the guest process. `migration_running.py` makes an error of it."""

import sys
import traceback

CODES = {"unknown": 65, "busy": 75}  # of exit; everything else is 1
NO_LOCK = ("55P03", "40P01")  # lock not available in time, deadlock: rolled back, and worth another try


class StopRun(Exception):  # noqa: N818 - it is no error of ours
    """`code` is what the parent tells it again by."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class NotNow(Exception):  # noqa: N818 - it is tried again
    """A statement was not sent, because somebody holds what it would wait for."""

    def __init__(self, taken: tuple[tuple[str, str], ...]) -> None:
        super().__init__("somebody holds what this statement would wait for")
        self.taken = taken


def sqlstate(error: BaseException | None) -> str | None:
    """PostgreSQL's code, as either driver has it, or SQLAlchemy around one."""
    error = getattr(error, "orig", None) or error
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)


def complain(error: BaseException, where: str) -> int:
    """The traceback, then a last line that names the revision."""
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
    print(said(error, where), file=sys.stderr)  # noqa: T201
    return 1


def said(error: BaseException, where: str) -> str:
    """One line. A product's own exit code would be taken for one of ours."""
    if isinstance(error, SystemExit):
        return f"{where} ended the process: {error.code}"
    return f"{where} raised {type(error).__name__}: {error}".splitlines()[0]
