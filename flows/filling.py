"""The backfills of a release, database by database, and what is shown of each beside the flow run while it lasts."""

import json
import logging
import re
import time
from typing import TYPE_CHECKING, Self, cast

import httpx
from prefect.artifacts import create_progress_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException
from prefect.settings import get_current_settings

from stationmaster.blocks.backfill_page import headline, percent, table
from stationmaster.blocks.backfilling import Progress
from stationmaster.blocks.leg import Leg
from stationmaster.domain.artifact import Cut
from stationmaster.flows.showing import is_there
from stationmaster.tasks.backfill import fill, left_to_fill, require_filled

if TYPE_CHECKING:
    from uuid import UUID

_log = logging.getLogger("stationmaster.filling")
_EVERY = 5.0  # seconds between two updates


def fill_in(leg: Leg, cut: Cut) -> None:
    """Everything that is left, one database after the other; one that has to wait keeps no other from it."""
    ended = []
    for job in left_to_fill(leg, cut):
        with Shown(leg.release, job.subject) as shown:
            ended.append(fill(leg, cut, job, shown))
    require_filled(leg, ended)


class Shown:
    """A progress artifact and a table of tenants, brought up to date while the block lasts, from whatever thread. It is
    for the eye alone: a server that does not take it stops nothing.
    """

    def __init__(self, release: str, about: str) -> None:
        self._key = re.sub(r"[^a-z0-9]+", "-", f"backfill-{release}-{about}".lower()).strip("-")
        self._about = about
        self._ids: tuple[UUID, UUID] | None = None
        self._last: Progress | None = None
        self._at = 0.0

    def __enter__(self) -> Self:
        if FlowRunContext.get() is not None and is_there(get_current_settings().api.url):
            try:
                done = create_progress_artifact(0.0, key=self._key, description=self._about)
                rows = create_table_artifact([], key=f"{self._key}-tenants", description=self._about)
                self._ids = (cast("UUID", done), cast("UUID", rows))
            except (PrefectException, httpx.HTTPError) as error:
                _log.warning("how far %s is, is not shown: %s", self._about, error)
        return self

    def __call__(self, progress: Progress) -> None:
        """What the engine tells about once a second."""
        self._last = progress
        if time.monotonic() - self._at >= _EVERY:
            self._at = time.monotonic()
            self._update(progress)

    def __exit__(self, *_: object) -> None:
        if self._last is not None:
            self._update(self._last)

    def _update(self, progress: Progress) -> None:
        if self._ids is None:
            return
        done, rows = self._ids
        try:
            with get_client(sync_client=True) as client:
                said = headline(progress)
                client.update_artifact(done, ArtifactUpdate(data=round(percent(progress), 1), description=said))
                client.update_artifact(rows, ArtifactUpdate(data=json.dumps(table(progress)), description=said))
        except (PrefectException, httpx.HTTPError) as error:
            _log.warning("how far %s is, is not shown: %s", self._about, error)
