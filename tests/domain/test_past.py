"""What a tenant ran before, whatever came and went."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.past import ran_before
from tests.entries import add


def past(told: str) -> list[Entry]:
    """Each word: `+2` a release brought 2, `-1` one was taken back to 1, `=1` it was found running 1."""
    entries: list[Entry] = []
    for number, word in enumerate(told.split()):
        step = {"+": "deployed", "-": "rolled_back", "=": "adopted"}[word[0]]
        add(entries, Draft(release=f"r{number}", step=step, subject="acme", fact={"digest": word[1:]}))
    return entries


@pytest.mark.parametrize(
    ("told", "digest", "before"),
    [
        ("=1 +2", "2", "1"),
        ("+2", "2", None),
        ("=1 +2 +3", "3", "2"),
        ("=1 +3 +2 -3", "3", "1"),
        ("=1 +3 +2 -3 +3", "3", "1"),
        ("=1 +2 +3 -2 +4", "4", "2"),
        ("=1 +2 +3 +4 -2", "2", "1"),
        ("=1 +2 +1 +3", "3", "1"),
        ("=1 +2 +1", "1", "2"),
        ("=1 +2 =5 +3", "3", "5"),
        ("=1 +2 +2", "2", "1"),
        ("", "1", None),
        ("=1", "2", None),
    ],
)
def test_what_was_taken_back_does_not_count(told: str, digest: str, before: str | None) -> None:
    found = ran_before(past(told), digest)
    assert (found and found.fact["digest"]) == before


@given(st.lists(st.sampled_from("123456"), min_size=2, max_size=6, unique=True))
def test_taken_back_in_turn_it_is_every_version_to_the_first(came: list[str]) -> None:
    told = " ".join(f"+{one}" for one in came)
    seen = [came[-1]]
    while found := ran_before(past(told), seen[-1]):
        seen.append(found.fact["digest"])
        told += f" -{seen[-1]}"
    assert seen == came[::-1]
