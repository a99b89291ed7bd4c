"""`plan`: what would be planned, from files alone. No server, no ledger, no release."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from stationmaster.cli.moments import typed_begin, typed_slot
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, table
from stationmaster.domain.errors import Exit, InputError, OutsideError

if TYPE_CHECKING:
    from stationmaster.domain.slots import Slotted

DAYS = 90
_LONGEST = 3660
_MOST = 6  # tenants of a wave that are named in a line


class UnwritablePlanError(OutsideError):
    """The file for the plan cannot be written there."""

    code = "unwritable_plan"


def plan(
    *,
    tenants: Path,
    config: Path | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    days: int = DAYS,
    duration: str | None = None,
    ics: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    json: Flag = False,
) -> int:
    """Say when each tenant would be reached, in which wave, and what keeps out who has no slot. Nothing is touched.

    Parameters
    ----------
    tenants
        The tenant directory; calendars are relative to it.
    config
        stationmaster.yaml, for ring order, soak, capacity and support hours. Without it: pilot, early, general, then
        others by name, no soak and no limit. Its `calendars` count for everybody.
    from_
        The instant to plan from, at which notices are taken to be sent; now unless given.
    days
        How many days may be planned.
    duration
        How long a wave takes, as 45m; `slot` of the configuration, or 45m, unless given.
    ics
        A file to write the waves into as iCalendar, or - for standard output, in the place of the answer.
    json
        One object on standard output.
    """
    from stationmaster.cli.planning import planned  # noqa: PLC0415 - numpy and calendars cost half a second

    if ics is not None and ics != "-" and ics.startswith("-"):
        raise InputError(f"--ics needs a file, and {ics} is an option", hint="--ics plan.ics, or --ics -")
    if ics == "-" and json:
        raise InputError("--ics - and --json both want standard output", hint="name a file: --ics plan.ics")
    begin = typed_begin(from_)
    if not 1 <= days <= _LONGEST:
        raise InputError(f"--days {days}: a plan takes 1 to {_LONGEST}", hint=f"--days {DAYS}")
    made = planned(tenants, config, begin, begin + timedelta(days=days), typed_slot(duration))
    if ics is not None:
        _export(made, begin, ics)
    if ics != "-":
        answer({**made.content(), "digest": made.digest}, as_json=json, text=_shown(made))
    return Exit.NO if made.unplaced else Exit.YES


def _export(made: "Slotted", at: datetime, target: str) -> None:
    from stationmaster.domain.ical_plan import as_icalendar  # noqa: PLC0415 - only who exports waits for it

    content = as_icalendar(made, at)
    if target == "-":
        print(content, end="")
        return
    try:
        Path(target).write_text(content, "utf-8", newline="")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UnwritablePlanError(f"the plan cannot be written: {why}", file=target, hint="name another file") from None


def _shown(made: "Slotted") -> str:
    content: dict[str, Any] = made.content()
    waves = [(wave["ring"], wave["start"], wave["end"], _names(wave["tenants"])) for wave in content["waves"]]
    lines = [table(["ring", "start", "end", "tenants"], waves) if waves else "no wave"]
    if made.unplaced:
        left = [(one.tenant, ", ".join(one.rules)) for one in made.unplaced]
        lines += ["", table(["no slot for", "because of"], left)]
    return "\n".join([*lines, "", f"digest {made.digest}"])


def _names(tenants: list[str]) -> str:
    more = len(tenants) - _MOST
    return ", ".join(tenants[:_MOST]) + (f" and {more} more" if more > 0 else "")
