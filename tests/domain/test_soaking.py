"""How long a ring has to be good before the next one may follow."""

from datetime import datetime, timedelta

from stationmaster.domain.documents import read
from stationmaster.domain.entries import Entry
from stationmaster.domain.plan import Plan, Wave
from stationmaster.domain.product import Product
from stationmaster.domain.soaking import soaked
from tests.entries import story
from tests.shop import PRODUCT

WAVES = (Wave("pilot", {"cloud": ("a",)}), Wave("pilot", {"cloud": ("b",)}, 2), Wave("broad", {"cloud": ("c",)}))
PLAN = Plan("shop", "sha256:x", WAVES, ())


def product(soak: str) -> Product:
    text = PRODUCT.replace("{name: pilot, watch: 3s}", f"{{name: pilot, watch: 3s, soak: {soak}}}")
    return read(Product, text, "stationmaster.yaml").value


def good(*waves: str) -> list[Entry]:
    return story(*(("promoted", wave) for wave in waves))


def test_the_ring_before_soaks_from_its_last_wave_on() -> None:
    entries = good("pilot", "pilot-2")
    found = soaked(product("2h"), PLAN, WAVES[2], entries)
    assert found == ("pilot", datetime.fromisoformat(entries[1].at) + timedelta(hours=2))


def test_waves_of_one_ring_do_not_wait_for_each_other() -> None:
    assert soaked(product("2h"), PLAN, WAVES[1], good("pilot")) is None


def test_what_does_not_soak_holds_nobody_up() -> None:
    assert soaked(product("0s"), PLAN, WAVES[2], good("pilot", "pilot-2")) is None
