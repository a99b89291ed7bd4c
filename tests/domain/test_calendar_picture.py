"""A calendar picture: every tenant is in it, slots stand where their time is, and what a file says is never markup."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from stationmaster.domain.calendar import Calendar, Named
from stationmaster.domain.calendar_picture import Picture, Planned, Row, picture, planned, record, recorded
from stationmaster.domain.calendar_picture_html import HEAD, LEFT, PLOT, html
from stationmaster.domain.calendar_picture_text import key, text
from stationmaster.domain.freeze import Freeze
from stationmaster.domain.plan import Placement, Plan, Wave
from stationmaster.domain.slots import SlotWave
from stationmaster.domain.spans import Spans
from stationmaster.domain.tenants import Tenant

HOUR = 3600
WEEKNIGHT = {"name": "weeknight", "rrule": "FREQ=WEEKLY;BYDAY=TU,WE,TH", "start": "18:00", "end": "00:00"}
AUDIT = {"name": "audit <b>&", "from": "2026-11-26T00:00", "to": "2026-11-27T12:00"}
SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta"}


def at(when: str) -> int:
    return int(datetime.fromisoformat(when).timestamp())


def named(file: str = "c.yaml", **more: Any) -> tuple[Named, ...]:
    return (Named(file, Calendar.model_validate({"timezone": "Europe/Berlin", **more})),)


def tenant(name: str, ring: str, words: str = "Somebody") -> Tenant:
    return Tenant(id=name, name=words, ring=ring)


TENANTS = [
    tenant("cedar", "broad", "<script>alert(1)</script>"), tenant("birch", "broad"), tenant("acme", "pilot"),
    tenant("dogwood", "broad"),
]  # fmt: skip
CALENDARS: dict[str, tuple[Named, ...] | str] = {
    "acme": named(windows=[WEEKNIGHT], blackouts=[AUDIT]),
    "birch": named("open.yaml", default="open"),
    "cedar": "tenants.yaml: tenant cedar has no calendar",
    "dogwood": named("shut.yaml"),
}
WAVES = planned([
    SlotWave("pilot", at("2026-11-24T17:00Z"), at("2026-11-24T17:45Z"), ("acme",)),
    SlotWave("broad", at("2026-11-24T23:30Z"), at("2026-11-25T00:15Z"), ("birch",)),
])  # fmt: skip


def drawn(**more: Any) -> Picture:
    asked: dict[str, Any] = {
        "begin": at("2026-11-24T12:00Z"),
        "end": at("2026-11-28T12:00Z"),
        "zone_name": "Europe/Berlin",
        "rings": ("pilot", "broad"),
        "left": {"dogwood": "shut.yaml#default"},
    }
    return picture(TENANTS, CALENDARS, WAVES, **{**asked, **more})


def one(opened: Spans, begin: str, days: int, zone_name: str, *waves: Planned) -> Picture:
    """One tenant that is open as given; calendars are asked elsewhere."""
    first = at(begin)
    last = int((datetime.fromtimestamp(first, UTC) + timedelta(days=days)).timestamp())
    made = picture([], {}, waves, begin=first, end=last, zone_name=zone_name)
    row = Row("acme", "Acme", "pilot", opened, (), 0 if waves else None)
    return Picture(made.begin, made.end, zone_name, made.days, waves, (row,))


class Page(HTMLParser):
    """Whether every element is closed where it should be, and what text there is."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.said = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


def svg(page: str) -> ET.Element:
    """The picture itself, as XML."""
    begin = page.index("<svg width", page.index('class="dates"'))
    source = page[begin : page.index("</svg>", begin) + 6].replace(
        "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1
    )
    return ET.fromstring(source)  # noqa: S314 - our own


def boxes(page: str, kind: str) -> list[tuple[float, float]]:
    """Left edge and width of each rectangle of a class."""
    found = [rect for rect in svg(page).iter(f"{SVG}rect") if rect.get("class") == kind]
    return [(float(rect.get("x", "")), float(rect.get("width", ""))) for rect in found]


