"""What a calendar file may say, and what is refused with its line."""

import json
import re
from datetime import UTC, datetime, time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stationmaster.domain.calendar import MOST_RULES, Calendar, Named, Rule
from stationmaster.domain.calendar_answers import state
from stationmaster.domain.calendar_lint import lint
from stationmaster.domain.calendar_rules import UnknownDaysError
from stationmaster.domain.documents import DocumentError, read, schema

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
FILE = """\
timezone: Europe/Berlin
default: closed
windows:
  - {name: weeknight, rrule: "FREQ=WEEKLY;BYDAY=TU,WE,TH", start: "22:00", end: "02:00"}
blackouts:
  - {name: month-end close, rrule: "FREQ=MONTHLY;BYMONTHDAY=-3,-2,-1,1,2", all_day: true}
  - {name: audit, from: 2026-12-14T00:00, to: 2026-12-19T00:00}
  - {name: ERP close, business_days: {from: -2, to: 3, country: DE}}
  - {name: quarter end, fiscal: {pattern: 4-4-5, year_end: last-saturday-of-january, days_before: 3}}
  - name: public holidays
    holidays: DE-BY
    owner: legal
    source: contract 4.2
    expires: 2030-01-01
cutoff: 30m
min_notice_days: 10
applies_to: [deploy, flag]
"""


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read(Calendar, text, "c.yaml")
    return str(caught.value).splitlines()


def test_a_file_is_read_as_it_is_meant() -> None:
    found = read(Calendar, FILE, "c.yaml").value
    (night,) = found.windows
    assert (night.start, night.end, found.cutoff, found.min_notice_days) == (time(22), time(2), 1800, 10)
    assert found.blackouts[1].to == datetime(2026, 12, 19)  # noqa: DTZ001 - wall-clock time
    assert (found.blackouts[-1].owner, found.blackouts[-1].source) == ("legal", "contract 4.2")


