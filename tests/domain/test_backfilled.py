"""Who is verified by the ledger, and who lost it: by this release's rollback, by another's, or found elsewhere."""

from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.backfilled import Filling, Past, all_verified, fillings, first, subject, told
from stationmaster.domain.entries import Draft, Entry
from tests.entries import add

JOB = subject("cloud", "totals")


class Told:
    """A ledger about one backfill on `cloud`; version 2 and newer write both."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def runs(self, tenant: str, version: str, step: str = "deployed", release: str = "r2") -> Entry:
        return add(self.entries, Draft(release=release, step=step, subject=tenant, fact={"version": version}))

    def begin(self, spec: str = "s1", *, again: int = 0) -> Entry:
        fact = {"name": "totals", "database": "cloud", "spec": spec, "commit": "c2"}
        return add(self.entries, Draft(release="r2", step="backfilling", subject=JOB, inputs={"n": again}, fact=fact))

    def end(self, began: Entry, *tenants: str, left: tuple[str, ...] = (), spec: str = "s1") -> Entry:
        fact = {"name": "totals", "database": "cloud", "spec": spec, "began": began.index, "rows": 7}
        more = {"tenants": list(tenants), "left": list(left)}
        return add(self.entries, Draft(release="r2", step="backfilled", subject=JOB, fact={**fact, **more}))

    @property
    def past(self) -> Past:
        return Past.of(self.entries, "s1", self.entries, lambda entry: int(entry.fact["version"]) >= 2)


def filled() -> Told:
    told = Told()
    for tenant in ("acme", "birch"):
        told.runs(tenant, "1", "adopted", "install")
        told.runs(tenant, "2")
    told.end(told.begin(), "acme", "birch")
    return told


def test_whoever_was_found_verified_is() -> None:
    past = filled().past
    assert past.verified() == {"acme", "birch"}
    assert (past.lost(), past.left) == ({}, frozenset())


def test_nobody_is_before_it_was_begun_or_while_it_lasts() -> None:
    told = Told()
    told.runs("acme", "1")
    assert (told.past.verified(), told.past.lost(), told.past.began, told.past.left) == (frozenset(), {}, None, None)
    told.begin()
    assert (told.past.verified(), told.past.lost(), told.past.left) == (frozenset(), {}, None)


def test_who_is_led_back_past_the_dual_write_loses_it_whichever_release_did_it() -> None:
    for step, release in (("rolled_back", "r2"), ("rolled_back", "r9"), ("adopted", "install"), ("deployed", "r9")):
        told = filled()
        back = told.runs("acme", "1", step, release)
        assert told.past.verified() == {"birch"}
        assert told.past.lost() == {"acme": back}


def test_it_stays_lost_when_the_release_comes_back_until_it_is_verified_again() -> None:
    told = filled()
    told.runs("acme", "1", "rolled_back")
    told.runs("acme", "2")
    assert set(told.past.lost()) == {"acme"}
    told.end(told.begin(again=1), "acme", "birch")
    assert told.past.verified() == {"acme", "birch"}
    assert told.past.lost() == {}


def test_who_goes_to_another_version_with_the_dual_write_keeps_it() -> None:
    told = filled()
    told.runs("acme", "3", release="r3")
    told.runs("acme", "2", "rolled_back", "r3")
    assert told.past.verified() == {"acme", "birch"}


def test_what_is_recorded_of_a_run_in_whose_middle_the_tenant_went_back_does_not_count() -> None:
    told = Told()
    told.runs("acme", "2")
    began = told.begin()
    told.runs("acme", "1", "rolled_back")
    told.runs("acme", "2")
    told.end(began, "acme")
    assert (told.past.verified(), set(told.past.lost())) == (frozenset(), {"acme"})


def test_what_ran_before_it_was_begun_takes_nothing_away() -> None:
    told = Told()
    told.runs("acme", "1", "adopted")
    told.runs("acme", "2")
    told.end(told.begin(), "acme")
    assert told.past.verified() == {"acme"}


def test_another_declaration_under_the_same_name_is_another_backfill() -> None:
    told = filled()
    told.end(told.begin("s2", again=1), "acme", spec="s2")
    assert told.past.verified() == {"acme", "birch"}
    began = [entry for entry in told.entries if entry.step == "backfilling"]
    assert [first(began, "totals", spec) for spec in ("s1", "s2", "s3")] == [*began, None]


def test_whom_a_run_left_is_known_until_the_next_is_through() -> None:
    told = filled()
    told.end(told.begin(again=1), "acme", left=("birch",))
    assert set(told.past.left or ()) == {"birch"}
    assert fillings(told.entries) == {JOB: Filling(state="in part", rows=7, tenants=1, left=("birch",))}
    assert not all_verified(fillings(told.entries))


def test_how_far_it_is() -> None:
    ledger = Told()
    began = ledger.begin()
    assert fillings(ledger.entries) == {JOB: Filling(state="under way", rows=None, tenants=None)}
    ledger.end(began, "acme")
    assert fillings(ledger.entries)[JOB].state == "verified"
    assert all_verified(fillings(ledger.entries))


def test_in_words() -> None:
    many = tuple(f"t{number}" for number in range(12))
    found = {
        "a/x": Filling(state="under way", rows=None, tenants=None),
        "b/x": Filling(state="verified", rows=12000, tenants=1),
        "c/x": Filling(state="in part", rows=0, tenants=2, left=("acme",)),
        "d/x": Filling(state="in part", rows=0, tenants=0, left=many),
    }
    assert told(found) == [
        "a/x: under way",
        "b/x: verified, 12,000 rows, 1 tenant verified",
        "c/x: in part, 0 rows, 2 tenants verified, acme is not",
        "d/x: in part, 0 rows, 0 tenants verified, t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 2 more are not",
    ]


@given(st.lists(st.sampled_from(["1", "2", "3", "run"]), max_size=12))
def test_nobody_is_both_and_who_was_away_since_the_last_run_is_lost(steps: list[str]) -> None:
    told = Told()
    told.runs("acme", "2")
    told.end(told.begin(), "acme")
    away = False
    for number, step in enumerate(steps, 1):
        if step == "run":
            told.end(told.begin(again=number), "acme")
        else:
            told.runs("acme", step)
        away = {"run": False, "1": True}.get(step, away)
        assert ("acme" in told.past.lost(), "acme" in told.past.verified()) == (away, not away)
