"""Who goes back, and to what a tenant may go back."""

import pytest

from stationmaster.domain.entries import Draft, Entry
from stationmaster.domain.request import RollbackRequest, Scope
from stationmaster.domain.rollback import (
    NothingToRollBackError,
    NotOnReleaseError,
    NotProvedError,
    RollbackOfRollbackError,
    in_scope,
    must_be_deployed,
)
from stationmaster.domain.ways_out import Way
from tests.entries import add

PLACES = {"acme": "cloud", "birch": "cloud", "cedar": "cedar", "delta": "cloud"}


def runs(*on: str, back: tuple[str, ...] = (), release: str = "r2") -> dict[str, Entry]:
    """`on` run the release, `back` were led back from it, the others run what was there before."""
    entries: list[Entry] = []
    for tenant, place in PLACES.items():
        step, by = ("adopted", "install")
        if tenant in on or tenant in back:
            step, by = ("deployed" if tenant in on else "rolled_back", release)
        fact = {"instance": place, "version": "2", "digest": f"sha256:{step}"}
        add(entries, Draft(release=by, step=step, subject=tenant, fact=fact))
    return {entry.subject: entry for entry in entries}


@pytest.mark.parametrize(
    ("scope", "named", "on", "back"),
    [
        ("tenant", ["acme"], ["acme", "birch"], ["acme"]),
        ("instance", ["acme"], ["acme", "birch", "cedar"], ["acme", "birch"]),
        ("instance", ["cedar"], ["acme", "birch", "cedar"], ["cedar"]),
        ("release", [], ["acme", "birch", "cedar"], ["acme", "birch", "cedar"]),
        ("release", ["acme"], ["acme", "cedar"], ["acme", "cedar"]),
        ("release", [], [], []),
    ],
)
def test_the_scope_is_the_tenants_their_instances_or_all(
    scope: Scope, named: list[str], on: list[str], back: list[str]
) -> None:
    assert in_scope("r2", scope, named, runs(*on)) == tuple(back)


def test_who_shares_the_instance_and_does_not_have_the_release_stays() -> None:
    assert in_scope("r2", "instance", ["acme"], runs("acme")) == ("acme",)


def test_who_is_back_already_does_not_go_back_twice_and_still_names_its_instance() -> None:
    running = runs("birch", back=("acme",))
    assert in_scope("r2", "tenant", ["acme"], running) == ()
    assert in_scope("r2", "instance", ["acme"], running) == ("birch",)


def test_a_tenant_that_does_not_run_it_is_named_with_the_nearest_that_does() -> None:
    with pytest.raises(NotOnReleaseError, match="acne does not run r2") as caught:
        in_scope("r2", "tenant", ["acne"], runs("acme"))
    assert caught.value.hint == "did you mean 'acme'?"
    with pytest.raises(NotOnReleaseError) as nobody:
        in_scope("r2", "tenant", ["acme"], runs())
    assert nobody.value.hint == "nobody runs r2"


def test_a_release_that_nobody_runs_has_nothing_to_roll_back() -> None:
    must_be_deployed("r2", "sha256:r2", runs("acme"))
    must_be_deployed("r2", "sha256:r2", runs(back=("acme",)))
    with pytest.raises(NothingToRollBackError, match="no tenant runs r2") as caught:
        must_be_deployed("r2", None, runs("acme", release="r3"))
    assert caught.value.hint is not None
    assert "release abort r2" in caught.value.hint


def test_who_runs_an_artifact_by_a_rollback_only_is_not_led_on_from_there() -> None:
    running = runs("cedar", back=("acme",), release="r3")
    with pytest.raises(RollbackOfRollbackError, match="acme run what a rollback led them to"):
        must_be_deployed("r2", running["acme"].fact["digest"], running)


def test_a_rollback_is_never_rolled_back() -> None:
    error = RollbackOfRollbackError("r1", ["birch", "acme"])
    assert error.message.startswith("acme, birch run what a rollback led them to")
    assert error.hint is not None
    assert "release why r1" in error.hint


def test_what_is_not_proved_says_who_stays_and_the_way_out() -> None:
    error = NotProvedError(["birch", "acme"], "1.2.0", ("",), "cloud", (Way(way="forward", said="go forward"),))
    assert error.message.startswith(
        "acme, birch stay where they are: stage never proved that 1.2.0 works on schema (none)"
    )
    assert "database cloud" in error.message
    assert error.hint is not None
    assert "forward" in error.hint


@pytest.mark.parametrize("scope", ["tenant", "instance"])
def test_a_request_names_somebody_unless_all_go_back(scope: Scope) -> None:
    asked = {"release": "r2", "product": "shop", "reason": "bad", "starter": "ana"}
    assert RollbackRequest.model_validate({**asked, "scope": "release"}).tenants == ()
    with pytest.raises(ValueError, match="name the tenants"):
        RollbackRequest.model_validate({**asked, "scope": scope})