def test_what_is_not_said_is_closed_and_for_deploys_and_flags() -> None:
    found = read(Calendar, "timezone: UTC\n", "c.yaml").value
    assert (found.default, found.applies_to, found.cutoff, found.min_notice_days) == (
        "closed",
        ("deploy", "flag"),
        0,
        0,
    )


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("Berlin", "Berln", "c.yaml:1: timezone: unknown IANA zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ("timezone: Europe/Berlin\n", "", "missing key 'timezone'"),
        ("default: closed", "default: open", "c.yaml:3: windows: a calendar that is open by default has no windows"),
        ("default: closed", "default: close", "c.yaml:2: default: 'close' is not known (did you mean 'closed'?)"),
        ("cutoff: 30m", "cutof: 30m", "c.yaml:15: unknown key 'cutof' (did you mean 'cutoff'?)"),
        ("cutoff: 30m", "cutoff: half an hour", "c.yaml:15: cutoff: 'half an hour' is not a duration"),
        ("cutoff: 30m", "cutoff: 99999999999999999999d", "c.yaml:15: cutoff: "),
        ("cutoff: 30m", "cutoff: true", "c.yaml:15: cutoff: true is not a duration; write 90s, 45m, 2h or 3d"),
        ("cutoff: 30m", f"cutoff: {'x' * 999}", f"c.yaml:15: cutoff: '{'x' * 78}… is not a duration"),
        ("default: closed", f"default: {'x' * 999}", f"c.yaml:2: default: '{'x' * 78}… is not known"),
        ("days: 10", "days: true", "c.yaml:16: min_notice_days: true is no number of days; write it as 10"),
        ("days: 10", "days: -1", "c.yaml:16: min_notice_days: "),
        ("[deploy, flag]", "[deploys]", "c.yaml:17: applies_to[1]: 'deploys' is no action; did you mean 'deploy'?"),
        ("[deploy, flag]", "[rollback]", "no calendar blocks a rollback; leave it out"),
        ("[deploy, flag]", "[hotfix]", "a hotfix is a deploy that may pass by waiver; write deploy"),
        ("[deploy, flag]", "[]", "c.yaml:17: applies_to: must not be empty"),
        ("BYDAY=TU,WE,TH", "BYDAY=TU,WX", "c.yaml:4: windows[1].rrule: BYDAY=TU,WX: 'WX' is no day"),
        ("WEEKLY;BYDAY", "WEEKLY;INTERVAL=2;BYDAY", "c.yaml:4: windows[1].rrule: INTERVAL=2 counts from a first day"),
        ("WEEKLY;BYDAY", "HOURLY;BYDAY", "c.yaml:4: windows[1].rrule: FREQ=HOURLY is not read"),
        ('end: "02:00"', 'end: "24:00"', "c.yaml:4: windows[1].end: '24:00' is no wall-clock time"),
        ('end: "02:00"', "end: 200", "c.yaml:4: windows[1].end: 200 is no wall-clock time"),
        (', end: "02:00"', "", "c.yaml:4: windows[1]: rule 'weeknight' needs `start` and `end`, or `all_day: true`"),
        ('end: "02:00"', 'end: "02:00", all_day: true', "rule 'weeknight' is all day and has times"),
        ('end: "02:00"', 'end: "02:00", dtstart: 2026-11-27', "`dtstart` 2026-11-27 is not a day of"),
        ('end: "02:00"', 'end: "02:00", dtstart: 5', "windows[1].dtstart: 5 is no date"),
        (", all_day: true", "", "rule 'month-end close' needs `start` and `end`, or `all_day: true`"),
        ("all_day:", "al_day:", "c.yaml:6: unknown key 'al_day' in blackouts[1] (did you mean 'all_day'?)"),
        ("name: audit", "name: weeknight", "c.yaml:7: blackouts[2].name: the name 'weeknight' is given twice"),
        ("name: audit", "name: default", "c.yaml:7: blackouts[2].name: no rule may be called 'default'"),
        ("name: audit, ", "", "c.yaml:7: missing key 'name' in blackouts[2]"),
        ("name: audit, ", "name: audit, holidays: DE, ", "rule 'audit' says its days twice, by from and holidays"),
        ("name: audit, ", 'name: audit, start: "10:00", ', "c.yaml:7: blackouts[2].start: start belongs to `rrule`"),
        ("name: audit, ", "name: audit, all_day: true, ", "`from` and `to` say the times themselves"),
        ("from: 2026-12-14T00:00, to: 2026-12-19T00:00", "all_day: true", "rule 'audit' does not say its days"),
        ("from: 2026-12-14T00:00, ", "", "c.yaml:7: blackouts[2]: rule 'audit' does not say its days"),
        (", to: 2026-12-19T00:00", "", "c.yaml:7: blackouts[2]: rule 'audit' begins with `from` and never ends"),
        ("to: 2026-12-19", "to: 2026-12-13", "c.yaml:7: blackouts[2].to: rule 'audit' ends at 2026-12-13T00:00:00"),
        ("2026-12-19T00:00", "2026-12-19T00:00:00Z", "must be wall-clock time of the calendar's zone"),
        ("2026-12-19T00:00", "2026-12-19T00:00+01:00", "must be wall-clock time of the calendar's zone"),
        ("2026-12-19T00:00", "1766000000", "c.yaml:7: blackouts[2].to: 1766000000 is no date"),
        ("expires: 2030-01-01", 'expires: "20300101"', "c.yaml:14: blackouts[5].expires: '20300101' is no date"),
        ("from: -2", "from: 0", "c.yaml:8: blackouts[3].business_days: there is no working day 0"),
        ("4-4-5", "4-4-4", "c.yaml:9: blackouts[4].fiscal.pattern: '4-4-4' is not known (did you mean"),
        ("DE-BY", "DE-BX", "c.yaml:11: blackouts[5].holidays: unknown region 'DE-BX'"),
        ("expires: 2030-01-01", "expires: never", "c.yaml:14: blackouts[5].expires: "),
    ],
)
def test_what_is_wrong_names_its_line_and_the_way_out(right: str, wrong: str, said: str) -> None:
    assert right in FILE
    assert any(said in problem for problem in problems(FILE.replace(right, wrong, 1)))


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = FILE.replace("Berlin", "Berln").replace("DE-BY", "DE-BX").replace("TU,WE", "TU,XX")
    assert [problem.split(":")[1] for problem in problems(text)] == ["1", "4", "11"]


