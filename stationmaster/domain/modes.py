"""The modes in which a tenant's service can be: in full, read-only, or behind a maintenance page; and how a revision
says that it needs one. Values; who answers for a mode is said elsewhere.
"""

import re
from typing import Literal, get_args

from stationmaster.domain.errors import InputError, nearest

Mode = Literal["read_only", "maintenance"]
MODES: tuple[Mode, ...] = get_args(Mode)  # the mildest first
SERVED = "rw"  # no mode: everything is answered
_SAYS = re.compile(r"^-- needs (\S+): revision (\S+)$", re.MULTILINE)


class ModeUnknownError(InputError):
    """A revision needs a mode that there is not."""

    code = "mode_unknown"


def in_words(mode: str) -> str:
    """As people read it."""
    return {"read_only": "read-only", "maintenance": "behind a maintenance page", SERVED: "served in full"}[mode]


def heading(needs: object, revision: str) -> str:
    """What stands in rendered SQL before a revision that says `needs`.

    Raises:
        ModeUnknownError: there is no such mode.
    """
    return f"-- needs {_known(needs, revision)}: revision {revision}"


def said_in(sql: str) -> dict[str, Mode]:
    """The revisions of rendered SQL that say what they need, and what.

    Raises:
        ModeUnknownError: there is no such mode.
    """
    return {revision: _known(mode, revision) for mode, revision in _SAYS.findall(sql)}


def _known(needs: object, revision: str) -> Mode:
    for mode in MODES:
        if needs == mode:
            return mode
    near = nearest(needs, MODES) if isinstance(needs, str) else f"one of {', '.join(MODES)}"
    raise ModeUnknownError(f"revision {revision} needs {needs!r}, and there is no such mode", hint=near)
