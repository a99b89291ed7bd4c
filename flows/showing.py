"""What people see of a release beside its flow run in the Prefect UI: the plan as a table, how far it is, a summary,
and where support reads about it.

It is for the eye alone: a server that does not take it stops nothing, and nothing is ever read from it.
"""

import logging

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
)
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException

from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.errors import OutsideError
from stationmaster.domain.summary import percent, plan_of, plan_rows, summary

_log = logging.getLogger("stationmaster.showing")


def show(
    tools: Toolbox, release: str, *, planned: bool = False, briefed: bool = False, begins: str | None = None
) -> None:
    """Show the release as the ledger has it now, with its plan when it was just `planned`, and with its brief when that
    was just sent; `begins` is a ring whose wave begins, of which the ledger does not know yet. Outside a flow run there
    is nobody to show it to.
    """
    if FlowRunContext.get() is None:
        return
    try:
        _show(tools, release, begins, planned=planned, briefed=briefed)
    except (PrefectException, httpx.HTTPError, OutsideError) as error:
        _log.warning("%s is not shown as it is now: %s", release, error)


def _show(tools: Toolbox, release: str, begins: str | None, *, planned: bool, briefed: bool) -> None:
    entries, running = tools.ledger.entries(release), tools.ledger.running()
    if not any(entry.step == "started" for entry in entries):
        return
    if plan := plan_of(entries):
        if planned:
            create_table_artifact(plan_rows(plan, running), key=f"plan-{release}", description=f"The plan of {release}")
        create_progress_artifact(
            percent(plan, entries), key=f"progress-{release}", description=f"Tenants of the plan that have {release}"
        )
    create_markdown_artifact(
        summary(release, entries, running, begins=begins),
        key=f"summary-{release}",
        description=f"{release}, as the ledger has it",
    )
    if sent := next((entry.fact for entry in entries if briefed and entry.step == "briefed"), None):
        create_link_artifact(
            tools.chat.link(sent["ts"]),
            link_text="The support brief",
            key=f"brief-{release}",
            description=f"What support reads of {release}, brought up to date at each wave",
        )
