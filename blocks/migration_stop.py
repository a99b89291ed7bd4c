"""Why a run of revisions ended before its target, in the guest process. `migration_running.py` makes an error of it."""


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
