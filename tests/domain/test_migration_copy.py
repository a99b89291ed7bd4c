"""`database.rehearsal:` of the product's file."""

import pytest
from pydantic import ValidationError

from stationmaster.domain.migration_copy import Rehearsal


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "give `rows` or `dump`"),
        ({"rows": {"orders": 1}, "dump": "x", "anonymised": True}, "not both"),
        ({"rows": {"orders": 0}}, "greater than or equal to 1"),
        ({"dump": "/srv/shop.dump"}, "never rehearsed on as it is"),
        ({"dump": "x", "anonymised": True, "columns": {"a.b": "1"}}, "`columns` are of `rows`"),
        ({"rows": {"orders": 1}, "columns": {"state": "1"}}, "'state' is not TABLE.COLUMN"),
        ({"rows": {"orders": 1}, "anonymised": True}, "rows that are made are nobody's"),
        ({"dump": "x", "scrub": "../scrub.sql"}, "must lie in the export"),
        ({"rows": {"orders": 1}, "smoke": [[]]}, "at least 1 item"),
        ({"rows": {"orders": 1}, "row": {}}, "Extra inputs"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Rehearsal.model_validate(given)


def test_rows_or_a_dump_without_anybody_in_it() -> None:
    assert Rehearsal.model_validate({"rows": {"orders": 2_000_000}}).timeout == 3600
    assert (
        Rehearsal.model_validate({"dump": "/srv/shop.dump", "scrub": "ops/scrub.sql", "max_age": "7d"}).max_age
        == 604_800
    )
    assert Rehearsal.model_validate({"dump": "/srv/shop.dump", "anonymised": True}).dump == "/srv/shop.dump"
