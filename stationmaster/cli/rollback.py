"""`release rollback`: the routes go back here and now, without the Prefect server; the flow does the rest."""

import contextlib
from typing import TYPE_CHECKING

from pydantic import ValidationError

from stationmaster.blocks.going_back import lead_back, look_again, tenants_of
from stationmaster.blocks.holder import this_process
from stationmaster.blocks.leg import way_back
from stationmaster.blocks.ordering import give_order
from stationmaster.blocks.toolbox import PrefectAwayError
from stationmaster.cli import lookup
from stationmaster.cli.following import Run
from stationmaster.cli.output import say
from stationmaster.cli.person import whoami
from stationmaster.cli.tools import only_product, open_ledger, remembered
from stationmaster.deployments import descriptor
from stationmaster.deployments.descriptor import NoStackError
from stationmaster.domain.errors import Exit, InputError, StationmasterError
from stationmaster.domain.orders import in_force
from stationmaster.domain.progress import unfinished
from stationmaster.domain.request import ReleaseRequest, RollbackRequest
from stationmaster.domain.rollback import in_scope

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


class WhomError(InputError):
    """Nobody knows for whom the release is bad."""

    code = "whom"


def rollback(release: str, tenants: tuple[str, ...], *, everybody: bool, now: bool, reason: str, product: str) -> int:
    """Lead the tenants back, then have the flow finish it and follow that, if there is a Prefect server. The exit code
    says whether everybody in scope is back.

    Raises:
        WhomError: no tenant is named, and no verdict says for whom the release is bad.
        What `give_order` and `lead_back` raise.
    """
    with open_ledger(product) as ledger:
        lookup.find(ledger, release)
        request = _request(ledger, release, tenants, everybody=everybody, now=now, reason=reason, product=product)
        back = _routes(request)
        keep = _keep(ledger, request)
        say(_said(release, back, keep))
        entries = ledger.entries(release)
        if in_force(entries) == "rollback" or unfinished(entries):
            _finish(ledger, request)
        failed = lookup.find(ledger, release).trouble
        return Exit.NO if keep or (failed and failed.step == "failed") else Exit.YES


def _keep(ledger: "Ledger", request: RollbackRequest) -> list[str]:
    """Those in the request's scope who are still on the release."""
    return list(in_scope(request.release, request.scope, request.tenants, ledger.running()))


def _said(release: str, back: list[str], keep: list[str]) -> str:
    told = f"on the version before: {', '.join(back)}" if back else f"nobody went back from {release} now"
    if keep:
        told += f"; {', '.join(keep)} keep it, their windows are closed: --now takes them back at once"
    return told


def _routes(request: RollbackRequest) -> list[str]:
    """What helps the tenants, from the copies of the blocks alone. A flow that leads them back already is awaited."""
    tools = remembered(request.product)
    with tools.ledger:
        order = give_order(tools, request)
        with way_back(tools, request.release, this_process("release rollback"), request.starter) as leg:
            if in_force(tools.ledger.entries(request.release)) != "rollback":
                return []
            look_again(leg)
            return lead_back(leg, tenants_of(tools, request.release, order))


def _finish(ledger: "Ledger", request: RollbackRequest) -> None:
    """Flags, what nobody uses any more, the channel: by the flow. Without a server the watchdog has it done later."""
    after = ledger.entries(request.release)[-1].index
    with contextlib.suppress(NoStackError):
        descriptor.load().connect()
    try:
        from stationmaster.deployments.flow_runs import ROLLBACK  # noqa: PLC0415 - imports prefect
        from stationmaster.deployments.submission import create  # noqa: PLC0415 - as above

        run = create(ROLLBACK, request)
        first = next(entry.fact for entry in ledger.entries(request.release) if entry.step == "started")
        follow = ReleaseRequest.model_validate({**first, "id": request.release, "starter": request.starter})
        Run(follow, run.id, run.url, after).follow(ledger, lambda sentence: say(f"  {sentence}"))
    except PrefectAwayError:
        raise
    except StationmasterError as error:
        _later(request.release, error.message)
    except Exception as error:  # noqa: BLE001 - whatever keeps the server away: the tenants are safe
        _later(request.release, f"{type(error).__name__}: {error}")


def _later(release: str, why: str) -> None:
    say(f"the Prefect server does not take the rest: {why}")
    say("the tenants are back; flags and clearing up follow when it returns: the watchdog begins them, or you do with")
    say(f"  stationmaster release rollback {release} --reason WHY")


def _request(
    ledger: "Ledger", release: str, tenants: tuple[str, ...], *, everybody: bool, now: bool, reason: str, product: str
) -> RollbackRequest:
    named = () if everybody else tenants or _broken_for(ledger, release)
    if not named and not everybody:
        raise WhomError(
            f"no verdict says for whom {release} is bad",
            hint=f"name them with --tenant, or take everybody back: release rollback {release} --all --now",
        )
    try:
        return RollbackRequest(
            release=release, product=product or only_product(), scope="release" if everybody else "instance",
            tenants=named, now=now, reason=reason, starter=whoami(),
        )  # fmt: skip
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{first['input']!r} is not a valid {first['loc'][0]}: {first['msg']}") from None


def _broken_for(ledger: "Ledger", release: str) -> tuple[str, ...]:
    """For whom the last verdict that decided found the release bad, or an earlier order says so."""
    for entry in reversed(ledger.entries(release)):
        if entry.step == "rollback" and entry.fact["tenants"]:
            return tuple(entry.fact["tenants"])
        if entry.step == "verdict" and entry.fact["broken_for"]:
            return tuple(entry.fact["broken_for"])
    return ()