def test_the_text_is_a_line_for_each_tenant_and_a_character_for_some_hours() -> None:
    assert (
        text(drawn(), 58)
        == """\
24 November 2026 to 28 November 2026, in days of Europe/Berlin
         Tue      Wed      Thu      Fri      Sat
         24       25       26       27       28
pilot:
acme     ······1█ ······██ xxxxxxxx xxxx···· ········
broad:
birch    ████████ 2███████ ████████ ████████ ████████
cedar    ········ ········ ········ ········ ········
dogwood  ········ ········ ········ ········ ········

a character is 3 h: · closed  ░▒▓█ open, more of it  x blackout  1 2 3 planned wave
1  pilot  Tue 24 Nov 18:00 to 18:45  1 tenant
2  broad  Wed 25 Nov 00:30 to 01:15  1 tenant
x  c.yaml#audit <b>&  1 tenant
no slot for cedar: tenants.yaml: tenant cedar has no calendar
no slot for dogwood: shut.yaml#default"""
    )


@pytest.mark.parametrize(
    ("minutes", "shade"), [(0, "·"), (15, "░"), (30, "▒"), (31, "▓"), (45, "▓"), (46, "█"), (60, "█")]
)
def test_shades_say_how_much_of_a_characters_time_is_open(minutes: int, shade: str) -> None:
    begin = at("2026-11-24T00:00Z")
    made = one(Spans.of([(begin, begin + minutes * 60)]), "2026-11-24T00:00Z", 1, "UTC")
    assert text(made, 100).splitlines()[4] == f"acme  {shade}{23 * '·'}"


@pytest.mark.parametrize("days", [1, 14, 31, 90, 400])
def test_text_keeps_within_its_columns_whatever_the_days(days: int) -> None:
    lines = text(one(Spans.nothing(), "2026-11-24T00:00Z", days, "UTC"), 80).splitlines()
    heads = lines[1 : lines.index("pilot:")]
    assert all(len(line) <= 80 for line in (*heads, lines[lines.index("pilot:") + 1]))
    assert len(lines[lines.index("pilot:") + 1]) > 29  # 24 characters at least


def test_more_waves_than_characters_share_the_last() -> None:
    keys = [key(wave) for wave in range(60)]
    assert keys[:10] == list("123456789A")
    assert len(set(keys[:35])) == 35
    assert set(keys[35:]) == {"+"}


def test_both_show_the_same_tenants_in_the_same_order() -> None:
    made = drawn()
    assert [row.tenant for row in made.rows] == ["acme", "birch", "cedar", "dogwood"]
    page = html(made)
    titles = [g.findtext(f"{SVG}title", "") for g in svg(page).iter(f"{SVG}g")]
    assert [title.split(" ")[0] for title in titles] == ["acme", "birch", "cedar", "dogwood"]
    assert titles[0].endswith("in wave pilot, Tue 24 Nov 18:00 to 18:45")
    assert titles[3].endswith("no slot: shut.yaml#default")


def test_two_hundred_tenants_and_a_month_are_all_there() -> None:
    many = [tenant(f"tenant-{number:03}", "pilot") for number in range(200)]
    shared = named(windows=[WEEKNIGHT])
    made = picture(
        many, dict.fromkeys([each.id for each in many], shared), (), begin=at("2026-11-24T00:00Z"),
        end=at("2026-12-25T00:00Z"), zone_name="UTC",
    )  # fmt: skip
    page = html(made)
    assert len(list(svg(page).iter(f"{SVG}g"))) == 200
    assert len(page) < 400_000
    assert sum(line.startswith("tenant-") for line in text(made, 160).splitlines()) == 200


def test_the_page_is_well_formed_fetches_nothing_and_runs_nothing() -> None:
    page = html(drawn())
    read = Page(page)
    assert read.open == []
    assert not read.tags & {"script", "b", "link", "img", "iframe"}
    assert "url(" not in page.replace("url(#shut)", "")
    assert "//" not in page
    assert "prefers-color-scheme:dark" in page


