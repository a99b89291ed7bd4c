"""What `calendar show` asks before it draws: files, or the blocks and the ledger of a product."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from stationmaster.blocks.calendars import load_calendars
from stationmaster.cli.lookup import find
from stationmaster.cli.person import now
from stationmaster.cli.planning import planned as lay_out
from stationmaster.cli.tools import only_product, open_ledger, recall
from stationmaster.domain.agenda import Agenda, agenda
from stationmaster.domain.calendar_picture import Picture, Planned, picture, planned, recorded
from stationmaster.domain.documents import read
from stationmaster.domain.errors import InputError
from stationmaster.domain.freeze import FREEZES, Freeze, in_force
from stationmaster.domain.plan import Plan, plan
from stationmaster.domain.product import Product
from stationmaster.domain.slots import ring_order
from stationmaster.domain.tenants import Directory, Tenant

_CONFIG = "stationmaster.yaml"
_UNBUILT = "sha256:" + "0" * 64  # no tenant can run what is not built


class NotPlannedError(InputError):
    """The release has no plan yet."""

    code = "unplanned_release"


@dataclass(frozen=True)
class Shown:
    """What was asked for: from when, None for now; for how long; in days of which zone; seconds that a wave takes."""

    begin: datetime | None
    length: timedelta
    zone: str
    duration: int | None

    def draw(
        self,
        tenants: Iterable[Tenant],
        calendars: Agenda,
        *,
        rings: Iterable[str],
        waves: Iterable[Planned],
        left: Mapping[str, str],
        freezes: Iterable[Freeze] = (),
        since: datetime | None = None,
    ) -> Picture:
        """The picture from what was asked, or from `since`."""
        begin = self.begin or since or now()
        end = begin + self.length
        return picture(
            tenants, calendars.every(), tuple(waves), begin=int(begin.timestamp()), end=int(end.timestamp()),
            zone_name=self.zone, rings=tuple(rings), left=left, freezes=tuple(freezes),
        )  # fmt: skip


def of_files(tenants: Path, config: Path | None, shown: Shown) -> Picture:
    """What `plan` plans of the same files. Errors are those of `planning.planned`."""
    begin = (shown.begin or now()).replace(microsecond=0)
    made = lay_out(tenants, config, begin, begin + shown.length, shown.duration)
    directory = read(Directory, tenants.read_text("utf-8"), str(tenants)).value.tenants
    own = load_calendars(directory, tenants.parent, str(tenants))
    product = _of_file(config) if config else None
    rings = _rings(product) if product else ring_order(tenant.ring for tenant in directory)
    left = {one.tenant: ", ".join(one.rules) for one in made.unplaced}
    calendars = agenda(product, own) if product else Agenda(own)
    return shown.draw(directory, calendars, rings=rings, waves=planned(made.waves), left=left, since=begin)


def of_product(product: str | None, config: Path | None, shown: Shown) -> Picture:
    """What would be planned if a release of a product were ready, for all tenants that are not pinned."""
    from stationmaster.blocks.agendas import agenda_of  # noqa: PLC0415 - loads every block; files need none

    name = product or only_product()
    configured = _configured(name, config)
    if shown.duration:
        configured = configured.model_copy(update={"slot": shown.duration})
    source = recall("tenants", name)
    directory: Directory = source.read(configured)
    calendars = agenda_of(source, directory, configured)
    made = plan(configured, directory, {}, _UNBUILT, agenda=calendars, at=shown.begin or now())
    waves, left = recorded(made)
    rings, freezes = _rings(configured), _freezes(name)
    return shown.draw(directory.tenants, calendars, rings=rings, waves=waves, left=left, freezes=freezes)


def of_release(product: str | None, release: str, shown: Shown) -> Picture:
    """The plan of a release as it was recorded last, beside the calendars as they are.

    Raises:
        UnknownReleaseError: there is no such release.
        NotPlannedError: it has no plan yet.
    """
    from stationmaster.blocks.agendas import agenda_of  # noqa: PLC0415

    name = product or only_product()
    with open_ledger(name) as ledger:
        find(ledger, release)
        entries = [entry for entry in ledger.entries(release) if entry.step in ("planned", "cut")]
    made = next((Plan.from_fact(entry.fact) for entry in reversed(entries) if entry.step == "planned"), None)
    if made is None:
        raise NotPlannedError(f"{release} has no plan yet", hint=f"stationmaster release status {release}")
    configured = _configured(name, None, next(entry.fact["commit"] for entry in entries if entry.step == "cut"))
    source = recall("tenants", name)
    directory: Directory = source.read(configured)
    waves, left = recorded(made)
    since = min([now(), *(wave.start for wave in made.waves if wave.start)])
    calendars = agenda_of(source, directory, configured)
    rings, freezes = _rings(configured), _freezes(name)
    return shown.draw(directory.tenants, calendars, rings=rings, waves=waves, left=left, freezes=freezes, since=since)


def _configured(product: str, config: Path | None, ref: str = "main") -> Product:
    """The product's configuration, from a file or from a commit."""
    if config:
        return _of_file(config)
    source: Any = recall("source", product)
    return read(Product, source.read(source.resolve(ref).commit, _CONFIG), _CONFIG).value


def _of_file(config: Path) -> Product:
    try:
        text = config.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", file=str(config), hint="name a stationmaster.yaml") from None
    return read(Product, text, str(config)).value


def _rings(product: Product) -> tuple[str, ...]:
    return tuple(ring.name for ring in product.rings)


def _freezes(product: str) -> tuple[Freeze, ...]:
    with open_ledger(product) as ledger:
        return in_force(ledger.latest(FREEZES), now())
