"""What every tenant directory must do, wherever the tenants are.

A test module inherits `TenantsConformance`, or `AskedConformance` where the source can fail, and gives `world`.
"""

import json
import time
from pathlib import Path
from typing import Any, Protocol

import pytest
from pydantic import ValidationError

from stationmaster.blocks.tenant_copies import AskedDirectory, TenantsTooOldError
from stationmaster.domain.documents import DocumentError, read
from stationmaster.domain.errors import OutsideError, StationmasterError
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
ACME: dict[str, Any] = {
    "id": "acme", "name": "Acme", "ring": "pilot", "timezone": "Europe/Berlin", "sites": ["berlin", "lyon"],
    "tags": ["key account"], "contacts": {"it": "it@acme.example"}, "pinned": "1.4.0", "hosting": "dedicated",
}  # fmt: skip


def tenants(*ids: str) -> list[dict[str, Any]]:
    return [{"id": one, "name": one.title(), "ring": "pilot"} for one in ids]


class World(Protocol):
    """A directory, and the hands that change what it reads. `put` takes tenants with the keys of a tenant."""

    @property
    def directory(self) -> Any: ...
    def put(self, tenants: list[dict[str, Any]]) -> None: ...
    def go_away(self) -> None: ...


class TenantsConformance:
    def test_every_key_arrives_as_it_was_given(self, world: World) -> None:
        world.put([ACME, *tenants("birch")])
        acme, birch = world.directory.read(PRODUCT).tenants
        assert {key: value for key, value in acme.model_dump(mode="json").items() if key in ACME} == ACME
        assert (birch.pinned, birch.hosting, birch.sites) == (None, "cloud", ())

    def test_the_order_is_that_of_the_source(self, world: World) -> None:
        world.put(tenants("cedar", "acme", "birch"))
        assert [one.id for one in world.directory.read().tenants] == ["cedar", "acme", "birch"]

    @pytest.mark.parametrize(
        ("change", "said", "hint"),
        [
            ({"ring": "pliot"}, "unknown ring 'pliot'", "did you mean 'pilot'?"),
            ({"timezone": "Europe/Berln"}, "Europe/Berln", "did you mean 'Europe/Berlin'?"),
            ({"id": "acme"}, "given twice", None),
            ({"calender": "acme.yaml"}, "calender", "did you mean 'calendar'?"),
            ({"sites": {"berlin": 1}}, "must be a list", None),
            ({"hosting": "clowd"}, "'clowd' is not known", "did you mean 'cloud'?"),
        ],
    )
    def test_a_fault_names_the_tenant_and_the_nearest_right_word(
        self, world: World, change: dict[str, Any], said: str, hint: str | None
    ) -> None:
        world.put([*tenants("acme"), *({**one, **change} for one in tenants("birch"))])
        with pytest.raises(DocumentError, match=said) as caught:
            world.directory.read(PRODUCT)
        assert caught.value.line
        assert hint is None or hint == caught.value.hint

    def test_a_calendar_is_written_out_or_a_file_of_the_folder(self, world: World) -> None:
        acme, birch, cedar, elm = tenants("acme", "birch", "cedar", "elm")
        always = {"timezone": "Europe/Berlin", "default": "open"}
        world.put([{**acme, "calendar": always}, {**birch, "calendar": "b.yaml"}, {**cedar, "calendar": "c.yaml"}, elm])
        directory = world.directory
        directory.calendar_folder.mkdir(parents=True, exist_ok=True)
        (directory.calendar_folder / "b.yaml").write_text("timezone: UTC\ndefault: closed\n")
        found = directory.calendars_of(directory.read(PRODUCT).tenants)
        assert found["acme"][0].calendar.timezone == "Europe/Berlin"
        assert [(one.file, one.calendar.default) for one in found["birch"]] == [("b.yaml", "closed")]
        assert "c.yaml cannot be read" in found["cedar"]
        assert "has no calendar" in found["elm"]

    def test_nobody_is_refused(self, world: World) -> None:
        world.put([])
        with pytest.raises(DocumentError, match="empty"):
            world.directory.read()

    def test_when_it_is_away_and_never_answered_the_error_says_so(self, world: World) -> None:
        world.put(tenants("acme"))
        world.go_away()
        with pytest.raises(StationmasterError) as caught:
            world.directory.read()
        assert caught.value.hint
        assert "hunter2" not in f"{caught.value} {caught.value.hint}"


