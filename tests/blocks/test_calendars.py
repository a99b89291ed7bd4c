"""Calendars of tenants out of files: what is shared, what is written in place, and what costs only its own tenants."""

from pathlib import Path

import pytest

from stationmaster.blocks.calendars import load_calendars
from stationmaster.domain.calendar import Calendar, Named
from stationmaster.domain.calendar_files import LARGEST
from stationmaster.domain.tenants import Tenant


def tenant(name: str, calendar: Calendar | str | None) -> Tenant:
    return Tenant(id=name, name=name, ring="pilot", calendar=calendar)


def test_tenants_who_name_one_file_share_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "calendars").mkdir()
    (tmp_path / "calendars" / "a.yaml").write_text("timezone: Europe/Berlin\n")
    found = load_calendars([tenant("x", "calendars/a.yaml"), tenant("y", "calendars/a.yaml")], tmp_path, "tenants.yaml")
    assert found["x"] == (Named("calendars/a.yaml", Calendar(timezone="Europe/Berlin")),)
    assert found["x"] is found["y"]


def test_a_calendar_in_the_directory_is_named_by_directory_and_tenant() -> None:
    inline = Calendar(timezone="UTC", default="open")
    assert load_calendars([tenant("x", inline)], None, "tenants") == {"x": (Named("tenants:x", inline),)}


@pytest.mark.parametrize(
    ("calendar", "reason"),
    [
        (None, "tenants: tenant x has no calendar"),
        ("gone.yaml", "gone.yaml cannot be read: No such file or directory"),
        (".", ". cannot be read: Is a directory"),
        ("nul\0.yaml", "nul\0.yaml cannot be read: embedded null byte"),
        ("latin.yaml", "latin.yaml cannot be read: 'utf-8' codec can't decode byte 0xff"),
        ("empty.yaml", "empty.yaml: the file is empty"),
        ("../empty.yaml", "../empty.yaml leads out of the folder of calendars"),
        ("a/../../empty.yaml", "a/../../empty.yaml leads out of the folder of calendars"),
        ("/etc/hosts", "/etc/hosts leads out of the folder of calendars"),
        ("wrong.yaml", "wrong.yaml:1: timezone: unknown IANA zone 'Mars'"),
    ],
)
def test_what_cannot_be_read_is_a_reason(tmp_path: Path, calendar: str | None, reason: str) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"timezone: \xff")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "wrong.yaml").write_text("timezone: Mars\ndefaul: open\n")
    found = load_calendars([tenant("x", calendar)], tmp_path, "tenants")["x"]
    assert isinstance(found, str)
    assert found.startswith(reason)
    assert "\n" not in found


def test_a_directory_without_a_folder_has_no_calendar_files() -> None:
    found = load_calendars([tenant("x", "a.yaml")], None, "tenants")
    assert found == {"x": "a.yaml cannot be read: tenants has no folder with calendar files"}


def test_of_a_file_that_is_no_calendar_little_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("".join(f"key{number}: {'secret' * 50}\n" for number in range(50)))
    found = load_calendars([tenant("x", "a.yaml")], tmp_path, "tenants")["x"]
    assert isinstance(found, str)
    assert found.endswith("; and 41 more")  # the zone is missing too
    assert "secret" not in found


def test_a_file_without_end_is_read_so_far(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("timezone: UTC\n" + "#" * LARGEST)
    (tmp_path / "b.yaml").write_text("timezone: UTC\n" + "#" * (LARGEST - 14))
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    tenants = [tenant(name, f"{name}.yaml") for name in ("a", "b", "zero")]
    found = load_calendars(tenants, tmp_path, "tenants")
    assert str(found["a"]).startswith("a.yaml: the file is larger than 1 MiB")
    assert str(found["zero"]).startswith("zero.yaml: the file is larger than 1 MiB")
    assert not isinstance(found["b"], str)
