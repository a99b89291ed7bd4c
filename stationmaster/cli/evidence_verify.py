"""`evidence verify`: is a bundle what it says? Reads the files that are named and nothing else."""

from pathlib import Path

from stationmaster.cli.options import Flag
from stationmaster.cli.output import answer, say
from stationmaster.domain.approvers import Approvers
from stationmaster.domain.bundle import absences
from stationmaster.domain.container import LARGEST
from stationmaster.domain.documents import read
from stationmaster.domain.errors import Exit, InputError
from stationmaster.domain.verify import check

_LARGEST_TEXT = 4 << 20  # bytes of a file of keys, or of a checkpoint


class UnreadableError(InputError):
    """A file is missing, or cannot be read."""

    code = "unreadable"


def verify(file: Path, /, *, keys: Path, checkpoint: Path | None = None, json: Flag = False) -> int:
    """Check a bundle: every byte, every proof, who signed what, and whether what was deployed had been approved. Exit
    code 1: something is wrong, and each problem names a file and a reason. What is not in it, and what could not be
    checked for that, is said beside the answer.

    Parameters
    ----------
    file
        The bundle.
    keys
        Whose signatures count, as in approvers.yaml. Get it elsewhere than the bundle.
    checkpoint
        A signed checkpoint of the same log from another place; it must not be newer than the bundle.
    json
        One object on standard output.
    """
    approvers = read(Approvers, _text(keys), str(keys)).value
    other = _bytes(checkpoint, _LARGEST_TEXT) if checkpoint else None
    raw = _bytes(file, LARGEST + (LARGEST >> 2))
    found = check(raw, approvers, other)
    for said in [*(absences(found.index) if found.index else ()), *found.unchecked]:
        say(said)
    text = "\n".join(found.problems) or f"{file}: good"
    absent = [one.model_dump() for one in found.index.absent] if found.index else []
    told = {"ok": not found.problems, "problems": found.problems}
    told |= {name: listed for name, listed in (("absent", absent), ("unchecked", list(found.unchecked))) if listed}
    answer(told, as_json=json, text=text)
    return Exit.NO if found.problems else Exit.YES


def _text(file: Path) -> str:
    try:
        return _bytes(file, _LARGEST_TEXT).decode()
    except UnicodeDecodeError:
        raise UnreadableError("it is no text in UTF-8", file=str(file), hint="name an approvers.yaml") from None


def _bytes(file: Path, most: int) -> bytes:
    """A file's bytes, and one more than it may have if it has more, so that whoever looks at them sees it."""
    try:
        with file.open("rb") as opened:
            return opened.read(most + 1)
    except OSError as error:
        raise UnreadableError(f"it cannot be read: {error.strerror}", file=str(file)) from None
    except ValueError:  # a name that no file can have
        raise UnreadableError("no file can be called so", file=repr(str(file))) from None
