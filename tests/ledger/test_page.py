"""docs/reference/ledger.md says what the code does."""

import json
import re
from pathlib import Path

from stationmaster.domain.entries import OBSERVED, STEPS, UNDONE_BY, Entry
from stationmaster.domain.errors import StationmasterError
from stationmaster.domain.merkle import leaf
from stationmaster.ledger import faults, tables
from stationmaster.ledger.rows import unseal

PAGE = (Path(__file__).parents[2] / "docs/reference/ledger.md").read_text()
BLOCKS = re.findall(r"```(?:json)?\n(.*?)\n```", PAGE, re.DOTALL)


def test_the_entry_shown_is_real_down_to_its_hashes() -> None:
    content, hashed, personal = (block.encode() for block in BLOCKS)
    entry = Entry.model_validate(json.loads(content))
    assert entry.canonical() == content
    assert leaf(content).hex().encode() == hashed
    assert unseal(entry, personal) == {"who": "Ada Lovelace"}


def test_every_step_is_explained() -> None:
    for step, says in STEPS.items():
        kind, undone = "observed" if step in OBSERVED else "fact", ", ".join(f"`{u}`" for u in sorted(UNDONE_BY[step]))
        assert f"| `{step}` | {kind} | {says} | {undone} |" in PAGE


def test_every_table_and_every_error_is_there() -> None:
    for name in tables.metadata.tables:
        assert f"| `{name}` |" in PAGE
    errors = [each for each in vars(faults).values() if isinstance(each, type) and each.__module__ == faults.__name__]
    for error in errors:
        assert issubclass(error, StationmasterError)
        assert f"| `{error.code}` |" in PAGE
