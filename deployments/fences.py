"""The newest epoch seen of each release's lease; whoever comes with an older one is refused.

Kept in a file, so that a restarted supervisor still refuses a holder that slept through a takeover.
"""

import json
from pathlib import Path

from stationmaster.blocks.durable import write
from stationmaster.blocks.supervisor import Fence, FencedError


class Fences:
    """Epochs by release."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}

    def admit(self, fence: Fence) -> None:
        """Remember the epoch.

        Raises:
            FencedError: a newer one was seen.
        """
        newest = self._newest.get(fence.release, -1)
        if fence.epoch < newest:
            raise FencedError(
                f"release {fence.release} was taken over: epoch {fence.epoch} is older than {newest}",
                hint=f"another process continues it: `stationmaster release status {fence.release}`",
            )
        if fence.epoch > newest:
            self._newest[fence.release] = fence.epoch
            write(self._path, json.dumps(self._newest))