def test_what_names_say_is_text() -> None:
    row = Row("<script>", '"><i>', "</svg>", Spans.nothing(), (), None, "<u>never</u>")
    made = drawn()
    page = html(Picture(made.begin, made.end, made.zone, made.days, (), (row,)), "<s>title</s>")
    assert not Page(page).tags & {"script", "i", "u", "s"}
    assert "<script>" in Page(page).said
    assert "audit <b>&" in Page(html(made)).said
    assert "<script>alert(1)</script>" in Page(html(made)).said


def test_it_says_in_words_what_it_shows() -> None:
    page = html(drawn())
    picture_ = svg(page)
    assert (picture_.get("role"), picture_.get("aria-labelledby")) == ("img", "what said")
    assert picture_.findtext(f"{SVG}title") == (
        "Calendars and plan: 24 November 2026 to 28 November 2026, in days of Europe/Berlin"
    )
    said = Page(page).said
    for words in ("Tue 24 Nov 18:00 to 18:45", "no slot: tenants.yaml: tenant cedar has no calendar", "c.yaml#audit"):
        assert words in said
    hatched = [r.findtext(f"{SVG}title") for r in picture_.iter(f"{SVG}rect") if r.get("class") == "shut"]
    assert hatched == ["c.yaml#audit <b>&: 2026-11-26 00:00 to 2026-11-27 12:00"]


def test_a_slot_stands_where_its_time_is() -> None:
    wave = Planned("pilot", at("2026-11-24T06:00Z"), at("2026-11-24T12:00Z"), ("acme",))
    page = html(one(Spans.nothing(), "2026-11-24T00:00Z", 2, "UTC", wave))
    assert boxes(page, "slot") == [(LEFT + PLOT / 8, PLOT / 8)]


@pytest.mark.parametrize(("begin", "hours"), [("2026-03-28T23:00Z", 23), ("2026-10-24T22:00Z", 25)])
def test_a_day_of_23_or_25_hours_is_as_wide_as_it_is_long(begin: str, hours: int) -> None:
    """A Sunday on which the clocks change in Berlin, and the Monday: the slot is Monday's first hour."""
    monday = at(begin) + hours * HOUR
    wave = Planned("pilot", monday, monday + HOUR, ("acme",))
    made = one(Spans.of([(at(begin), monday)]), begin, 2, "Europe/Berlin", wave)
    made = Picture(made.begin, made.end, made.zone, (at(begin), monday, monday + 24 * HOUR), made.waves, made.rows)
    page, pixels = html(made), PLOT / (hours + 24)
    (slot,) = boxes(page, "slot")
    assert slot == pytest.approx((LEFT + hours * pixels, pixels), abs=0.01)
    sunday, *_ = boxes(page, "weekend")
    assert sunday == pytest.approx((LEFT, hours * pixels), abs=0.01)
    (path,) = [each.get("d", "") for each in svg(page).iter(f"{SVG}path") if each.get("class") == "open"]
    assert path.startswith(f"M{LEFT} ")
    assert float(path.split("h")[1].split("v")[0]) == pytest.approx(hours * pixels, abs=0.01)


@pytest.mark.parametrize(("begin", "hours"), [("2026-03-28T23:00Z", 23), ("2026-10-24T22:00Z", 25)])
def test_days_are_those_of_the_zone(begin: str, hours: int) -> None:
    made = picture([], {}, (), begin=at(begin) + HOUR, end=at(begin) + 30 * HOUR, zone_name="Europe/Berlin")
    assert [day - at(begin) for day in made.days] == [0, hours * HOUR, (hours + 24) * HOUR]


def test_a_day_that_a_zone_lacks_is_no_column() -> None:
    made = picture([], {}, (), begin=at("2011-12-29T12:00Z"), end=at("2011-12-31T12:00Z"), zone_name="Pacific/Apia")
    assert [made.date(day).day for day in range(len(made.days) - 1)] == [29, 31, 1]


