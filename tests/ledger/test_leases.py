"""Who may work on a release."""

from datetime import UTC, datetime, timedelta

import pytest

from stationmaster.ledger.leases import LeaseHeldError, LeaseLostError
from stationmaster.ledger.store import Ledger

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def test_while_one_holds_it_another_is_told_who_and_until_when(ledger: Ledger) -> None:
    lease = ledger.take_lease("r1", "leg-a", AT, seconds=30)
    with pytest.raises(LeaseHeldError, match="leg-a works on r1 and holds it until 2026-11-23T08:00:30Z") as caught:
        ledger.take_lease("r1", "leg-b", after(29.9))
    assert (caught.value.holder, caught.value.until) == ("leg-a", after(30))
    assert lease.until == after(30)


def test_other_releases_are_free(ledger: Ledger) -> None:
    ledger.take_lease("r1", "leg-a", AT)
    assert ledger.take_lease("r2", "leg-b", AT).epoch == 1


def test_the_epoch_grows_with_every_take(ledger: Ledger) -> None:
    first = ledger.take_lease("r1", "leg-a", AT)
    again = ledger.take_lease("r1", "leg-a", after(1))
    expired = ledger.take_lease("r1", "leg-b", after(31))
    ledger.give_back(expired)
    free = ledger.take_lease("r1", "leg-c", after(32))
    assert [lease.epoch for lease in (first, again, expired, free)] == [1, 2, 3, 4]


def test_a_renewed_lease_lasts_longer_by_its_own_length(ledger: Ledger) -> None:
    lease = ledger.renew(ledger.take_lease("r1", "leg-a", AT, seconds=60), after(50))
    assert (lease.until, lease.epoch) == (after(110), 1)
    with pytest.raises(LeaseHeldError):
        ledger.take_lease("r1", "leg-b", after(109))


def test_a_lease_that_ran_out_is_renewed_only_if_nobody_took_it(ledger: Ledger) -> None:
    lease = ledger.take_lease("r1", "leg-a", AT)
    lease = ledger.renew(lease, after(100))
    ledger.take_lease("r1", "leg-b", after(131))
    with pytest.raises(LeaseLostError, match="epoch 2 has taken over"):
        ledger.renew(lease, after(132))


def test_giving_back_a_lost_lease_leaves_the_new_one_alone(ledger: Ledger) -> None:
    old = ledger.take_lease("r1", "leg-a", AT)
    ledger.take_lease("r1", "leg-b", after(31))
    ledger.give_back(old)
    with pytest.raises(LeaseHeldError):
        ledger.take_lease("r1", "leg-c", after(32))


def test_a_holder_known_to_be_gone_is_replaced_and_nobody_else_is(ledger: Ledger) -> None:
    first = ledger.take_lease("r1", "worker 1", AT)
    with pytest.raises(LeaseHeldError):
        ledger.take_lease("r1", "worker 3", AT, instead_of="worker 2")
    second = ledger.take_lease("r1", "worker 3", AT, instead_of="worker 1")
    assert second.epoch > first.epoch
    with pytest.raises(LeaseLostError):
        ledger.renew(first, AT)


def test_who_holds_a_release_can_be_asked(ledger: Ledger) -> None:
    assert ledger.holder("r1", AT) is None
    lease = ledger.take_lease("r1", "leg-a", AT)
    found = ledger.holder("r1", AT)
    assert found is not None
    assert (found.holder, found.epoch, found.until) == ("leg-a", lease.epoch, lease.until)
    assert ledger.holder("r2", AT) is None
    assert ledger.holder("r1", lease.until) is None  # it ran out
    ledger.give_back(lease)
    assert ledger.holder("r1", AT) is None
