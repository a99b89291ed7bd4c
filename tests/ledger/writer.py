"""A process that appends, for the tests with several: `python writer.py ADDRESS NAME COUNT`.

Prints the index of each entry after it was acknowledged. COUNT 0 never ends.
"""

import sys
from datetime import UTC, datetime
from itertools import count

from stationmaster.domain.entries import Draft
from stationmaster.ledger.store import Ledger


def main(address: str, name: str, number: str) -> None:
    with Ledger.open(address) as ledger:
        for each in range(int(number)) if int(number) else count():
            at = datetime.now(UTC)
            own = Draft(release=name, step="deployed", subject=f"{name}-{each}", personal={"who": name})
            shared = Draft(release="shared", step="promoted", subject=f"ring-{each}")
            for draft in (own, shared):
                print(ledger.append(draft, at).index, flush=True)  # noqa: T201 - its parent reads it
            ledger.observe(Draft(release=name, step="verdict", subject="ring"), at)


if __name__ == "__main__":
    main(*sys.argv[1:])
