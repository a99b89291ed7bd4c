"""What people see of a release beside its flow run in the Prefect UI: the plan as a table, how far it is, a summary,
and where support reads about it.

It is for the eye alone: a server that does not take it stops nothing, and nothing is ever read from it.
"""

import logging
from collections.abc import Sequence

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
)
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException
from prefect.settings import get_current_settings

from stationmaster.blocks.carried import recalled
from stationmaster.blocks.migration_estimates import outlook, outlook_table
from stationmaster.blocks.owing import said
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.compatibility import SCHEMA
from stationmaster.domain.contract import Condition, rows
from stationmaster.domain.entries import Entry
from stationmaster.domain.errors import OutsideError, StationmasterError
from stationmaster.domain.homes import own_databases
from stationmaster.domain.summary import percent, plan_of, plan_rows, schema_rows, summary

_log = logging.getLogger("stationmaster.showing")
_PATIENCE = 2.0  # seconds


def show(
    tools: Toolbox, release: str, *, planned: bool = False, briefed: bool = False, begins: str | None = None
) -> None:
    """Show the release as the ledger has it now, with its plan when it was just `planned`, and with its brief when that
    was just sent; `begins` is a ring whose wave begins, of which the ledger does not know yet. Outside a flow run there
    is nobody to show it to.
    """
    if FlowRunContext.get() is None:
        return
    if not is_there(get_current_settings().api.url):
        _log.warning("%s is not shown as it is now: the Prefect server does not answer", release)
        return
    try:
        _show(tools, release, begins, planned=planned, briefed=briefed)
    except (PrefectException, httpx.HTTPError, OutsideError) as error:
        _log.warning("%s is not shown as it is now: %s", release, error)


def show_contract(release: str, found: dict[str, tuple[Condition, ...]]) -> None:
    """Show every condition of every database that a contract waits for, as a table in the Prefect UI."""
    if FlowRunContext.get() is None or not is_there(get_current_settings().api.url):
        return
    try:
        told = rows(one for conditions in found.values() for one in conditions)
        create_table_artifact(told, key=f"contract-{release}", description=f"What the contract of {release} waits for")
    except (PrefectException, httpx.HTTPError) as error:
        _log.warning("what the contract of %s waits for is not shown: %s", release, error)


def is_there(server: str | None) -> bool:
    """Whether a server answers at all. Prefect's client would try each artifact for more than a minute, while a release
    stands still. None is one that Prefect starts by itself.
    """
    try:
        return server is None or bool(httpx.get(f"{server}/health", timeout=_PATIENCE).status_code)
    except httpx.HTTPError:
        return False


def _show(tools: Toolbox, release: str, begins: str | None, *, planned: bool, briefed: bool) -> None:
    entries, running = tools.ledger.entries(release), tools.ledger.running()
    if not any(entry.step == "started" for entry in entries):
        return
    if plan := plan_of(entries):
        if planned:
            create_table_artifact(plan_rows(plan, running), key=f"plan-{release}", description=f"The plan of {release}")
        if planned and (schema := outlook_table(tools.ledger, release)):
            create_table_artifact(
                schema, key=f"schema-{release}", description=f"What the schema change of {release} is expected to take"
            )
        create_progress_artifact(
            percent(plan, entries), key=f"progress-{release}", description=f"Tenants of the plan that have {release}"
        )
    if own := own_databases(tools.ledger.latest(SCHEMA)):
        create_table_artifact(
            schema_rows(own), key=f"schemas-{release}", description="At which revision each tenant's own database is"
        )
    create_markdown_artifact(
        summary(
            release,
            entries,
            running,
            begins=begins,
            owed=_owed(tools, release, entries),
            schema=outlook(tools.ledger, release),
        ),
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


def _owed(tools: Toolbox, release: str, entries: Sequence[Entry]) -> list[str]:
    """What the product owes from before, as far as it can be told."""
    cut = next((entry.fact for entry in reversed(entries) if entry.step == "cut"), None)
    if cut is None:
        return []
    try:
        return said(tools, recalled(tools.source, release, cut).product)
    except StationmasterError as error:
        _log.warning("what is owed beside %s is not shown: %s", release, error)
        return []
