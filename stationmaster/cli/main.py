"""The command line's front door: which command is where, and how every way of ending becomes an exit code.

Commands are imported when they are called; `--help` and questions that need no server never import prefect.
"""

import os
import sys
import traceback
from pathlib import Path

from cyclopts import App, CycloptsError, UnknownCommandError

from stationmaster.cli.output import fail
from stationmaster.domain.errors import Exit, InputError, StationmasterError, nearest

app = App(
    name="stationmaster",
    help="""Takes a merged change to every tenant of a B2B product, safely, and can prove afterwards what happened.

    Start with `stationmaster demo`: a whole product on this machine, released to its tenants while traffic runs.

    Exit codes: 0 yes or done, 1 no, 2 the input is wrong, 3 could not tell, 4 waiting. With --json, one object.""",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,  # it becomes a sentence and an exit code as everything else
)
app.command(
    "stationmaster.cli.sandbox:demo", name="demo", help="A whole product on this machine, released to its tenants."
)
app.command(
    "stationmaster.cli.stack:up",
    name="up",
    help="Start PostgreSQL, Prefect and a worker, and with a folder the sandbox of the product in it.",
)
app.command("stationmaster.cli.stack:down", name="down", help="End everything that up or demo started.")
app.command(
    "stationmaster.cli.register:register", name="register", help="Tell the Prefect server every flow with its form."
)
app.command(
    "stationmaster.cli.receiver:receiver",
    name="receiver",
    help="Take the webhooks of merged pull requests into the inbox.",
)
app.command("stationmaster.cli.inbox:app", name="inbox", help="The merged changes that the receiver took.")
app.command("stationmaster.cli.watchdog:watchdog", name="watchdog", help="Start again what died, wake what waits.")
app.command("stationmaster.cli.init:init", name="init", help="Write the files with which a product begins here.")
app.command("stationmaster.cli.doctor:doctor", name="doctor", help="Say what is missing here; change nothing.")
app.command("stationmaster.cli.schema:schema", name="schema", help="JSON Schema of the files, and the table of stages.")
app.command("stationmaster.cli.approve:approve", name="approve", help="Sign a release off with your own key.")
app.command(
    "stationmaster.cli.approvals:app", name="approvals", help="What a release still needs from whom, and the rules."
)
app.command("stationmaster.cli.access:app", name="access", help="Who can do what, and which rules nobody could meet.")
app.command("stationmaster.cli.release:app", name="release", help="Plan, start, follow, explain and give up releases.")
app.command(
    "stationmaster.cli.freeze:app",
    name="freeze",
    help="Keep new versions away from production, stage, a ring or a tenant.",
)
app.command(
    "stationmaster.cli.calendar:app", name="calendar", help="When may something be touched? Ask calendar files."
)
app.command("stationmaster.cli.plan:plan", name="plan", help="Who would be reached when: a what-if from files alone.")
app.command("stationmaster.cli.tenants:app", name="tenants", help="Which tenants there are and what they run.")
app.command(
    "stationmaster.cli.evidence:app",
    name="evidence",
    help="Hand over what proves a release, and check what was handed over.",
)
app.command("stationmaster.cli.checks:app", name="checks", help="Run the product's own checks, as a release does.")
app.command(
    "stationmaster.cli.migrations:app",
    name="migrations",
    help="What a schema change locks, writes anew, or takes away from code that still runs.",
)
app.command(
    "stationmaster.cli.backfill:app",
    name="backfill",
    help="Fill in rows of a database that people use: tenant by tenant, each exactly once.",
)
app.command("stationmaster.cli.journeys:app", name="journeys", help="Run the product's journeys now.")


class UsageError(InputError):
    """The command line does not fit the command."""

    code = "usage"


class InternalError(StationmasterError):
    """An error of ours."""

    code = "internal"


class InterruptedByPersonError(StationmasterError):
    """Somebody pressed Ctrl-C."""

    code = "interrupted"


def main() -> None:
    """The entry point `stationmaster`, and its alias `stm`."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read us has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.YES
    sys.exit(code)


def run(tokens: list[str]) -> int:
    """The exit code of a command line. A traceback is never an answer; it goes to a file that the message names."""
    as_json = any(token.partition("=")[0] == "--json" for token in tokens)
    try:
        ended = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except StationmasterError as error:
        fail(error, as_json=as_json)
        return error.exit
    except CycloptsError as error:
        fail(_usage(error), as_json=as_json)
        return Exit.INPUT
    except KeyboardInterrupt:
        fail(InterruptedByPersonError("interrupted; what was started goes on"), as_json=as_json)
        return Exit.UNKNOWN
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a sentence and an exit code
        fail(_internal(error), as_json=as_json)
        return Exit.UNKNOWN
    return ended if isinstance(ended, int) else Exit.YES


def _usage(error: CycloptsError) -> UsageError:
    if isinstance(error, UnknownCommandError) and error.unused_tokens:  # its own text would import every command
        word, known = error.unused_tokens[0], [name for name in error.app or app if not name.startswith("-")]
        return UsageError(f"there is no command {word!r}", hint=nearest(word, known))
    return UsageError(str(error).strip(), hint=" ".join(["stationmaster", *(error.command_chain or ()), "--help"]))


def _internal(error: Exception) -> StationmasterError:
    from stationmaster.blocks import space  # noqa: PLC0415 - only when something broke

    if space.is_full(error):
        return space.no_space("what this command writes", Path(getattr(error, "filename", None) or "."))
    where = _kept("".join(traceback.format_exception(error)))
    return InternalError(
        f"{type(error).__name__}: {error}",
        hint="this is an error of ours, please report it" + (f" with {where}" if where else ""),
    )


def _kept(text: str) -> str | None:
    """The file that holds a traceback, readable by its owner alone; None where none can be written."""
    from stationmaster.blocks.home import home  # noqa: PLC0415 - only when something broke

    path = home() / "last-error.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
    except OSError:
        return None
    return str(path)


if __name__ == "__main__":
    main()
