"""What of a release one customer may see."""

from typing import Any

import pytest

from stationmaster.domain.concerning import Concern, foreign_rings, openings_of, planned_tenants
from stationmaster.domain.duration import instant
from stationmaster.domain.entries import Entry, canonical, digest
from stationmaster.domain.mandate import Mandate, Opening
from stationmaster.domain.others import Others
from stationmaster.domain.tenants import Tenant
from tests.entries import AT, story

RINGS = ("stage", "pilot", "broad")
PLACES = {"acme": "pilot", "birch": "broad", "cedar": "broad"}
WAVES = [
    {"ring": "pilot", "name": "pilot", "tenants": ["acme"]},
    {"ring": "broad", "name": "broad", "tenants": ["birch"]},
    {"ring": "broad", "name": "broad-2", "tenants": ["cedar"]},
]
PLANNED = {"waves": WAVES, "placements": [{"tenant": name, "ring": ring} for name, ring in PLACES.items()]}


def told(planned: dict[str, Any] = PLANNED, mandated: tuple[str, ...] = tuple(PLACES)) -> list[Entry]:
    """Planned as entry 0, and a mandate over these tenants."""
    entries = story("planned", facts={"planned": planned})
    found = [Opening.of(name, PLACES[name], RINGS, entries[0].salt) for name in mandated]
    made = Mandate.lay_down("r1", {"artifact": "sha256:a"}, found, AT, planned=0)
    return [*entries, *story("cut", "mandated", facts={"mandated": made.fact()})[1:]]


def test_an_opening_is_found_whatever_the_rings_were() -> None:
    (raw,) = openings_of(told(), "cedar").values()
    assert raw == canonical({"tenant": "cedar", "ring": "broad", "order": 2, "salt": Opening.of(
        "cedar", "broad", RINGS, "00" * 16).salt})  # fmt: skip
    assert digest(raw) in Mandate.read(told()[-1].fact).tenants


def test_there_is_none_of_a_tenant_that_is_not_in_the_mandate() -> None:
    entries = told(mandated=("acme", "birch"))
    assert openings_of(entries, "cedar") == openings_of(entries, "dara") == openings_of(entries[:1], "acme") == {}
    assert openings_of(entries[1:], "acme") == {}  # its plan is not there: nobody has the salt


def test_a_tenant_opens_each_mandate_that_it_was_in() -> None:
    entries = told()
    later = told(mandated=("acme",))[-1].model_copy(update={"index": 9})
    both = [*entries, later]
    assert list(openings_of(both, "cedar")) == [1]
    assert list(openings_of(both, "acme")) == [1, 9]


def test_rings_and_waves_in_which_a_tenant_never_was_are_others() -> None:
    assert foreign_rings(told(), "acme") == {"broad", "broad-2"}
    assert foreign_rings(told(), "birch") == {"pilot", "broad-2"}
    moved = {**PLANNED, "waves": [{"ring": "broad", "name": "broad", "tenants": ["acme"]}]}
    assert foreign_rings([*told(), *told(moved)], "acme") == {"broad-2"}


def test_everybody_who_was_ever_planned() -> None:
    assert planned_tenants(told()) == set(PLACES)
    assert planned_tenants([]) == set()


@pytest.mark.parametrize(
    ("step", "seen"),
    [
        ("built", True),
        (("deployed", "acme"), True),
        (("deployed", "birch"), False),
        (("deployed", "Birch GmbH"), False),
        (("verdict", "pilot"), True),
        (("verdict", "broad"), False),
        (("promoted", "broad-2"), False),
        (("attested", "verdict/pilot"), True),
        (("attested", "verdict/broad"), False),
        ("planned", False),
    ],
)
def test_an_entry_that_names_another_or_is_about_another_ring_is_hidden(
    step: str | tuple[str, str],
    seen: bool,  # noqa: FBT001
) -> None:
    directory = [Tenant(id=name, name=name.title(), ring=ring) for name, ring in PLACES.items()]
    concern = Concern("acme", Others.of("acme", directory, ()), foreign_rings(told(), "acme"))
    (entry,) = story(step, facts={"planned": PLANNED})
    assert concern.has(entry) is seen


def test_the_instants_of_these_tests_are_the_ledgers() -> None:
    assert told()[0].at == instant(AT)