def test_rules_that_differ_in_name_alone_are_one_to_the_expansion() -> None:
    one, other = ({"name": name, "rrule": "FREQ=DAILY", "all_day": True, "owner": name} for name in "ab")
    timings = {Rule.model_validate(rule).timing for rule in (one, other)}
    assert len(timings) == 1


def test_the_schema_is_told_to_editors() -> None:
    told = schema("calendar")
    assert told["required"] == ["timezone"]
    assert {"rrule", "from", "to", "expires"} <= set(told["$defs"]["Rule"]["properties"])
    assert json.loads(json.dumps(told)) == told


# Malformed text is our error and never an opening

words = st.sampled_from(
    [*FILE.replace(",", " ").replace("{", " ").replace("}", " ").split(), "open", "null", "~", "[]", "{}", "&a", "*a",
     "!!python/object", "1e999", ".nan", "0x10", "2026-02-30", "-1", "\t", "\x00", "'", '"', "- ", "? ", "| ", "%"]
)  # fmt: skip


@given(st.data())
def test_a_damaged_file_is_our_error_or_still_a_calendar(data: st.DataObject) -> None:
    text = FILE
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text)))
        size = data.draw(st.integers(0, 12))
        text = text[:place] + data.draw(words | st.text(max_size=3)) + text[place + size :]
    answered(text)


keys = st.sampled_from([*Rule.model_json_schema()["properties"], "x"])
texts = st.text(max_size=8) | st.sampled_from(FILE.split())
values = st.none() | st.integers() | texts | st.lists(st.text(max_size=3), max_size=2)


@given(st.dictionaries(keys, values, max_size=5))
def test_a_window_of_anything_is_our_error_or_opens_by_a_rule_that_is_read(rule: dict[str, Any]) -> None:
    answered(json.dumps({"timezone": "Europe/Berlin", "windows": [rule]}))


@given(st.text(alphabet="FREQ=DAILYWKMONTHUBSP;,-+0123456789 TUE\n", max_size=60))
def test_a_rule_of_any_letters_is_our_error_or_a_rule(text: str) -> None:
    rule = {"name": "x", "rrule": text, "all_day": True, "dtstart": "2026-11-24"}
    answered(json.dumps({"timezone": "Europe/Berlin", "windows": [rule]}))


def answered(text: str) -> None:
    """Whatever else it raised would end the test. Open is only what says so."""
    try:
        found = read(Calendar, text, "c.yaml").value
        said = state([Named("c.yaml", found)], AT)
    except (DocumentError, UnknownDaysError):
        return
    assert not said.open or found.default == "open" or "deploy" not in found.applies_to or said.rules


# The pages are what is loaded

PAGES = [Path("docs/reference/calendar.md"), Path("docs/how-to/calendars.md")]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_examples_of_the_pages_are_calendars_and_nothing_about_them_is_suspicious(page: Path) -> None:
    text = (Path(__file__).parents[2] / page).read_text()
    examples = [dedent(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert examples
    for example in examples:
        assert lint(read(Calendar, example, str(page)), AT) == []


def test_a_calendar_has_so_many_rules_at_most() -> None:
    rows = [f"  - {{name: r{n}, from: 2026-12-14T00:00, to: 2026-12-19T00:00}}\n" for n in range(MOST_RULES + 1)]
    text = "timezone: UTC\ndefault: open\nblackouts:\n"
    assert len(read(Calendar, text + "".join(rows[1:]), "c.yaml").value.blackouts) == MOST_RULES
    with pytest.raises(DocumentError, match="it has 2001 rules, and 2000 are read at most"):
        read(Calendar, text + "".join(rows), "c.yaml")
