"""`calendar …`: questions to calendar files. Nothing but the files is read: no server, no repository, no ledger."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from json import dumps
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from stationmaster.cli.moments import typed_duration, typed_instant
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer
from stationmaster.cli.person import now
from stationmaster.domain import calendar_files
from stationmaster.domain.calendar import Action, Calendar, Named
from stationmaster.domain.calendar_answers import LOOKAHEAD, state
from stationmaster.domain.calendar_rules import UnknownDaysError
from stationmaster.domain.calendar_slots import Slot, next_slot
from stationmaster.domain.documents import Document
from stationmaster.domain.duration import instant
from stationmaster.domain.errors import Exit, InputError
from stationmaster.domain.zones import tzdata_version

app = App(name="calendar", help="When may something be touched? Ask calendar files.")
app.command("stationmaster.cli.picture:show", name="show", help="Draw tenants by day: open, closed, planned.")
app.command("stationmaster.cli.calendar_import:import_", name="import", help="Turn an iCalendar file into YAML.")
For = Annotated[Action, Parameter(name="--for")]
Instants = Annotated[list[str], Parameter(negative="")]


class UnreadableCalendarError(InputError):
    """A calendar file is missing, or cannot be read."""

    code = "unreadable_calendar"


@app.command
def check(file: str, /, *files: str, at: Instants, action: For = "deploy", json: Flag = False) -> int:
    """Is it open at an instant? Exit code 0: at all instants that are given; 1: closed at one of them.

    Several files are asked together: it is open only where all are open.

    Parameters
    ----------
    file
        A calendar file.
    files
        More of them.
    at
        The instant that is meant, as 2026-11-24T21:30:00Z or with another offset. It may be given several times; the
        answers come in the same order.
    action
        What is to be done. Nothing closes a rollback; a hotfix is asked for as a deploy without a waiver.
    json
        One object on standard output, or a list when --at is given several times.
    """
    documents = _documents((file, *files))
    instants = [typed_instant("--at", text) for text in at]
    with _placed(documents):
        answers = [_state(_named(documents), asked, action) for asked in instants]
    if json:
        print(dumps(answers[0] if len(at) == 1 else answers, ensure_ascii=False))
    else:
        print("\n".join(_told(one) for one in answers))
    return Exit.YES if all(one["state"] == "open" for one in answers) else Exit.NO


@app.command(name="next")
def next_(
    file: str,
    /,
    *files: str,
    duration: str,
    after: str,
    horizon: str = "90d",
    action: For = "deploy",
    json: Flag = False,
) -> int:
    """The next slot of a length. Exit code 1: there is none, and why.

    It ends the longest cutoff of the files before any of them closes.

    Parameters
    ----------
    file
        A calendar file.
    files
        More of them; the slot is open in all.
    duration
        How long it takes, as 45m or 2h.
    after
        The slot does not start before this instant, as 2026-11-24T21:30:00Z.
    horizon
        How far is looked; the slot starts within it.
    action
        What is to be done.
    json
        One object on standard output.
    """
    documents, begin = _documents((file, *files)), typed_instant("--after", after)
    length, within = typed_duration("--duration", duration), typed_duration("--horizon", horizon)
    with _placed(documents):
        found = next_slot(_named(documents), length, begin, within, action)
    if isinstance(found, Slot):
        start, end = instant(found.start), instant(found.end)
        answer({"start": start, "end": end}, as_json=json, text=f"{start} to {end}")
        return Exit.YES
    told = f"no slot of {duration} starts within {horizon} of {instant(begin)}"
    rules = [f"  {rule}" for rule in found.why]
    answer({"start": None, "why": list(found.why)}, as_json=json, text="\n".join([told, *rules]))
    return Exit.NO


@app.command
def lint(file: str, /, *files: str, at: str | None = None, json: Flag = False) -> int:
    """What is valid and hardly meant: expired rules, rules that never fire, windows nothing fits into. Exit code 1:
    something was found; 2: a file is wrong.

    Parameters
    ----------
    file
        A calendar file.
    files
        More of them; each is looked at alone.
    at
        The instant from which on 400 days are looked at; now unless given.
    json
        One object on standard output.
    """
    from stationmaster.domain import calendar_lint  # noqa: PLC0415 - check and next do without

    since = typed_instant("--at", at) if at else now()
    found = [one for document in _documents((file, *files)) for one in calendar_lint.lint(document, since)]
    lines = [f"{one.file}:{one.line}: {one.message}; {one.hint}" for one in found]
    told = {"findings": [asdict(one) for one in found], "days": LOOKAHEAD.days, "tzdata": tzdata_version()}
    answer(told, as_json=json, text="\n".join(lines or ["nothing is suspicious"]))
    return Exit.NO if found else Exit.YES


def _state(calendars: Sequence[Named], at: datetime, action: Action) -> dict[str, Any]:
    found = state(calendars, at, action)
    return {
        "at": instant(at),
        "state": "open" if found.open else "closed",
        "rules": list(found.rules),
        "next_transition": instant(found.next_transition) if found.next_transition else None,
    }


def _told(one: dict[str, Any]) -> str:
    by = f" by {', '.join(one['rules'])}" if one["rules"] else ""
    until = f"until {one['next_transition']}" if one["next_transition"] else f"for {LOOKAHEAD.days} days and more"
    return f"{one['at']}  {one['state']}{by}, {until}"


def _named(documents: Sequence[Document[Calendar]]) -> list[Named]:
    return [Named(document.file, document.value) for document in documents]


@contextmanager
def _placed(documents: Sequence[Document[Calendar]]) -> Iterator[None]:
    """Give what is not known its place in the files."""
    try:
        yield
    except UnknownDaysError as error:
        for document in documents:
            for place, rule in document.value.placed():
                if (document.file, rule.name) == (error.calendar, error.rule):
                    error.file, error.line = document.file, document.line(*place)
        error.message = f"rule {error.rule!r}: {error.why}"
        raise


def _documents(files: Sequence[str]) -> list[Document[Calendar]]:
    return [calendar_files.read_calendar(text_of(file), file) for file in files]


def text_of(file: str) -> str:
    """The text of a calendar file."""
    try:
        with Path(file).open("rb") as opened:
            return calendar_files.text_of(opened.read(calendar_files.LARGEST + 1), file)
    except OSError as error:
        raise UnreadableCalendarError(
            f"it cannot be read: {error.strerror}", file=file, hint="name a calendar file"
        ) from error
    except ValueError as error:  # bytes that are no text, or a name that no file can have
        raise UnreadableCalendarError("it is no text in UTF-8", file=file, hint="name a calendar file") from error
