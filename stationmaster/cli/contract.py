"""`release contract`: what code before a release needs is taken away, by the flow; and what that waits for."""

import contextlib
import time
from typing import TYPE_CHECKING

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, bold, dim, say, table
from stationmaster.cli.person import whoami
from stationmaster.cli.tools import only_product, open_ledger
from stationmaster.domain.contract_status import ContractStatus, contract_status
from stationmaster.domain.errors import Exit, RefusedError
from stationmaster.domain.request import ContractRequest

if TYPE_CHECKING:
    from stationmaster.deployments.submission import Submitted
    from stationmaster.ledger.store import Ledger


class NobodyWantsItError(RefusedError):
    """Nobody asked for the contract of the release."""

    code = "contract_not_wanted"


def contract(
    release: str, *, status: Flag = False, detach: Flag = False, product: str | None = None, json: Flag = False
) -> int:
    """Take away what only code before a release needs, from each database where nobody runs that any more.

    It waits for all conditions of a database, holds nothing meanwhile, and looks again by time and by event; asking for
    it again looks now. Each database waits alone. Exit code 0: every database is contracted; with --status also when
    nothing stands in the way. 4: some wait; the message says for what. 1: it was refused, or a version that runs failed
    without it in stage. 3: its run ended, and nobody knows why.

    Parameters
    ----------
    release
        The release that brings the contract; it must be over.
    status
        Say what it waits for as of the last look, and start nothing.
    detach
        Return when the Prefect server has it.
    product
        The product, when several are known here.
    json
        One object on standard output.
    """
    from stationmaster.cli import lookup  # noqa: PLC0415 - --help needs no ledger
    from stationmaster.cli.following import RunCrashedError  # noqa: PLC0415

    home = product or only_product()
    with open_ledger(home) as ledger:
        found = lookup.find(ledger, release)
        if not status:
            before = ledger.entries(release)[-1].index
            run = _submit(ledger, ContractRequest(of=found.id, product=home, starter=whoami()))
            say(f"{bold(release)}: contract submitted, {dim(run.url)}")
            if not detach:
                _follow(ledger, release, run, before)
        known = contract_status(ledger.entries(release))
    if known is None:
        if detach:
            answer({"release": release, "contract": None}, as_json=json, text="submitted")
            return Exit.YES
        raise NobodyWantsItError(
            f"nobody asked for the contract of {release}", hint=f"stationmaster release contract {release}"
        )
    if not (status or detach or known.over or known.message):
        raise RunCrashedError(
            f"the run of the contract of {release} ended, and did not say why",
            hint=f"stationmaster release contract {release}",
        )
    answer({"release": release, "contract": known.model_dump()}, as_json=json, text=_shown(release, known))
    return Exit.YES if detach else _code(known)


def _submit(ledger: "Ledger", request: ContractRequest) -> "Submitted":
    from stationmaster.blocks.contracting import want_released  # noqa: PLC0415 - as above
    from stationmaster.blocks.toolbox import PrefectAwayError  # noqa: PLC0415
    from stationmaster.deployments import descriptor  # noqa: PLC0415
    from stationmaster.deployments.descriptor import NoStackError  # noqa: PLC0415

    want_released(ledger, request)
    with contextlib.suppress(NoStackError):
        descriptor.load().connect()
    from stationmaster.deployments.submission import contract as submit  # noqa: PLC0415 - imports prefect
    from stationmaster.domain.errors import StationmasterError  # noqa: PLC0415

    try:
        return submit(request)
    except StationmasterError:
        raise
    except Exception as error:
        raise PrefectAwayError(
            f"the Prefect server does not take the contract: {type(error).__name__}: {error}", hint="stationmaster up"
        ) from error


def _follow(ledger: "Ledger", release: str, run: "Submitted", seen: int) -> None:
    """Tell each entry after `seen` until the flow run has ended or waits."""
    from stationmaster.cli.following import has_ended  # noqa: PLC0415 - as above
    from stationmaster.domain.story import sentence  # noqa: PLC0415

    while True:
        ended = has_ended(run.id)
        for entry in ledger.entries(release, after=seen):
            if entry.step != "attested":
                say(f"  {sentence(entry)}")
            seen = entry.index
        if ended is not None:
            return
        time.sleep(0.5)


def _shown(release: str, known: ContractStatus) -> str:
    lines = [f"the contract of {release} is over" if known.over else known.message or "it is under way"]
    lines += [f"  {known.hint}"] if known.hint and not known.over else []
    if known.databases:
        lines += ["", table(["database", "is"], sorted(known.databases.items()))]
    if known.conditions:
        rows = [(one.instance, one.name, "yes" if one.met else "no", one.reason) for one in known.conditions]
        lines += ["", table(["database", "condition", "met", "why"], rows)]
    return "\n".join(lines)


def _code(known: ContractStatus) -> int:
    if known.over or known.message is None:
        return Exit.YES
    return Exit.WAITING if known.waiting_for else Exit.NO
