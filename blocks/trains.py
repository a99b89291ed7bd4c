"""What a release train is decided by: its schedule, at the head of its branch; who is aboard; what closes production,
and what is owed. It decides nothing and starts nobody.
"""

from dataclasses import dataclass
from datetime import datetime

from stationmaster.blocks.carried import CONFIG, brought, merged, on_hold, product_at
from stationmaster.blocks.owing import MAIN, owed
from stationmaster.blocks.source import GitRepository
from stationmaster.blocks.toolbox import Toolbox
from stationmaster.domain.artifact import Commit
from stationmaster.domain.boarding import Boarding, board
from stationmaster.domain.errors import InputError
from stationmaster.domain.freeze import FREEZES, closing, in_force
from stationmaster.domain.product import Product
from stationmaster.domain.train import Owed, Train, cut_off_of, next_departure, train_id
from stationmaster.domain.window import Window, all_of

STARTER = "release-train"  # the service of approvers.yaml in whose name trains are started


class NoTrainError(InputError):
    """The product says nothing of trains."""

    code = "no_train"


class NoTrainServiceError(InputError):
    """Nobody could say who starts the trains."""

    code = "train_service"


@dataclass(frozen=True)
class Due:
    """A train that is to be served. `commit` is what was the head of the branch at its cut-off; None while nothing in
    the branch is as old as that and new to a tenant.
    """

    train: Train
    departure: datetime
    release: str
    commit: str | None
    boarding: Boarding
    owed: tuple[Owed, ...]

    @property
    def cut_off(self) -> datetime:
        return cut_off_of(self.train, self.departure)


def train_of(source: GitRepository) -> tuple[Product, Train, Commit]:
    """A product, its trains, and the head of their branch: `main` names the branch, whose own file says the rest.

    Raises:
        NoTrainError: one of the files has no `train`.
    """
    head = source.resolve(MAIN)
    product, train = _train(source, MAIN, head)
    if train.branch == MAIN:
        return product, train, head
    head = source.resolve(train.branch)
    return *_train(source, train.branch, head), head


def next_train(tools: Toolbox, product: str, after: datetime) -> Due:
    """The first train that leaves strictly after an aware instant, with all that is asked about it now.

    Raises:
        NoTrainError: as `train_of`.
    """
    file, train, head = train_of(tools.source)
    departure = next_departure(train, after)
    cut_off, running = cut_off_of(train, departure), tools.ledger.running().values()
    came = merged(tools.source, sorted({str(entry.fact["commit"]) for entry in running}), head.commit)
    return Due(
        train,
        departure,
        train_id(product, departure),
        next((one.commit for one in reversed(came) if one.at <= cut_off), None),
        board(came, cut_off, _held(tools, product)),
        tuple(owed(tools, file)),
    )


def production(tools: Toolbox) -> Window:
    """Whether production as a whole may be touched now: nobody froze it. Tenants have calendars of their own."""
    freezes = in_force(tools.ledger.latest(FREEZES), tools.now())
    return all_of(freeze.window for freeze in closing(freezes, env="production"))


def must_be_known(tools: Toolbox) -> None:
    """Return if approvers.yaml has the service that starts trains: by it everybody knows that no person did.

    Raises:
        NoTrainServiceError: it has not.
    """
    if STARTER not in {service.id for service in tools.signer.people().services}:
        raise NoTrainServiceError(
            f"there is no service {STARTER!r}, in whose name trains are started",
            file=tools.signer.approvers,
            hint=f"add it under services: {{id: {STARTER}}}",
        )


def _train(source: GitRepository, branch: str, head: Commit) -> tuple[Product, Train]:
    product = product_at(source, head.commit)
    if product.train is None:
        raise NoTrainError(
            f"{product.product} has no trains: {CONFIG} on {branch} has no `train`", file=CONFIG,
            hint="add `train: {cadence: FREQ=WEEKLY;BYDAY=TU;BYHOUR=9, zone: Europe/Berlin}`",
        )  # fmt: skip
    return product, product.train


def _held(tools: Toolbox, product: str) -> set[str]:
    """Commits that came with releases whose changes are on hold."""
    return {commit for cut in on_hold(tools.ledger, product).values() for commit in brought(cut)}
