"""What the ledger costs: an append against a bare INSERT, and its questions when there are ten times more releases.

`python benchmarks/ledger.py [ADDRESS]`; without an address in a temporary SQLite file. Prints ratios as JSON.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, insert, update

from stationmaster.domain.entries import Draft, compose
from stationmaster.domain.release import status
from stationmaster.ledger import tables
from stationmaster.ledger.connection import alone
from stationmaster.ledger.rows import to_row
from stationmaster.ledger.store import Ledger

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
TENANTS = 12
APPENDS = 300
WAY = ("started", "cut", "built", "tested", "staged", "planned", "approved", "briefed")
FACTS = {"started": {"product": "shop", "kind": "manual", "ref": "main"}, "planned": {"waves": []}}
RUNS = {"version": "1.0.0"}
BARE = Table("bare", MetaData(), Column("id", Integer, primary_key=True), Column("content", LargeBinary))


def main(address: str | None = None) -> dict[str, float]:
    with _somewhere(address) as url, Ledger.open(url) as ledger:
        result = _appends(ledger)
        few = _questions(ledger, 1_000)
        many = _questions(ledger, 10_000)
    ratios = {f"{name}_at_10000_releases_vs_1000": many[name] / few[name] for name in few}
    return {name: round(value, 3) for name, value in {**result, **few, **ratios}.items()}


def _appends(ledger: Ledger) -> dict[str, float]:
    """Milliseconds by the median, one commit each, taken in turns so that both see the same disk."""
    BARE.create(ledger.engine)
    drafts = [Draft(release="bench", step="deployed", subject=f"t{n}", fact={"version": "1"}) for n in range(APPENDS)]
    content, bare, appended, known = b"x" * 400, [], [], []
    for draft in drafts:
        bare.append(_milliseconds(lambda: _bare(ledger, content)))
        appended.append(_milliseconds(lambda draft=draft: ledger.append(draft, AT)))
        known.append(_milliseconds(lambda draft=draft: ledger.append(draft, AT)))
    of_bare = median(bare)
    return {
        "bare_insert_ms": of_bare,
        "append_vs_bare_insert": median(appended) / of_bare,
        "append_of_a_known_fact_vs_bare_insert": median(known) / of_bare,
    }


def _bare(ledger: Ledger, content: bytes) -> None:
    with alone(ledger.engine) as connection:
        connection.execute(insert(BARE), {"content": content})


def _questions(ledger: Ledger, releases: int) -> dict[str, float]:
    """Milliseconds by the median, with so many releases of 12 tenants in the ledger."""
    _fill(ledger, releases)
    asked: dict[str, Callable[[], object]] = {
        "running_ms": ledger.running,
        "entries_of_a_release_ms": lambda: ledger.entries("release-500"),
        "status_ms": lambda: status("release-500", ledger.entries("release-500"), ledger.running()),
        "recorded_ms": lambda: ledger.recorded("release-500", "deployed", "t3", {}),
    }
    return {name: median(_milliseconds(ask) for _ in range(50)) for name, ask in asked.items()}


def _fill(ledger: Ledger, releases: int) -> None:
    """Entries as `append` makes them, in one transaction, up to so many releases."""
    index, rows = _size(ledger), []
    for number in range(len(ledger.releases()), releases):
        release = f"release-{number}"
        drafts = [Draft(release=release, step=step, fact=FACTS.get(step, {})) for step in WAY]
        drafts += [Draft(release=release, step="deployed", subject=f"t{n}", fact=RUNS) for n in range(TENANTS)]
        for draft in drafts:
            rows.append(to_row(compose(draft, index=index, at=AT, attempt=1, salt="00" * 16, payload=None)))
            index += 1
    with alone(ledger.engine) as connection:
        connection.execute(insert(tables.entries), rows)
        connection.execute(update(tables.head).values(size=index))
        connection.exec_driver_sql("ANALYZE")


def _size(ledger: Ledger) -> int:
    with ledger.engine.connect() as connection:
        return connection.execute(tables.head.select()).one().size


def _milliseconds(call: Callable[[], object]) -> float:
    begin = perf_counter()
    call()
    return (perf_counter() - begin) * 1000


@contextmanager
def _somewhere(address: str | None) -> Iterator[str]:
    with TemporaryDirectory() as folder:
        yield address or f"sqlite:///{folder}/ledger.db"


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), indent=2))
