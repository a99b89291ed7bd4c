"""What the built file is made of: by its build's own SBOM, else by the file itself, else by the commit's lock files."""

from collections.abc import Iterator
from pathlib import Path

from stationmaster.blocks import scan_archives, scan_sbom
from stationmaster.blocks.scan_given import Answer, Given, Inventory
from stationmaster.domain import scan_locks
from stationmaster.domain.scan_parts import Part

_LOCK = 16 << 20  # bytes of a lock file


def inventory(given: Given) -> Inventory:
    """The parts. A file that names one is a package that names itself, as a wheel is: lock files say what it needs."""
    if given.scans.sbom is not None:
        document = given.sbom or b""
        found = scan_sbom.checked(document, given.subject, given.scans.sbom)
        return Inventory(tuple(sorted(set(scan_sbom.parts_of(found, given.scans.sbom)))), "build", (), document)
    budget = scan_archives.Budget()
    own = set(scan_archives.parts_in(given.artifact, budget)) if given.artifact else set()
    declared = set(_declared(given.tree, budget.stopped)) if len(own) <= 1 else set()
    source = " and ".join([*(["artifact"] if own else []), *(["lock files"] if declared else [])]) or "file"
    parts = own | declared
    document = scan_sbom.made(given.subject, parts, source, budget.stopped)
    return Inventory(tuple(sorted(parts)), source, tuple(budget.stopped), document)


def _declared(tree: Path, wrong: list[str]) -> Iterator[Part]:
    """What lock files say. Which of it came into the artifact is the build's to know."""
    read: dict[str, scan_locks.Declared] = {}
    for path in sorted(tree.rglob("*")):
        where = path.relative_to(tree)
        if not scan_locks.is_lock(path.name) or "node_modules" in where.parts or path.is_symlink():
            continue
        try:
            read[where.as_posix()] = scan_locks.of_lock(_text(path), where.as_posix())
        except (scan_locks.LockUnreadableError, UnicodeDecodeError, OSError):
            wrong.append(f"{where.as_posix()} cannot be read")
    for name, one in read.items():
        yield from one.parts
        wrong += one.open
        wrong += [f"{name} asks for {other}, which is not read" for other in one.others if other not in read]


def _text(path: Path) -> str:
    if path.stat().st_size > _LOCK:
        raise scan_locks.LockUnreadableError("larger than a lock file")
    return path.read_text(encoding="utf-8-sig")


def sbom(known: Inventory) -> Answer:
    count = len(known.parts)
    result = f"{count} part{'' if count == 1 else 's'}" if count else "no part named"
    fact = {"result": result, "parts": count, "from": known.source, "incomplete": list(known.incomplete)}
    return Answer(fact, known.document)
