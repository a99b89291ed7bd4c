"""The modes in which a tenant's service can be: in full, read-only, or behind a maintenance page. Values; who answers
for a mode is said elsewhere.
"""

from typing import Literal, get_args

Mode = Literal["read_only", "maintenance"]
MODES: tuple[Mode, ...] = get_args(Mode)
SERVED = "rw"  # no mode: everything is answered


def in_words(mode: str) -> str:
    """As people read it."""
    return {"read_only": "read-only", "maintenance": "behind a maintenance page", SERVED: "served in full"}[mode]
