"""Which processes are wanted, in a file that outlives the supervisor, so that `up` can bring all of them back.

An end that is asked for is forgotten; a shutdown, a kill and a power cut are not. The file holds environments with
secrets and is readable by its owner alone. It starts nothing.
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from stationmaster.blocks import durable
from stationmaster.blocks.supervisor import Unit

FILE = "units.json"  # in the run directory
_log = logging.getLogger("stationmaster.supervisor")


class Wanted:
    """Units by name, in the order in which they were first asked for."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / FILE
        self._units = {unit.name: unit for unit in read(run_dir)}

    def add(self, unit: Unit) -> None:
        if self._units.get(unit.name) != unit:
            self._units[unit.name] = unit
            self._write(self._units.values())

    def drop(self, name: str) -> None:
        if self._units.pop(name, None) is not None:
            self._write(self._units.values())

    def _write(self, units: Iterable[Unit]) -> None:
        """A process that runs matters more than that it is remembered: a full disk is said in the log only."""
        try:
            durable.write(self._path, json.dumps([unit.model_dump() for unit in units]), mode=0o600)
        except OSError as error:
            _log.warning("the wanted units cannot be written to %s: %s", self._path, error.strerror)


def read(run_dir: Path) -> tuple[Unit, ...]:
    """What was wanted last; nothing when it was never written, or by a version that wrote otherwise."""
    path = run_dir / FILE
    try:
        return tuple(Unit.model_validate(row) for row in json.loads(path.read_text()))
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError):  # never with the file's words, which hold secrets
        _log.warning("%s is not what this version writes: nothing is brought back from it", path)
        return ()
