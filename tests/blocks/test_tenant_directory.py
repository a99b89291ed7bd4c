"""The tenant file: every fault with its file and line, and read anew at each question."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stationmaster.blocks.tenant_directory import YamlDirectory
from stationmaster.domain.documents import DocumentError
from stationmaster.domain.errors import InputError
from tests.blocks.tenants_conformance import PRODUCT, TenantsConformance

GOOD = "tenants:\n  - {id: acme, name: Acme, ring: pilot, calendar: null}\n"


@dataclass
class File:
    path: Path

    @property
    def directory(self) -> YamlDirectory:
        return YamlDirectory(path=str(self.path))

    def put(self, tenants: list[dict[str, Any]]) -> None:
        self.path.write_text(json.dumps({"tenants": tenants}, indent=1))

    def go_away(self) -> None:
        self.path.unlink()


class TestYaml(TenantsConformance):
    @pytest.fixture
    def world(self, tmp_path: Path) -> File:
        return File(tmp_path / "tenants.yaml")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tenants.yaml"
    path.write_text(GOOD)
    return path


def test_tenants_are_read_anew_at_every_question(path: Path) -> None:
    directory = YamlDirectory(path=str(path))
    assert [tenant.calendar for tenant in directory.read(PRODUCT).tenants] == [None]
    path.write_text(GOOD.replace("null", "acme.yaml"))
    assert [tenant.calendar for tenant in directory.read(PRODUCT).tenants] == ["acme.yaml"]


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("{id: b, name: B, ring: pliot}", "unknown ring 'pliot'", "did you mean 'pilot'?"),
        ("{id: b, name: B, ring: pilot, timezone: Europe/Berln}", "Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("{id: acme, name: B, ring: pilot}", "given twice, first in line 2", None),
        ("{id: b, name: B, ring: pilot, calender: a.yaml}", "calender", "did you mean 'calendar'?"),
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
