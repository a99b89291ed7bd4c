"""`inbox …`: the merged changes that the receiver took, and what follows from them. `list` asks no server."""

import json as encoder
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cyclopts import App

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, table
from stationmaster.domain.errors import Exit, InputError

if TYPE_CHECKING:
    from stationmaster.domain.hooks import Receiver
    from stationmaster.ledger.inbox import Arrival
    from stationmaster.ledger.inbox_notes import Note

app = App(name="inbox", help="The merged changes that the receiver took, and what follows from them.")


class WrongSinceError(InputError):
    """The instant from which to catch up is none, or has no zone."""

    code = "wrong_since"


@app.command(name="list")
def list_(*, config: str | None = None, json: Flag = False) -> None:
    """Every change in the inbox, in the order in which it came, and what became of it: it is aboard, started a release,
    waits to be tried again, or was refused, and why. Then how many deliveries were ignored or refused.

    Parameters
    ----------
    config
        The receiver's file, which names the inbox; that of the stack which `up` brought up here.
    json
        One object on standard output.
    """
    from stationmaster.ledger.inbox import Inbox  # noqa: PLC0415 - imports sqlalchemy
    from stationmaster.ledger.inbox_notes import Notes  # noqa: PLC0415 - as above

    with Inbox.open(_receiver(config).inbox.get_secret_value()) as inbox:
        notes = Notes(inbox.engine).every()
        found = [_shown(arrival, notes.get(arrival.id, [])) for arrival in inbox.changes()]
        counts = inbox.counts()
    rows = [(one["change"], one["base"], one["author"], one["accepted_at"], one["became"]) for one in found]
    text = [table(["change", "into", "by", "accepted", "became"], rows) if rows else "the inbox is empty"]
    if counts:
        others = [(one["hook"] or "-", one["outcome"], one["count"], one["last_at"]) for one in counts]
        text += ["", table(["hook", "not accepted", "deliveries", "last"], others)]
    answer({"changes": found, "counts": counts}, as_json=json, text="\n".join(text))


@app.command
def work(*, config: str | None = None, once: Flag = False, json: Flag = False) -> None:
    """See to what was merged: ask the code host about it, and start a release for what went into a hotfix branch.

    It runs beside the receiver until it is ended, and says one line for each thing it did and why. SIGTERM ends it
    between two changes; killed anywhere and run again, a change starts one release.

    Parameters
    ----------
    config
        The receiver's file, which names the inbox and the hooks; that of the stack which `up` brought up here.
    once
        Try everything that waits once, also what would be tried later, and end.
    json
        One object a line.
    """
    from stationmaster.deployments import boarding  # noqa: PLC0415 - imports sqlalchemy
    from stationmaster.ledger.inbox import Inbox  # noqa: PLC0415 - as above

    receiver, ending = _receiver(config), boarding.Ending()
    signal.signal(signal.SIGTERM, ending.tell)
    with Inbox.open(receiver.inbox.get_secret_value()) as inbox:
        clerk = boarding.clerk_of(inbox, receiver.hooks)
        boarding.work(
            clerk,
            lambda done: print(encoder.dumps(done.record()) if json else done, flush=True),
            ending,
            once=once,
        )


@app.command(name="catch-up")
def catch_up(*, config: str | None = None, since: str | None = None, json: Flag = False) -> int:
    """Ask the code hosts what was merged since they were last asked, and put what was missed into the inbox.

    A hook that was never asked about begins now, unless --since is given. Asking for the same again harms nothing.

    Parameters
    ----------
    config
        The receiver's file, which names the inbox and the hooks; that of the stack which `up` brought up here.
    since
        An instant with its zone, as 2026-11-20T00:00:00Z; where it was left when not given.
    json
        One object on standard output.
    """
    begin = None if since is None else _instant(since)
    from stationmaster.blocks.catching_up import Reconciler  # noqa: PLC0415 - imports sqlalchemy
    from stationmaster.blocks.hook_hosts import host_of  # noqa: PLC0415 - as above
    from stationmaster.ledger.inbox import Inbox  # noqa: PLC0415 - as above

    receiver = _receiver(config)
    from stationmaster.deployments.flow_runs import connected  # noqa: PLC0415 - imports prefect

    connected()  # the blocks are asked of the same server from here on
    with Inbox.open(receiver.inbox.get_secret_value()) as inbox:
        hosts = Reconciler(inbox, receiver.hooks, host_of, lambda: datetime.now(UTC))
        caught = list(hosts.catch_up(begin))
    text = "\n".join(str(one) for one in caught)
    answer({"hooks": [one.record() for one in caught]}, as_json=json, text=text)
    return Exit.UNKNOWN if any(one.error for one in caught) else Exit.YES


def _receiver(config: str | None) -> "Receiver":
    """What is in the file that was named, else in that of the stack here."""
    from stationmaster.blocks.hooks import read_receiver  # noqa: PLC0415 - help needs no files
    from stationmaster.deployments import descriptor  # noqa: PLC0415 - as above

    try:
        return read_receiver(config or descriptor.load().receiver_file).value
    except descriptor.NoStackError:
        raise InputError(
            "no receiver's file is known here", hint="name it with --config, or `stationmaster up` makes one"
        ) from None


def _instant(text: str) -> datetime:
    hint = "write it with its zone, as 2026-11-20T00:00:00Z"
    try:
        at = datetime.fromisoformat(text)
        at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongSinceError(f"{text!r} is no instant", hint=hint) from None
    if at.tzinfo is None:
        raise WrongSinceError(f"{text} has no zone", hint=hint)
    return at


def _shown(arrival: "Arrival", notes: "list[Note]") -> dict[str, Any]:
    """A change with what its worker learnt of it and did. Who wrote and reviewed it stays in the inbox."""
    decided = next((note.content for note in notes if note.kind == "decided"), None) or {}
    last = notes[-1] if notes else None
    trouble = last.content if last and last.kind in {"postponed", "refused"} and not arrival.boarded_at else None
    request = decided.get("request") or {}
    known = {"release": request.get("id"), **{name: decided.get(name) for name in ("fragment", "proposal")}}
    return {**arrival.record(), "became": _became(arrival, last, request), **known, "trouble": trouble}


def _became(arrival: "Arrival", last: "Note | None", request: dict[str, Any]) -> str:
    if arrival.boarded_at:
        return f"release {request['id']}" if request else "aboard the next train"
    if last is None or last.kind not in {"postponed", "refused"}:
        return "waits"
    if last.kind == "refused":
        return f"refused: {last.content['why']}"
    return f"again at {last.content['until']}: {last.content['why']}"
