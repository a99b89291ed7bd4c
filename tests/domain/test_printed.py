"""What a guest printed is kept without secrets, also when it is too long and a secret lies across the cut."""

from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.masking import HIDDEN, Mask
from stationmaster.domain.printed import Printed

SECRET = "hunter2-secret"
MASK = Mask.of([SECRET])


def test_what_is_short_is_kept_whole_and_masked() -> None:
    assert Printed(b"token=hunter2-secret\n\x00\xff").masked(MASK) == f"token={HIDDEN}\n".encode() + b"\x00\xff"
    assert Printed(b"").masked(MASK) == b""


def test_a_long_one_says_how_much_is_left_out() -> None:
    kept = Printed(b"begin " + b"." * 100, 12_345_678, b"." * 100 + b" end").masked(MASK)
    assert kept.startswith(b"begin ...")
    assert kept.endswith(b"... end")
    assert b"\n[stationmaster: 12,345,678 bytes are left out here; of a log 16 MiB are kept]\n" in kept


@given(st.integers(0, len(SECRET)), st.integers(0, len(SECRET)), st.binary(max_size=60), st.binary(max_size=60))
def test_of_a_secret_across_the_cut_nothing_stays(before: int, after: int, first: bytes, last: bytes) -> None:
    """Whatever part of it ends the head or begins the tail."""
    kept = Printed(first + SECRET[:before].encode(), 1, SECRET[len(SECRET) - after :].encode() + last).masked(MASK)
    begins, _, rest = kept.partition(b"\n[stationmaster: ")
    assert first.startswith(begins)
    assert last.endswith(rest.partition(b"kept]\n")[2])


def test_without_a_secret_nothing_is_lost_at_the_cut() -> None:
    assert Printed(b"head", 1, b"tail").masked(Mask()).startswith(b"head\n[")
    assert Printed(b"head", 1, b"tail").masked(Mask()).endswith(b"]\ntail")
