"""From `release start` to a flow run: which release is meant, and handing it to the Prefect server."""

import contextlib
import re
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import ValidationError

from stationmaster.blocks.confirmation import confirm, confirmation
from stationmaster.blocks.toolbox import PrefectAwayError
from stationmaster.blocks.workers import worker_of
from stationmaster.cli import lookup
from stationmaster.cli.following import Run
from stationmaster.cli.output import say
from stationmaster.cli.person import now
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.deployments import descriptor
from stationmaster.deployments.descriptor import NoStackError
from stationmaster.domain.approvers import Person
from stationmaster.domain.errors import InputError, RefusedError, StationmasterError
from stationmaster.domain.release import UnknownReleaseError, status
from stationmaster.domain.request import Kind, ReleaseRequest
from stationmaster.domain.stages import CLOSED
from stationmaster.domain.ticket import SHAPE
from stationmaster.ledger.leases import LeaseHeldError

if TYPE_CHECKING:
    from stationmaster.deployments.submission import Submitted
    from stationmaster.domain.entries import Entry
    from stationmaster.domain.flow_runs import Worker
    from stationmaster.ledger.leases import Lease
    from stationmaster.ledger.store import Ledger


_SHAPES = {
    "id": "a release's id has lower-case letters, digits and hyphens, 63 at most: orderdesk-1-2-0",
    "ticket": f"a ticket is {SHAPE}",
}


class ReleaseOpenError(RefusedError):
    """A release of this version is under way."""

    code = "release_open"

    def __init__(self, release: str, stage: str) -> None:
        super().__init__(
            f"{release} is {stage}, so another release of the same version is not begun",
            hint=f"go on with it: stationmaster release start {release}",
        )


class MayNotStartError(RefusedError):
    """Who is named may not start a release."""

    code = "may_not_start"


class ReleaseOverError(InputError):
    """The release is aborted or released."""

    code = "release_over"


def submit(
    release: str | None, *, product: str | None, ref: str | None, starter: str, hotfix: bool = False,
    ticket: str | None = None,
) -> tuple[ReleaseRequest, Run]:  # fmt: skip
    """Hand a release to the Prefect server: one that stopped goes on in its own flow run, one under way is followed.

    Raises:
        InputError: the id is not one, or the release exists with another ref or product, or is over.
        ReleaseOpenError: no id was given, and a release of this version is under way.
        LeaseHeldError: somebody works on it already, and not in a flow run that could be followed.
        PrefectAwayError: nobody took it.
    """
    home = product or only_product()
    with open_ledger(home) as ledger:
        request = _request(
            ledger, release, product=product, home=home, ref=ref, starter=starter, hotfix=hotfix, ticket=ticket
        )
        held, worker = lookup.worker(ledger, request.id), worker_of(ledger, request.id, now())
        if held is None:
            _must_know_a_server()
            if confirmation(ledger, request.id) is None:
                _must_be_a_person(home, request.starter)
            confirm(ledger, recall("signer", home), request, "command line", now())
        known = ledger.entries(request.id)  # read last: what a leg leaves is there before its lease ends
    try:
        run = _follow(held) if held else _go_on(request, worker, known)
    except StationmasterError:
        raise
    except Exception as error:
        raise PrefectAwayError(
            f"the Prefect server does not take the release: {type(error).__name__}: {error}", hint="stationmaster up"
        ) from error
    return request, Run(request, run.id, run.url, known[-1].index if known else -1)


def _must_be_a_person(product: str, starter: str) -> None:
    """Return if it is somebody who may start releases now: whoever confirms a start first stays the starter.

    Raises:
        UnknownStarterError: nobody knows them.
        MayNotStartError: it is a service, or somebody whose time is over.
    """
    found = recall("signer", product).people().starter(starter)
    if not isinstance(found, Person):
        raise MayNotStartError(f"{found.id} is a service, and at the command line sits a person", hint="--starter YOU")
    if not found.valid(now()):
        raise MayNotStartError(f"{found.id} may not start releases now, says approvers.yaml", hint="see from and until")


def _must_know_a_server() -> None:
    """Return when there is one to ask, so that nothing is recorded of what nobody will do."""
    from stationmaster.deployments.flow_runs import connected  # noqa: PLC0415 - imports prefect

    with contextlib.suppress(NoStackError):  # then a server elsewhere; the person's own Prefect settings say where
        descriptor.load().connect()
    connected()


