"""What a process printed, as it is kept: bounded, and without secrets. It reads nothing.

A guest may print anything: no text at all, or more than anybody reads. Of a long log the beginning and the end are
kept, and a line between them says how much is not.
"""

from dataclasses import dataclass

from stationmaster.domain.masking import Mask

LARGEST = 16 << 20  # bytes that are kept of what one process printed


@dataclass(frozen=True)
class Printed:
    """All that was printed; or its beginning and its end, and how many bytes between them were not read."""

    head: bytes
    unread: int = 0
    tail: bytes = b""

    def masked(self, mask: Mask) -> bytes:
        """The bytes that are kept. Of a secret that the cut goes through nothing stays: both ends at the cut lose as
        many bytes as the longest secret has.
        """
        head, tail = mask.bytes(self.head), mask.bytes(self.tail)
        if not self.unread:
            return head + tail
        edge = mask.longest
        head, tail = head[: max(0, len(head) - edge)], tail[edge:]
        return head + _cut(self.unread) + tail


def _cut(unread: int) -> bytes:
    told = f"[stationmaster: {unread:,} bytes are left out here; of a log {LARGEST >> 20} MiB are kept]"
    return f"\n{told}\n".encode()
