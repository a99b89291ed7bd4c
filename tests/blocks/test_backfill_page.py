"""What the Prefect UI shows of a backfill under way."""

import pytest

from stationmaster.blocks.backfill_page import about, headline, percent, table
from stationmaster.blocks.backfilling import Progress, TenantProgress


def progress(*tenants: TenantProgress, eta: float | None = None, held: str | None = None) -> Progress:
    return Progress("totals", "public.orders", sum(one.rows for one in tenants), eta, tenants, held)


ACME = TenantProgress("acme", "running", 250, 1000, 75.0)
BIRCH = TenantProgress("birch", "verified", 10, 1000, 0.0)
CEDAR = TenantProgress("cedar", "failed", 0, None, None, "row 17")


@pytest.mark.parametrize(
    ("tenants", "of_100"),
    [
        ((), 0.0),
        ((ACME,), 25.0),
        ((ACME, BIRCH), 62.5),  # who is through counts whole, however few rows needed it
        ((BIRCH,), 100.0),
        ((BIRCH, CEDAR), 50.0),  # by tenants where nobody knows how many rows there are
        ((TenantProgress("acme", "running", 1200, 1000),), 100.0),
        ((TenantProgress("acme", "pending", 0, 0),), 0.0),
        ((TenantProgress("acme", "verified", 0, 0),), 100.0),
    ],
)
def test_how_much_of_it_is_done(tenants: tuple[TenantProgress, ...], of_100: float) -> None:
    assert percent(progress(*tenants)) == of_100


def test_each_tenant_has_a_row_with_how_long_it_takes_and_why_it_does_not_go_on() -> None:
    assert table(progress(ACME, CEDAR)) == [
        {"tenant": "acme", "state": "running", "rows": 250, "of about": 1000, "left": "75 s", "why": ""},
        {"tenant": "cedar", "state": "failed", "rows": 0, "of about": "", "left": "", "why": "row 17"},
    ]


def test_the_whole_in_a_line() -> None:
    assert headline(progress(ACME)) == "totals: 250 rows of public.orders"
    told = headline(progress(ACME, eta=7200, held="rollback: 20 of 20 requests were bad"))
    assert told == (
        "totals: 250 rows of public.orders, about 2 h left; it stands still: rollback: 20 of 20 requests were bad"
    )


def test_a_length_of_time_is_as_exact_as_anybody_knows() -> None:
    lengths = (0.2, 89, 90, 5000, 5400, 100_000, 200_000)
    assert [about(one) for one in lengths] == ["1 s", "89 s", "2 min", "83 min", "2 h", "28 h", "2 d"]