def _go_on(request: ReleaseRequest, worker: "Worker", known: "list[Entry]") -> "Submitted":
    from stationmaster.deployments.submission import go_on  # noqa: PLC0415 - imports prefect

    heard = datetime.fromisoformat(known[-1].at) if known else datetime.min.replace(tzinfo=UTC)
    ended = bool(known) and known[-1].step in {"waiting", "held", "failed"}
    return go_on(request, worker, heard, ended=ended)


def _follow(held: "Lease") -> "Submitted":
    """The flow run that works on it already: the watchdog may have been faster.

    Raises:
        LeaseHeldError: it is none, or Prefect cannot be asked.
    """
    from stationmaster.deployments.submission import under_way  # noqa: PLC0415 - imports prefect

    with contextlib.suppress(Exception):  # whoever holds it holds it, whatever Prefect says
        if run := under_way(held.release):
            say(f"{held.holder} works on it already")
            return run
    raise LeaseHeldError(held.release, held.holder, held.until)


def _request(
    ledger: "Ledger",
    release: str | None,
    *,
    product: str | None,
    home: str,
    ref: str | None,
    starter: str,
    hotfix: bool = False,
    ticket: str | None = None,
) -> ReleaseRequest:
    """`product` is the one the person named, `home` the one that a new release is of."""
    if release and ledger.entries(release):
        found = _continued(ledger, str(release), product, ref, starter)
        if hotfix and found.kind != "hotfix":
            raise InputError(f"{release} was started as no hotfix", hint="give the hotfix another id")
        _must_be_its_ticket(found, ticket)
        return found
    if release and ref is None:
        _must_not_be_misspelt(release, [one for one in ledger.releases() if _stage(ledger, one) not in CLOSED])
    try:
        recall("signer", home).people().starter(starter)
        name = release or _name(ledger, home, ref or "main")
        kind: Kind = "hotfix" if hotfix else "manual"
        return ReleaseRequest(id=name, product=home, ref=ref or "main", kind=kind, starter=starter, ticket=ticket)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{first['input']!r} is not a valid {first['loc'][0]}: {first['msg']}",
            hint=_SHAPES.get(str(first["loc"][0]), "see `stationmaster release start --help`"),
        ) from None


def _must_be_its_ticket(found: ReleaseRequest, ticket: str | None) -> None:
    """Return unless another ticket is given than the one that the start was confirmed with: that stays as it is."""
    if ticket is not None and ticket.strip() != found.ticket:
        said = f"with ticket {found.ticket}" if found.ticket else "without a ticket"
        raise InputError(
            f"{found.id} was started {said}, not with {ticket}",
            hint="a change fragment may name more; else abort it, and start a new release with --ticket",
        )


def _continued(ledger: "Ledger", release: str, product: str | None, ref: str | None, starter: str) -> ReleaseRequest:
    asked = next((one for one in ledger.entries(release) if one.step in {"started", "confirmed"}), None)
    if asked is None:
        raise UnknownReleaseError(release, hint="it is the name of what ran before the first release")
    started = {name: value for name, value in asked.fact.items() if name != "assurance"}
    for name, given in (("ref", ref), ("product", product)):
        if given not in (None, started[name]):
            raise InputError(
                f"{release} was started with {name} {started[name]}, not {given}",
                hint=f"leave --{name} out, or give another id",
            )
    if (stage := _stage(ledger, release)) in CLOSED:
        hint = "`stationmaster release start` without an id begins a new one"
        raise ReleaseOverError(f"{release} is {stage}", hint=hint)
    return ReleaseRequest.model_validate({**started, "id": release, "starter": starter})


def _must_not_be_misspelt(release: str, known: list[str]) -> None:
    """A name nobody knows begins a release of main, which is not what was meant by almost the name of an open one."""
    if near := get_close_matches(release, known, n=1, cutoff=0.8):
        raise UnknownReleaseError(release, hint=f"did you mean {near[0]!r}? a new release of that name needs --ref")


def _name(ledger: "Ledger", product: str, ref: str) -> str:
    """`orderdesk-1-2-0`; a number follows when that name was used for a release that is over."""
    version = recall("source", product).resolve(ref).version
    plain = re.sub(r"[^a-z0-9]+", "-", f"{product}-{version}".lower()).strip("-")[:58]
    for name in (plain, *(f"{plain}-{number}" for number in range(2, 10_000))):
        if not ledger.entries(name):
            return name
        if (stage := _stage(ledger, name)) not in CLOSED:
            raise ReleaseOpenError(name, stage)
    raise InputError(f"every name for {plain} is taken", hint="give the release an id of your own")


def _stage(ledger: "Ledger", release: str) -> str:
    return status(release, ledger.entries(release), {}).stage
