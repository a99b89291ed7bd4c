"""The newest epoch seen of each release's lease; whoever comes with an older one is refused.

Kept in a file, so that a restarted supervisor still refuses a holder that slept through a takeover.
"""

import json
from pathlib import Path

from stationmaster.blocks.supervisor import Fence, FencedError
from stationmaster.deployments.spare import Spare


class Fences:
    """Epochs by release."""

    def __init__(self, path: Path) -> None:
        self._file = Spare(path)
        self._newest: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}

    def admit(self, fence: Fence) -> None:
        """Remember the epoch, in the file first: what is obeyed must still be known after a restart.

        Raises:
            FencedError: a newer one was seen.
            NoSpaceError: it cannot be remembered, so it is not obeyed.
        """
        newest = self._newest.get(fence.release, -1)
        if fence.epoch < newest:
            raise FencedError(
                f"release {fence.release} was taken over: epoch {fence.epoch} is older than {newest}",
                hint=f"another process continues it: `stationmaster release status {fence.release}`",
            )
        if fence.epoch > newest:
            newer = self._newest | {fence.release: fence.epoch}
            self._file.write(json.dumps(newer))
            self._newest = newer
