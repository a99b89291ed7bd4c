"""When a release may reach each tenant: its own calendars and those that all share, for as long as a wave takes.

It stops nobody itself, and knows no freeze. Whoever has no calendar that can be read is closed, with the reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from stationmaster.domain.blackout import Passages, Question
from stationmaster.domain.calendar import Action, Named
from stationmaster.domain.calendar_answers import notice_days
from stationmaster.domain.calendar_rules import UnknownDaysError
from stationmaster.domain.calendar_slots import Nowhere, Slot, next_slot
from stationmaster.domain.candidates import earliest
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import canonical, digest
from stationmaster.domain.product import Product
from stationmaster.domain.tenants import Tenant
from stationmaster.domain.window import Window, all_of
from stationmaster.domain.zones import tzdata_version

Calendars = tuple[Named, ...]
_SUPPORT = "stationmaster.yaml:support.hours"
_HORIZON = timedelta(days=400)
LATE = timedelta(minutes=5)  # by which a wave may begin after its planned start


@dataclass(frozen=True)
class Agenda:
    """`own` maps tenants to their calendars, or to the reason why they have none; `shared` are asked for everybody;
    `support` is when people are there, from start to end of a wave. `seconds` is how long a wave takes. `notices` are
    the days of notice that tenants want beside their calendars', and `sent` when each is taken to be sent. `passages`
    is what the waivers of the release that asks come to.
    """

    own: Mapping[str, Calendars | str]
    shared: Calendars = ()
    support: Calendars = ()
    seconds: int = 1
    notices: Mapping[str, int] = field(default_factory=dict)
    sent: Mapping[str, datetime] | None = None
    passages: Passages = field(default_factory=dict)
    _joined: dict[int, tuple[Calendars, Calendars]] = field(default_factory=dict, repr=False, compare=False)

    def of(self, tenant: str) -> Calendars | str:
        """All that decide about the tenant, or why nothing does. Tenants who share their own share the answer."""
        own = self.own.get(tenant, f"the tenant directory does not know {tenant}")
        if isinstance(own, str) or not self.shared:
            return own
        return self._joined.setdefault(id(own), (own, (*own, *self.shared)))[1]

    def every(self) -> dict[str, Calendars | str]:
        """`of` for each tenant."""
        return {tenant: self.of(tenant) for tenant in self.own}

    def window(self, tenant: str, at: datetime, planned: datetime | None = None) -> Window:
        """Whether a wave may begin at the tenant at an aware instant and has the time that it needs; if not, until
        when. What was `planned` for an instant a moment ago has the time that it had then: a process takes a while to
        start.
        """
        found = self.of(tenant)
        if isinstance(found, str):
            return Window(open=False, reason=found)
        days, noticed = self._noticed(tenant, found)
        asked = self._asked(tenant, found)
        if noticed is not None and at < noticed:
            slot = asked.window(noticed)
            until = noticed if slot.open else slot.until
            return Window(
                open=False, reason=f"{tenant} has {days} days of notice, until {instant(noticed)}", until=until
            )
        late = planned is not None and planned <= at < planned + LATE
        if planned is not None and late and not asked.passed(at) and asked.at_once(at).open:
            return asked.window(planned)
        return asked.window(at)

    def lasting(self, seconds: float | None) -> "Agenda":
        """The same for what takes so long, where that is longer than a wave."""
        return replace(self, seconds=max(self.seconds, ceil(seconds or 0)))

    def together(self, tenants: Iterable[str], at: datetime) -> Slot | Nowhere:
        """The first slot from an aware instant on in which all of them may be reached, after the notice of each."""
        every: dict[int, Calendars] = {}
        for tenant in tenants:
            found = self.of(tenant)
            if isinstance(found, str):
                return Nowhere((found,))
            every[id(found)] = found
            noticed = self._noticed(tenant, found)[1]
            at = max(at, noticed) if noticed else at
        calendars = [*{id(one): one for found in every.values() for one in found}.values(), *self.support]
        if not calendars:
            return Slot(at, at + timedelta(seconds=self.seconds))
        try:
            return next_slot(calendars, timedelta(seconds=self.seconds), at, _HORIZON)
        except UnknownDaysError as error:
            return Nowhere((error.message,))

    def passing(self, passages: Passages) -> "Agenda":
        """The same for a release whose waivers come to that."""
        return replace(self, passages=passages)

    def question(self, tenant: str, action: Action = "deploy") -> Question | None:
        """What `window` and `migration` ask of the tenant's calendars; None where they cannot be read."""
        found = self.of(tenant)
        return None if isinstance(found, str) else self._asked(tenant, found, action)

    def _asked(self, tenant: str, calendars: Calendars, action: Action = "deploy") -> Question:
        support, seconds = (self.support, self.seconds) if action == "deploy" else ((), 1)
        return Question(tenant, calendars, support, seconds, action, self.passages)

    def _noticed(self, tenant: str, calendars: Calendars) -> tuple[int, datetime | None]:
        """How many days of notice the tenant has, and the instant at which they are over."""
        days = max(self.notices.get(tenant, 0), notice_days(calendars))
        if not days or self.sent is None or tenant not in self.sent:
            return days, None
        return days, datetime.fromtimestamp(earliest(self.sent[tenant], days, calendars[0].calendar.timezone), UTC)

    def any_time(self, tenant: str, at: datetime) -> Window:
        """The same for what takes no time and needs no support, as going back does."""
        found = self.of(tenant)
        return Window(open=False, reason=found) if isinstance(found, str) else Question(tenant, found).window(at)

    def migration(self, tenant: str, at: datetime) -> Window:
        """Whether what the tenant shares with others may be migrated at an aware instant: it keeps its service, so only
        blackouts that name `migration` close.
        """
        found = self.of(tenant)
        if isinstance(found, str):
            return Window(open=False, reason=found)
        return self._asked(tenant, found, "migration").at_once(at)

    def background(self, tenant: str, at: datetime) -> Window:
        """Whether what works in the background may touch the tenant's rows at an aware instant: it needs no window, and
        stands still in each blackout that names a deploy or a migration. No waiver passes one.
        """
        found = self.of(tenant)
        if isinstance(found, str):
            return Window(open=False, reason=found)
        without = tuple(
            replace(one, calendar=one.calendar.model_copy(update={"default": "open", "windows": ()})) for one in found
        )
        actions: tuple[Action, ...] = ("deploy", "migration")
        return all_of(Question(tenant, without, action=action).at_once(at) for action in actions)

    def facts(self) -> dict[str, Any]:
        """What decides, as plain data: a plan made by other facts is another plan."""
        known: dict[int, str] = {}

        def told(calendars: Calendars) -> str:
            if id(calendars) not in known:
                content = [named.calendar.model_dump(mode="json") for named in calendars]
                known[id(calendars)] = digest(canonical(content))
            return known[id(calendars)]

        every = {tenant: found if isinstance(found, str) else told(found) for tenant, found in self.every().items()}
        content = digest(canonical([every, told(self.support)]))
        return {"calendars": content, "tzdata": tzdata_version(), "slot": self.seconds}


def agenda(
    product: Product,
    own: Mapping[str, Calendars | str],
    tenants: Iterable[Tenant] = (),
    sent: Mapping[str, datetime] | None = None,
) -> Agenda:
    """Of a product's tenants in production. `own` are their calendars; `sent` is when the notice of each, of as many
    days as `tenants` want, is taken to be sent.
    """
    notices = {one.id: one.notice_days for one in tenants}
    return Agenda(own, shared_calendars(product, "production"), _support(product), product.slot, notices, sent)


def shared_calendars(product: Product, environment: str, file: str = "stationmaster.yaml") -> Calendars:
    """The product's own calendar and that of the environment. `file` is what the product's is called."""
    found = {"product": product.calendars.product, environment: getattr(product.calendars, environment)}
    return tuple(Named(f"{file}:calendars.{name}", one) for name, one in found.items() if one)


def _support(product: Product) -> Calendars:
    return (Named(_SUPPORT, product.support.hours),) if product.support.hours else ()


def environment_question(product: Product, environment: str, passages: Passages, action: Action = "deploy") -> Question:
    """May the environment as a whole be touched, by the calendars that all share? `passages` as those of an agenda."""
    return Question(environment, shared_calendars(product, environment), action=action, passages=passages)