class AskedWorld(World, Protocol):
    """`asked` counts how often the source was asked, so far as it knows."""

    @property
    def directory(self) -> AskedDirectory: ...
    def come_back(self) -> None: ...


def older(directory: AskedDirectory, seconds: float) -> None:
    """As if so much time had passed since."""
    kept = json.loads(directory.copy_path.read_text())
    kept["at"] -= seconds
    if kept["failure"]:
        kept["failure"]["at"] -= seconds
    directory.copy_path.write_text(json.dumps(kept))


class AskedConformance(TenantsConformance):
    def test_an_answer_counts_for_a_while_and_then_the_source_is_asked_again(self, asked: AskedWorld) -> None:
        asked.put(tenants("acme", "birch"))
        assert len(asked.directory.read().tenants) == 2
        asked.put(tenants("acme", "birch", "cedar"))
        assert len(asked.directory.read().tenants) == 2
        older(asked.directory, 61)
        known = asked.directory.look(PRODUCT)
        assert (len(known.directory.tenants), known.note) == (3, None)

    def test_the_last_good_copy_serves_while_the_source_fails_and_its_age_is_shown(
        self, asked: AskedWorld, caplog: pytest.LogCaptureFixture
    ) -> None:
        asked.put(tenants("acme"))
        asked.directory.read()
        asked.go_away()
        older(asked.directory, 3 * 3600)
        assert [one.id for one in asked.directory.read(PRODUCT).tenants] == ["acme"]
        assert "tenant directory is 3 h old: " in caplog.text
        assert "hunter2" not in caplog.text
        assert asked.directory.look().age > 3 * 3600

    def test_a_source_that_fails_is_not_asked_again_at_once(self, asked: AskedWorld) -> None:
        asked.put(tenants("acme"))
        asked.directory.read()
        asked.go_away()
        older(asked.directory, 100)
        first = asked.directory.look()
        asked.come_back()
        assert asked.directory.look().why == first.why
        older(asked.directory, 61)
        assert asked.directory.look().note is None

    def test_a_copy_that_is_too_old_is_refused(self, asked: AskedWorld) -> None:
        asked.put(tenants("acme"))
        asked.directory.read()
        asked.go_away()
        older(asked.directory, 86_500)
        for _ in range(2):
            with pytest.raises(
                TenantsTooOldError, match="is 1 d old, which is more than 1 d; who may be touched is not"
            ):
                asked.directory.read()
        asked.come_back()
        older(asked.directory, 61)
        assert asked.directory.look().note is None

    def test_a_copy_from_the_future_is_of_no_use(self, asked: AskedWorld) -> None:
        asked.put(tenants("acme"))
        asked.directory.read()
        older(asked.directory, -3600)
        asked.put(tenants("acme", "birch"))
        assert len(asked.directory.read().tenants) == 2
        older(asked.directory, -3600)
        asked.go_away()
        with pytest.raises(TenantsTooOldError, match="of an instant still to come"):
            asked.directory.read()

    def test_losing_more_than_half_is_refused_until_somebody_accepts_it(self, asked: AskedWorld) -> None:
        asked.put(tenants(*"abcdefgh"))
        asked.directory.read()
        asked.put(tenants(*"abc"))
        older(asked.directory, 61)
        known = asked.directory.look()
        assert len(known.directory.tenants) == 8
        assert "has lost 5 of 8 tenants: d, e, f, g, h (if they are gone indeed: `stationmaster tenants accept`" in str(
            known.note
        )
        older(asked.directory, 86_500)
        with pytest.raises(OutsideError, match="has lost 5 of 8"):
            asked.directory.read()
        assert len(asked.directory.look(accept=True).directory.tenants) == 3
        assert asked.directory.look().note is None

    def test_losing_half_is_not_suspicious_and_others_in_their_place_are(self, asked: AskedWorld) -> None:
        asked.put(tenants(*"abcd"))
        asked.directory.read()
        asked.put(tenants(*"cd"))
        older(asked.directory, 61)
        assert asked.directory.look().note is None
        asked.put(tenants(*"xyz"))
        older(asked.directory, 61)
        assert "lost 2 of 2" in str(asked.directory.look().note)

    @pytest.mark.parametrize("broken", [[], [*tenants("acme"), {"id": "birch"}], tenants("acme", "acme")])
    def test_a_broken_answer_takes_no_place_and_cannot_be_accepted(
        self, asked: AskedWorld, broken: list[dict[str, Any]]
    ) -> None:
        asked.put(tenants("acme"))
        asked.directory.read()
        asked.put(broken)
        older(asked.directory, 61)
        known = asked.directory.look()
        assert [one.id for one in known.directory.tenants] == ["acme"]
        assert str(known.note).startswith("tenant directory is 1 min old: tenants of ")
        with pytest.raises(DocumentError):
            asked.directory.look(accept=True)
        assert [one.id for one in asked.directory.look().directory.tenants] == ["acme"]

    def test_the_copy_is_its_owners_alone_and_holds_no_secret(self, asked: AskedWorld) -> None:
        asked.put([ACME])
        asked.directory.read()
        path = asked.directory.copy_path
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert "hunter2" not in path.read_text() + path.name

    @pytest.mark.parametrize("damage", [b"", b"[]", b'{"at": 1, "pages": []}', b"\xff"])
    def test_a_damaged_copy_is_none(self, asked: AskedWorld, damage: bytes) -> None:
        asked.put(tenants("acme"))
        asked.directory.read()
        asked.directory.copy_path.write_bytes(damage)
        assert asked.directory.look().note is None
        asked.directory.copy_path.write_bytes(damage)
        asked.go_away()
        with pytest.raises(StationmasterError):
            asked.directory.read()

    def test_a_copy_that_cannot_be_written_stops_nobody(
        self, asked: AskedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "full").write_text("")
        monkeypatch.setenv("STATIONMASTER_HOME", str(tmp_path / "full"))
        asked.put(tenants("acme"))
        for _ in range(2):
            assert asked.directory.look().note is None

    @pytest.mark.parametrize("name", ["../shop.json", "/etc/passwd", "a/../../b.yaml"])
    def test_a_source_names_no_file_outside_the_folder(self, asked: AskedWorld, name: str) -> None:
        asked.put([{**one, "calendar": name} for one in tenants("acme")])
        found = asked.directory.calendars_of(asked.directory.read().tenants)
        assert found["acme"] == f"{name} leads out of the folder of calendars"

    def test_the_folder_of_calendars_is_one_wherever_it_is_asked(self, asked: AskedWorld) -> None:
        assert asked.directory.model_copy(update={"calendars": "/c"}).calendar_folder == Path("/c")
        with pytest.raises(ValidationError, match="must be an absolute path"):
            type(asked.directory).model_validate({**dict(asked.directory), "calendars": "calendars"})

    def test_another_source_is_not_taken_for_this_one(self, asked: AskedWorld) -> None:
        other = asked.directory.model_copy(update={"query": "SELECT 2", "url": asked.directory.model_dump()["url"]})
        if "query" not in type(asked.directory).model_fields:
            other = asked.directory.model_copy(update={"items": "customers"})
        assert other.copy_path != asked.directory.copy_path
        again = asked.directory.model_copy(update={"cache": 0, "max_age": 5, "calendars": "/c", "timeout": 1.0})
        assert again.copy_path == asked.directory.copy_path

    def test_unless_answers_are_kept_every_question_is_asked(self, asked: AskedWorld) -> None:
        directory = asked.directory.model_copy(update={"cache": 0})
        asked.put(tenants("acme"))
        directory.read()
        asked.put(tenants("acme", "birch"))
        began = time.time()
        assert len(directory.read().tenants) == 2
        assert json.loads(directory.copy_path.read_text())["at"] >= began
