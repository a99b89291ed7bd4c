"""The blackouts that a release meets, for whoever types the name of one. It reads the release's own commit, the tenant
directory and its calendars; it waives nothing.
"""

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stationmaster.blocks.agendas import agenda_of
from stationmaster.blocks.carried import recalled
from stationmaster.cli.person import now
from stationmaster.cli.tools import recall
from stationmaster.domain import blackout
from stationmaster.domain.agenda import shared_calendars
from stationmaster.domain.calendar import Action, Named
from stationmaster.domain.calendar_rules import UnknownDaysError
from stationmaster.domain.errors import InputError, nearest
from stationmaster.domain.freeze import ENVIRONMENTS
from stationmaster.domain.passage import Gate
from stationmaster.domain.plan import Plan

if TYPE_CHECKING:
    from stationmaster.ledger.store import Ledger


_ACTIONS: tuple[Action, ...] = ("deploy", "migration")


class UnknownBlackoutError(InputError):
    """No calendar that the release meets has such a blackout."""

    code = "unknown_blackout"


@dataclass(frozen=True)
class Met:
    """The calendars that a release meets, and why others cannot be read."""

    release: str
    calendars: tuple[Named, ...]
    unread: Collection[str]

    def in_force(self) -> dict[str, Gate]:
        """The gate of each blackout in force now, by its name: for routes, and for databases. A calendar of which that
        is not known keeps nobody from the others.
        """
        return self._asked()[0]

    def _asked(self) -> tuple[dict[str, Gate], set[str]]:
        """What is in force, and why that is not known of some calendars."""
        at, gates, unknown = now(), dict[str, Gate](), set[str]()
        for named in self.calendars:
            for action in _ACTIONS:
                try:
                    gates |= {one.ref: one.gate for one in blackout.in_force((named,), at, action)}
                except UnknownDaysError as error:
                    unknown.add(error.message)
        return gates, unknown

    def must_know(self, ref: str) -> None:
        """Return if one of the calendars has such a blackout, in force or not.

        Raises:
            UnknownBlackoutError: none has; with the nearest, and those in force.
        """
        names = {named.ref(rule.name) for named in self.calendars for rule in named.calendar.blackouts}
        if ref not in names:
            near = nearest(ref, names)
            raise UnknownBlackoutError(
                f"no calendar that {self.release} meets has a blackout {ref!r}",
                hint="; ".join([*([near] if near else []), self.said()]),
            )

    def said(self) -> str:
        """Those in force, as they are typed, and what cannot be read."""
        gates, unknown = self._asked()
        ways = ", ".join(f"--blackout {shlex.quote(ref)}" for ref in sorted(gates))
        said = f"in force is {ways}" if ways else "no blackout is in force"
        return "; ".join([said, *sorted({*self.unread, *unknown})])


def met(ledger: "Ledger", product: str, release: str) -> Met:
    """Those of the product, its environments and the tenants on the instances of its plan; before there is a plan, of
    all tenants. None before it is cut.
    """
    entries = ledger.entries(release)
    cut = next((entry.fact for entry in entries if entry.step == "cut"), None)
    if cut is None:
        return Met(release, (), ())
    config, tenants = recalled(recall("source", product), release, cut).product, recall("tenants", product)
    directory = tenants.read()
    planned = next((entry for entry in reversed(entries) if entry.step == "planned"), None)
    waves = Plan.from_fact(planned.fact).waves if planned else ()
    places = {instance for wave in waves for instance in wave.instances}
    agenda = agenda_of(tenants, directory, config)
    own = [agenda.of(one.id) for one in directory.tenants if planned is None or one.instance in places]
    calendars = [named for found in own if not isinstance(found, str) for named in found]
    calendars += [named for environment in ENVIRONMENTS for named in shared_calendars(config, environment)]
    unique = {id(named.calendar): named for named in calendars}
    return Met(release, tuple(unique.values()), {found for found in own if isinstance(found, str)})
