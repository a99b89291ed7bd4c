"""`release …`: questions read the ledger alone; only `start` speaks to the Prefect server."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from stationmaster.cli import lookup, pausing, steering
from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, bold, dim, say, table
from stationmaster.cli.person import now, whoami
from stationmaster.cli.tools import only_product, open_ledger
from stationmaster.domain.backfilled import told as backfills_told
from stationmaster.domain.entries import Draft
from stationmaster.domain.errors import Exit, InputError, RefusedError
from stationmaster.domain.modes import in_words
from stationmaster.domain.release import Reason, Status, status
from stationmaster.domain.stages import CLOSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from stationmaster.ledger.store import Ledger

app = App(name="release", help="Plan, start, follow, explain and give up releases.")
app.command(
    "stationmaster.cli.waive:waive", name="waive", help="Sign, with your key, that a hotfix may pass what is closed."
)
app.command(
    "stationmaster.cli.contract:contract",
    name="contract",
    help="After a release, take away what only code before it needs.",
)
app.command("stationmaster.cli.waive:unwaive", name="unwaive", help="Take back every waiver of a scope.")


class ReleasedAlreadyError(RefusedError):
    """What is released cannot be given up."""

    code = "released_already"


@app.command(name="plan")
def plan_(*, product: str | None = None, ref: str = "main", json: Flag = False) -> int:
    """Say what a release of REF would change since what runs. Touches nothing.

    Parameters
    ----------
    product
        The product, when several are known here.
    ref
        Branch, tag or commit.
    json
        One object on standard output.
    """
    from stationmaster.cli.preview import preview, shown  # noqa: PLC0415 - alone needs git

    found = preview(product, ref)
    answer(found, as_json=json, text=shown(found))
    return Exit.YES


@app.command
def start(
    release: str | None = None,
    *,
    product: str | None = None,
    ref: str | None = None,
    starter: str | None = None,
    ticket: str | None = None,
    hotfix: Flag = False,
    detach: Flag = False,
    json: Flag = False,
) -> int:
    """Start a release, or go on with one where it stopped, and follow it to its end or its first wait.

    Exit code 0: released. 1: stopped by a gate, a check or a verdict. 4: it waits; the message says for what.

    Parameters
    ----------
    release
        Its name. Without one it is named after product and version; the name of one that stopped continues it.
    product
        The product, when several are known here.
    ref
        Branch, tag or commit to release; main unless given.
    starter
        Who you are: your id, e-mail address or handle in approvers.yaml. Who starts cannot approve.
    ticket
        What asks for it in your ticket system: CHG-4711, #123 or an address. It is said at the first start.
    hotfix
        REF is a branch hotfix/VERSION of what runs. It has approvals of its own, skips no gate, must be merged back.
    detach
        Return when the Prefect server has it.
    json
        The release's status as one object.
    """
    return _follow(
        release, product=product, ref=ref, starter=starter, hotfix=hotfix, detach=detach, json=json, ticket=ticket
    )


@app.command
def retry(release: str, *, product: str | None = None, detach: Flag = False, json: Flag = False) -> int:
    """Try again what failed, or watch a held wave again. Says no when nothing failed; `release start` never does.

    What was done is not done again. Exit codes as `release start`.

    Parameters
    ----------
    release
        Its name.
    product
        The product, when several are known here.
    detach
        Return when the Prefect server has it.
    json
        The release's status as one object.
    """
    with open_ledger(product) as ledger:
        steering.must_have_stopped(lookup.find(ledger, release))
    return _follow(release, product=product, ref=None, starter=None, hotfix=False, detach=detach, json=json)


def _follow(
    release: str | None, *, product: str | None, ref: str | None, starter: str | None, hotfix: bool, detach: bool,
    json: bool, ticket: str | None = None,
) -> int:  # fmt: skip
    from stationmaster.cli.starting import submit  # noqa: PLC0415 - imports prefect

    request, run = submit(release, product=product, ref=ref, starter=starter or whoami(), hotfix=hotfix, ticket=ticket)
    say(f"{bold(request.id)}: submitted, {dim(run.url)}")
    with open_ledger(request.product) as ledger:
        if not detach:
            run.follow(ledger, lambda sentence: say(f"  {sentence}"))
        found = run.status(ledger)
        text = _shown(found, lookup.reason(ledger, found))
    answer(found.model_dump(), as_json=json, text=text)
    return Exit.YES if detach else _code(found)


@app.command(name="list")
def list_(*, product: str | None = None, json: Flag = False) -> None:
    """Every release in the ledger, newest last."""
    with open_ledger(product) as ledger:
        running = ledger.running()
        found = [status(name, ledger.entries(name), running) for name in ledger.releases()]
    rows = [(one.id, one.version, one.stage, one.waiting_for, one.digest and one.digest[:19]) for one in found]
    heads = ["release", "version", "stage", "waits for", "digest"]
    answer({"releases": [one.model_dump() for one in found]}, as_json=json, text=table(heads, rows))


@app.command(name="status")
def status_(release: str, *, product: str | None = None, json: Flag = False) -> None:
    """Where a release is, what it waits for, and what each tenant runs."""
    with open_ledger(product) as ledger:
        found = lookup.find(ledger, release)
        text = _shown(found, lookup.reason(ledger, found))
    answer(found.model_dump(), as_json=json, text=text)


@app.command(name="why")
def why_(release: str, *, product: str | None = None, json: Flag = False) -> None:
    """The one thing that blocks a release, and the command that unblocks it."""
    with open_ledger(product) as ledger:
        found = lookup.reason(ledger, lookup.find(ledger, release))
    text = found.message + (f"\n\n  {found.command}" if found.command else "")
    answer(found.model_dump(), as_json=json, text=text)


@app.command
def abort(release: str, *, reason: str, product: str | None = None, json: Flag = False) -> None:
    """Give a release up: nothing further is done for it, and tenants that have it go back to the version before.

    Routes go back to instances that still run; schemas stay expanded. Safe to repeat.

    Parameters
    ----------
    release
        Its name.
    reason
        Why; it is kept in the ledger with your name.
    product
        The product, when several are known here.
    json
        The release's status as one object.
    """
    from stationmaster.cli.aborting import lead_back, order_back  # noqa: PLC0415 - alone needs the deploy target

    if not reason.strip():
        raise InputError("a release is not given up without a reason", hint='--reason "what is wrong with it"')
    with open_ledger(product) as ledger:
        if lookup.find(ledger, release).stage == "released":
            raise ReleasedAlreadyError(f"{release} is released already", hint="start another release")
        touched = any(entry.step == "briefed" for entry in ledger.entries(release))  # production, perhaps
        if touched:
            order_back(release, product)
        given = Draft(release=release, step="aborted", fact={"reason": reason}, personal={"who": whoami()})
        ledger.append(given, now())
        back = lead_back(release, product) if touched or lookup.worker(ledger, release) else []
        if back:
            say(f"back on the version before: {', '.join(back)}")
        found = lookup.find(ledger, release)
        text = _shown(found, lookup.reason(ledger, found))
    answer(found.model_dump(), as_json=json, text=text)


@app.command(name="rollback")
def rollback_(
    release: str,
    *,
    reason: str,
    tenant: tuple[str, ...] = (),
    everybody: Annotated[Flag, Parameter(name="--all")] = False,
    now: Flag = False,
    product: str | None = None,
    json: Flag = False,
) -> int:
    """Take a release back from its tenants, to what each ran before. Needs no Prefect server, and no window.

    Without --tenant and --all: for those whom the last verdict found broken, and all on their instances. The routes go
    back at once; flags, clearing up and the message to the channel follow. Its changes are on hold afterwards.
    Safe to repeat. Exit code 1: somebody in scope keeps it; the message says why.

    Parameters
    ----------
    release
        Its name.
    reason
        Why; it is kept in the ledger with your name.
    tenant
        For whom it is bad: they and all on their instances go back. May be given several times.
    everybody
        Every tenant that has it and whose window is open.
    now
        With --all: also tenants whose window is closed.
    product
        The product, when several are known here.
    json
        The release's status as one object.
    """
    from stationmaster.cli.rollback import rollback  # noqa: PLC0415 - alone needs the deploy target

    home = product or only_product()
    code = rollback(release, tenant, everybody=everybody, now=now, reason=reason, product=home)
    with open_ledger(home) as ledger:
        found = lookup.find(ledger, release)
        text = _shown(found, lookup.reason(ledger, found))
    answer(found.model_dump(), as_json=json, text=text)
    return code


@app.command
def pause(release: str, *, reason: str, product: str | None = None, json: Flag = False) -> None:
    """Stop a release before its next act, until it is resumed. A wave under way is watched to its end. Safe to repeat.

    Parameters
    ----------
    release
        Its name.
    reason
        Why; it is kept in the ledger with your name.
    product
        The product, when several are known here.
    json
        The release's status as one object.
    """
    _order(pausing.pause, release, reason, product=product, json=json)


@app.command
def resume(release: str, *, reason: str, product: str | None = None, json: Flag = False) -> None:
    """Let a paused release go on; of one that was rolled back, let its changes be released again. Safe to repeat.

    Parameters
    ----------
    release
        Its name.
    reason
        Why; it is kept in the ledger with your name.
    product
        The product, when several are known here.
    json
        The release's status as one object.
    """
    _order(pausing.resume, release, reason, product=product, json=json)


@app.command
def advance(release: str, *, reason: str, product: str | None = None, json: Flag = False) -> None:
    """Let a held wave be followed by the next, because you looked and it is good enough.

    It is watched once more, and a breach still rolls it back: only a verdict that is no breach can be set aside.

    Parameters
    ----------
    release
        Its name.
    reason
        Why; it is kept in the ledger with your name.
    product
        The product, when several are known here.
    json
        The release's status as one object.
    """
    _order(steering.advance, release, reason, product=product, json=json)


@app.command
def merged_back(
    release: str, *, reason: str, into: str = "main", product: str | None = None, json: Flag = False
) -> None:
    """Say that a hotfix is in the release branch, where git cannot see it: it was squashed, or picked with changes.

    A hotfix that is not merged back in time blocks the next train. What git sees needs no word.

    Parameters
    ----------
    release
        The name of the hotfix's release.
    reason
        Where it is, for example the pull request; it is kept in the ledger with your name.
    into
        The release branch.
    product
        The product, when several are known here.
    json
        The release's status as one object.
    """

    def said(ledger: "Ledger", name: str, why: str) -> None:
        steering.merged_back(ledger, name, into, why)

    _order(said, release, reason, product=product, json=json)


@app.command
def skip(
    release: str,
    *,
    tenant: tuple[str, ...],
    reason: str,
    undo: Flag = False,
    product: str | None = None,
    json: Flag = False,
) -> None:
    """Leave tenants out of a release that they do not have yet. They keep what they run, until a later release.

    The plan is made anew and approved anew; signatures that were given count for it.

    Parameters
    ----------
    release
        Its name.
    tenant
        Whom to leave out. May be given several times.
    reason
        Why; it is kept in the ledger with your name.
    undo
        Take them in again.
    product
        The product, when several are known here.
    json
        The release's status as one object.
    """
    if not tenant:
        raise InputError("nobody is named", hint="--tenant NAME")

    def left_out(ledger: "Ledger", name: str, why: str) -> None:
        steering.skip(ledger, name, tenant, why, undo=undo)

    _order(left_out, release, reason, product=product, json=json)


def _order(
    give: "Callable[[Ledger, str, str], None]", release: str, reason: str, *, product: str | None, json: bool
) -> None:
    with open_ledger(product) as ledger:
        give(ledger, release, reason)
        found = lookup.find(ledger, release)
        text = _shown(found, lookup.reason(ledger, found))
    answer(found.model_dump(), as_json=json, text=text)


def _shown(found: Status, reason: Reason) -> str:
    lines = [f"{found.id}  {found.version or ''}  {found.stage}"]
    if found.stage not in CLOSED or (found.stage == "released" and reason.command):
        lines += [reason.message, *([f"  {reason.command}"] if reason.command else [])]
    lines += [
        f"{tenant} is {in_words(mode)}: stationmaster tenants mode status" for tenant, mode in found.modes.items()
    ]
    lines += [f"backfill {one}" for one in backfills_told(found.backfills)]
    if found.tenants:
        heads = ["tenant", "runs", *(["schema"] if found.databases else [])]
        rows = [(name, version, *_at(found, name)) for name, version in sorted(found.tenants.items())]
        lines += ["", table(heads, rows)]
    return "\n".join(lines)


def _at(found: Status, tenant: str) -> tuple[str, ...]:
    """Where the tenant's own database is; nothing where tenants share one."""
    if not found.databases:
        return ()
    own = found.databases.get(tenant)
    if own is None:
        return ("nobody knows",)
    return (f"{own.revision or '(none)'}{', and a change of it is under way' if own.under_way else ''}",)


def _code(found: Status) -> int:
    if found.stage == "released":
        return Exit.YES
    return Exit.WAITING if found.waiting_for and found.stage != "held" else Exit.NO