def test_a_short_slot_can_be_seen_and_a_late_one_is_named_before_it() -> None:
    late = Planned("general-12", at("2026-12-24T23:00Z"), at("2026-12-24T23:01Z"), ("acme",))
    page = html(one(Spans.nothing(), "2026-11-24T00:00Z", 31, "UTC", late))
    assert [width for _, width in boxes(page, "slot")] == [4]
    (name,) = [each for each in svg(page).iter(f"{SVG}text") if each.text == "general-12"]
    assert name.get("text-anchor") == "end"


def test_a_slot_on_other_days_is_told_and_one_over_the_edge_is_cut() -> None:
    after = Planned("pilot", at("2026-12-01T00:00Z"), at("2026-12-01T01:00Z"), ("acme",))
    page = html(one(Spans.nothing(), "2026-11-24T00:00Z", 7, "UTC", after))
    assert boxes(page, "slot") == []
    assert "not on these days: pilot, Tue 1 Dec 00:00 to 01:00" in [each.text for each in svg(page).iter(f"{SVG}text")]
    over = Planned("pilot", at("2026-11-23T23:00Z"), at("2026-11-24T12:00Z"), ("acme",))
    page = html(one(Spans.nothing(), "2026-11-24T00:00Z", 1, "UTC", over))
    assert boxes(page, "slot") == [(LEFT, PLOT / 2)]


def test_a_freeze_closes_and_is_named() -> None:
    freeze = Freeze("tenant:birch", "ERP is down", "2026-11-25T00:00:00Z", datetime(2026, 11, 26, tzinfo=UTC), 7)
    made = drawn(freezes=(freeze,))
    birch = made.rows[1]
    assert birch.closings[0].name == "freeze of tenant birch: ERP is down"
    assert not birch.opening.at(at("2026-11-25T00:00Z"))
    assert birch.opening.at(at("2026-11-26T00:00Z"))
    assert not made.rows[0].opening.at(at("2026-11-26T00:00Z"))  # its own blackout


def test_a_recorded_plan_shows_its_waves_and_says_why_of_the_others() -> None:
    start = datetime(2026, 11, 24, 17, tzinfo=UTC)
    waves = (
        Wave("pilot", {"cloud": ("acme",)}, 1, start, start + timedelta(hours=1)),
        Wave("broad", {"b": ("birch",)}),
    )
    plan = Plan("shop", "sha256:1", waves, (Placement("cedar", "broad", "pinned", "is pinned to version 1"),))
    placed, left = recorded(plan)
    assert placed == (Planned("pilot", at("2026-11-24T17:00Z"), at("2026-11-24T18:00Z"), ("acme",)),)
    assert left == {"cedar": "is pinned to version 1", "birch": "broad has no slot"}


def test_waves_of_a_ring_are_told_apart() -> None:
    slots = [SlotWave(ring, 0, 1, ("a",)) for ring in ("pilot", "broad", "broad")]
    assert [wave.name for wave in planned(slots)] == ["pilot", "broad", "broad-2"]


def test_a_program_gets_the_same_as_an_object() -> None:
    told = record(drawn())
    assert told["waves"][0] == {
        "name": "pilot", "start": "2026-11-24T17:00:00Z", "end": "2026-11-24T17:45:00Z", "tenants": ["acme"],
    }  # fmt: skip
    acme, _, cedar, _ = told["tenants"]
    assert acme["open"][0] == {"start": "2026-11-24T17:00:00Z", "end": "2026-11-24T23:00:00Z"}
    assert acme["closed"] == [
        {"by": "c.yaml#audit <b>&", "start": "2026-11-25T23:00:00Z", "end": "2026-11-27T11:00:00Z"}
    ]
    assert (cedar["wave"], cedar["open"], cedar["reason"]) == (None, [], CALENDARS["cedar"])


def test_dates_stay_in_sight_above_many_rows() -> None:
    page = html(drawn())
    assert ".dates{position:sticky" in page
    assert f'<svg class="dates" width="{LEFT + PLOT + 8}" height="{HEAD}"' in page
