"""The tenant file: every fault with its file and line, and read anew at each question."""

from pathlib import Path

import pytest

from stationmaster.blocks.tenant_directory import YamlDirectory
from stationmaster.domain.documents import DocumentError, read
from stationmaster.domain.errors import InputError
from stationmaster.domain.product import Product

PRODUCT = read(
    Product,
    """\
product: shop
build: {command: [make], output: app.pyz}
service: {command: ["{artifact}", "{socket}"]}
rings: [{name: pilot}, {name: rest}]
journeys: [{name: order, steps: [{name: look, path: /}]}]
hard_limits: {availability: {max_bad: 0.05, min_count: 20}}
approvals: {deploy: {release-approver: 1}}
""",
    "stationmaster.yaml",
).value
GOOD = "tenants:\n  - {id: acme, name: Acme, ring: pilot, window: open}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tenants.yaml"
    path.write_text(GOOD)
    return path


def test_tenants_are_read_anew_at_every_question(path: Path) -> None:
    directory = YamlDirectory(path=str(path))
    assert [tenant.window for tenant in directory.read(PRODUCT).tenants] == ["open"]
    path.write_text(GOOD.replace("open", "closed"))
    assert [tenant.window for tenant in directory.read(PRODUCT).tenants] == ["closed"]


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("{id: b, name: B, ring: pliot}", "unknown ring 'pliot'", "did you mean 'pilot'?"),
        ("{id: b, name: B, ring: pilot, timezone: Europe/Berln}", "Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("{id: acme, name: B, ring: pilot}", "given twice, first in line 2", None),
        ("{id: b, name: B, ring: pilot, windwo: open}", "windwo", "did you mean 'window'?"),
    ],
)
def test_a_fault_names_file_line_and_the_nearest_right_word(path: Path, line: str, said: str, hint: str | None) -> None:
    path.write_text(f"{GOOD}  - {line}\n")
    with pytest.raises(DocumentError, match=said) as caught:
        YamlDirectory(path=str(path)).read(PRODUCT)
    assert (caught.value.file, caught.value.line, caught.value.hint) == (str(path), 3, hint)


def test_rings_are_not_asked_without_a_product(path: Path) -> None:
    path.write_text(GOOD.replace("pilot", "unheard-of"))
    assert YamlDirectory(path=str(path)).read().tenants[0].ring == "unheard-of"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError, match=said) as caught:
            YamlDirectory(path=str(path)).read()
        assert caught.value.file == str(path)
        assert caught.value.hint


def test_a_file_in_another_encoding_is_named(path: Path) -> None:
    path.write_bytes("tenants: [{id: kaese, name: Käse, ring: pilot}]".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8") as caught:
        YamlDirectory(path=str(path)).read()
    assert caught.value.file == str(path)
