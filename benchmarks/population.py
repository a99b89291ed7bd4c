"""What the population of a period costs: a ledger of 10,000 entries against one of 100,000, each listed whole.

`python benchmarks/population.py [ADDRESS]`; without an address in a temporary SQLite file. A ratio near 10 is linear.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from tempfile import TemporaryDirectory
from time import process_time

from sqlalchemy import insert, update

from stationmaster.cli.populations import read
from stationmaster.domain.entries import Draft, compose, digest
from stationmaster.domain.merkle import root
from stationmaster.domain.population import Period
from stationmaster.ledger import tables
from stationmaster.ledger.connection import alone
from stationmaster.ledger.rows import seal, to_row
from stationmaster.ledger.store import Ledger

AT = datetime(2026, 1, 1, tzinfo=UTC)
PERIOD = Period.of(AT, AT + timedelta(days=366))
TENANTS = 12
SIZES = (10_000, 100_000)
ASKED = {"product": "shop", "kind": "train", "ref": "main", "assurance": "command line"}
RUNS = {"version": "1.0.0", "digest": f"sha256:{64 * 'd'}", "commit": 40 * "c", "instance": "cloud", "colour": "b"}
WAY = {
    "confirmed": ASKED, "started": ASKED, "cut": {**RUNS, "changes": [], "previous": []}, "built": RUNS,
    "tested": {"checks": []}, "linked": {"tickets": ["SHOP-1"]}, "planned": {"waves": []},
    "mandated": {"digest": f"sha256:{64 * 'e'}", "ends": "2026-12-31T00:00:00Z"}, "approved": {"roles": ["qa", "ops"]},
}  # fmt: skip


def main(address: str | None = None) -> dict[str, float]:
    figures: dict[str, float] = {}
    with _somewhere(address) as url, Ledger.open(url) as ledger:
        for size in SIZES:
            _fill(ledger, size)
            leaves = [leaf for _, leaf in ledger.scan()]
            figures |= {
                f"population_of_{size}_s": _seconds(lambda: read(ledger, PERIOD, None, people=False)),
                f"by_person_of_{size}_s": _seconds(lambda: read(ledger, PERIOD, None, people=True)),
                f"entries_of_{size}_s": _seconds(ledger.entries),
                f"root_of_{size}_s": _seconds(partial(root, leaves)),
            }
    few, many = SIZES
    ratios = {
        f"{name}_of_{many}_vs_{few}": figures[f"{name}_of_{many}_s"] / figures[f"{name}_of_{few}_s"]
        for name in ("population", "by_person")
    }
    ratios["population_vs_reading_the_entries"] = figures[f"population_of_{many}_s"] / figures[f"entries_of_{many}_s"]
    return {name: round(value, 3) for name, value in {**figures, **ratios}.items()}


def _fill(ledger: Ledger, size: int) -> None:
    """Entries as `append` makes them, in one transaction, up to so many: releases of twelve tenants each."""
    there, rows, sealed = ledger.size(), [], []
    for index in range(there, size):
        release, step = divmod(index, len(WAY) + TENANTS + 1)
        draft = _draft(f"release-{release}", step)
        content = None if draft.personal is None else seal(draft.personal, "00" * 16)
        payload = None if content is None else digest(content)
        entry = compose(
            draft, index=index, at=AT + timedelta(minutes=index), attempt=1, salt="00" * 16, payload=payload
        )
        rows.append(to_row(entry))
        if content is not None:
            sealed.append({"index": index, "content": content})
    with alone(ledger.engine) as connection:
        connection.execute(insert(tables.entries), rows)
        connection.execute(insert(tables.payloads), sealed)
        connection.execute(update(tables.head).values(size=size))


def _draft(release: str, step: int) -> Draft:
    names = list(WAY)
    if step < len(names):
        who = {"who": f"person-{step}"} if names[step] == "confirmed" else None
        return Draft(release=release, step=names[step], fact=WAY[names[step]], personal=who)
    if step < len(names) + TENANTS:
        return Draft(release=release, step="deployed", subject=f"t{step - len(names)}", fact=RUNS)
    return Draft(release=release, step="released", fact={"tenants": TENANTS})


def _seconds(call: Callable[[], object]) -> float:
    """The least of three, of the processor's time: others work on the machine."""
    return min(_once(call) for _ in range(3))


def _once(call: Callable[[], object]) -> float:
    begin = process_time()
    call()
    return process_time() - begin


@contextmanager
def _somewhere(address: str | None) -> Iterator[str]:
    with TemporaryDirectory() as folder:
        yield address or f"sqlite:///{folder}/ledger.db"


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), indent=2))
