"""Working days around the turn of a month, fiscal calendars that companies published, public holidays."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from holidays import country_holidays, list_supported_countries
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stationmaster.domain import business
from stationmaster.domain.business import (
    BusinessDays,
    Fiscal,
    business_days,
    fiscal,
    known_region,
    public_holidays,
)

DAY = timedelta(days=1)
DATES = st.dates(date(1996, 1, 1), date(2060, 1, 1))


def turn(begin: int, end: int, country: str) -> BusinessDays:
    return BusinessDays.model_validate({"from": begin, "to": end, "country": country})


def said(found: list[tuple[date, date]]) -> list[str]:
    return [f"{begin}..{end}" for begin, end in found]


def days_of(found: list[tuple[date, date]], first: date, last: date) -> set[date]:
    every = {begin + n * DAY for begin, end in found for n in range((end - begin).days + 1)}
    return {day for day in every if first <= day <= last}


def refused(ask: Callable[[], object]) -> str:
    with pytest.raises(ValueError, match=r".") as wrong:
        ask()
    return str(wrong.value)


# The turn of a month


@pytest.mark.parametrize(
    ("begin", "end", "country", "month", "found"),
    [
        (-2, 3, "DE", "2026-12", "2026-12-30..2027-01-06"),  # New Year on a Friday
        (-2, 3, "DE-BY", "2026-12", "2026-12-30..2027-01-07"),  # Epiphany in Bavaria
        (-2, 3, "DE", "2024-03", "2024-03-27..2024-04-04"),  # Good Friday to Easter Monday lie across the turn
        (-2, 3, "DE", "2028-02", "2028-02-28..2028-03-03"),  # a leap day that is worked
        (-1, 1, "DE", "2027-02", "2027-02-26..2027-03-01"),  # and the weekend between the two
        (-2, 1, "SA", "2026-11", "2026-11-29..2026-12-01"),  # Sunday is worked in Riyadh
        (-2, 1, "DE", "2026-11", "2026-11-27..2026-12-01"),
        (-1, -1, "CN", "2026-02", "2026-02-28..2026-02-28"),  # a Saturday worked in exchange for the spring festival
        (-1, -1, "US", "2027-12", "2027-12-30..2027-12-30"),  # Saturday's New Year is observed on Friday, 31 December
        (-3, -1, "DE", "2026-11", "2026-11-26..2026-11-30"),
        (1, 3, "DE", "2026-12", "2027-01-04..2027-01-06"),
        (1, 1, "GB-SCT", "2026-12", "2027-01-05..2027-01-05"),  # 2 January too, observed on Monday
    ],
)
def test_the_turn_of_a_month(begin: int, end: int, country: str, month: str, found: str) -> None:
    first = date.fromisoformat(f"{month}-20")
    assert said(business_days(turn(begin, end, country), first, first + 31 * DAY)) == [found]


def test_every_turn_of_a_year_is_there_and_ranges_are_not_cut() -> None:
    found = business_days(turn(-2, 3, "DE"), date(2027, 1, 1), date(2027, 12, 31))
    assert len(found) == 13
    assert found == sorted(found)
    assert said(found)[0] == "2026-12-30..2027-01-06"
    assert said(found)[-1] == "2027-12-30..2028-01-05"
    inside = date(2027, 1, 3)  # a Sunday
    assert said(business_days(turn(-2, 3, "DE"), inside, inside)) == ["2026-12-30..2027-01-06"]
    assert business_days(turn(-2, 3, "DE"), date(2027, 1, 7), date(2027, 1, 27)) == []


EDGES = st.integers(-10, 10).filter(bool)


@settings(max_examples=60)
@given(EDGES, EDGES, st.sampled_from(["DE", "DE-BY", "US", "GB"]), DATES)
def test_a_range_has_the_working_days_that_were_asked_for(one: int, other: int, country: str, first: date) -> None:
    begin, end = sorted((one, other))
    places = [number if number > 0 else number + 1 for number in (begin, end)]
    for start, stop in business_days(turn(begin, end, country), first, first + 60 * DAY):
        closed = set(public_holidays(country, start, stop))
        every = [start + n * DAY for n in range((stop - start).days + 1)]
        working = [day for day in every if day.weekday() < 5 and day not in closed]
        assert len(working) == places[1] - places[0] + 1
        assert (working[0], working[-1]) == (start, stop)
        turned = {(day.year, day.month) for day in working}
        assert len(turned) == (2 if begin < 0 < end else 1)


@settings(max_examples=40)
@given(EDGES, EDGES, DATES, st.integers(0, 200), st.integers(0, 200))
def test_two_questions_answer_as_one_does(one: int, other: int, first: date, some: int, more: int) -> None:
    rule = turn(min(one, other), max(one, other), "DE-BY")
    middle, last = first + some * DAY, first + (some + more) * DAY
    whole = days_of(business_days(rule, first, last), first, last)
    halves = business_days(rule, first, middle) + business_days(rule, middle, last)
    assert days_of(halves, first, last) == whole


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"from": 0, "to": 3, "country": "DE"}, "there is no working day 0: -1 is the last of a month, 1 the first of"),
        ({"from": -2, "to": 0, "country": "DE"}, "there is no working day 0"),
        ({"from": 3, "to": -2, "country": "DE"}, "`from: 3` comes after `to: -2`, around the turn of a month"),
        ({"from": -11, "to": 1, "country": "DE"}, "greater than or equal to -10"),
        ({"from": -1, "to": 11, "country": "DE"}, "less than or equal to 10"),
        ({"from": True, "to": 3, "country": "DE"}, "valid integer"),
        ({"from": "1", "to": 3, "country": "DE"}, "valid integer"),
        ({"from": 1, "to": 3}, "Field required"),
        ({"from": 1, "to": 3, "country": "DE", "region": "BY"}, "Extra inputs are not permitted"),
        ({"from": 1, "to": 3, "country": "XX"}, "unknown country 'XX'"),
    ],
)
def test_a_turn_that_is_no_turn_is_refused(value: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)):
        BusinessDays.model_validate(value)


# Public holidays


def test_the_holidays_of_a_country_and_of_a_part_of_it() -> None:
    first, last = date(2026, 12, 25), date(2027, 1, 6)
    assert [str(day) for day in public_holidays("DE", first, last)] == ["2026-12-25", "2026-12-26", "2027-01-01"]
    assert public_holidays("DE-BY", first, last) == [*public_holidays("DE", first, last), date(2027, 1, 6)]
    assert public_holidays("DE", date(2026, 12, 27), date(2026, 12, 31)) == []


def test_a_holiday_and_the_day_on_which_it_is_observed_are_both_taken() -> None:
    assert public_holidays("US", date(2026, 7, 1), date(2026, 7, 31)) == [date(2026, 7, 3), date(2026, 7, 4)]
    assert date(2027, 12, 31) in public_holidays("US", date(2027, 12, 1), date(2027, 12, 31))  # of the year after


def test_half_days_are_none() -> None:
    assert date(2026, 12, 24) not in public_holidays("DK", date(2026, 12, 1), date(2026, 12, 31))


def test_what_follows_the_moon_is_an_estimate_and_is_there() -> None:
    for year in (2027, 2100):
        found = country_holidays("SA", years=year)
        assert any("Eid" in name for name in found.values())
        assert public_holidays("SA", date(year, 1, 1), date(year, 12, 31)) == sorted(found)


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("XX", "unknown country 'XX', write it as DE, or DE-BY; "),
        ("de", "unknown country 'de', write it as DE, or DE-BY; did you mean 'DE'?"),
        ("DEU", "unknown country 'DEU', write it as DE, or DE-BY; did you mean 'DE'?"),
        ("Germany", "unknown country 'Germany'"),
        ("", "unknown country ''"),
        ("DE-", "unknown region 'DE-'; did you mean 'DE'?"),
        ("DE-BYE", "unknown region 'DE-BYE'; did you mean 'DE-BY'?"),
        ("DE-Bavaria", "unknown region 'DE-Bavaria'"),
        ("DE-by", "unknown region 'DE-by'"),
    ],
)
def test_an_unknown_region_is_refused_with_the_nearest(region: str, said: str) -> None:
    assert refused(lambda: known_region(region)).startswith(said)
    assert refused(lambda: public_holidays(region, date(2026, 1, 1), date(2026, 2, 1))).startswith(said)


@pytest.mark.parametrize(
    ("region", "last"),
    [("DE", 2100), ("JP", 2099), ("LK", 2026), ("IN", 2035), ("IN-SK", 2032), ("US-CA", 2035), ("ID", 2050)],
)  # fmt: skip
def test_a_year_that_is_not_known_is_an_error_and_not_without_holidays(region: str, last: int) -> None:
    assert public_holidays(region, date(last, 1, 1), date(last, 12, 31))
    ends = f"the public holidays of {region} are known from [0-9]+ to {last}, not in {last + 1}"
    asked = (date(last, 12, 1), date(last + 1, 1, 5))
    assert re.fullmatch(ends, refused(lambda: public_holidays(region, *asked)))
    assert re.fullmatch(ends, refused(lambda: business_days(turn(-1, 1, region), *asked)))


def test_a_year_before_the_first_that_is_known_is_an_error() -> None:
    long_ago = (date(1990, 12, 1), date(1990, 12, 31))
    assert refused(lambda: public_holidays("DE", *long_ago)).endswith("are known from 1991 to 2100, not in 1990")


def names(region: str, year: int) -> set[str]:
    country, _, part = region.partition("-")
    found = country_holidays(country, subdiv=part or None, years=year)
    return {re.sub(r" *\(.*\)", "", name) for day in found for name in found.get_list(day)}


INDIA_SAYS_SO = pytest.mark.filterwarnings("ignore:Requested Holidays are available only:UserWarning")


@INDIA_SAYS_SO
@pytest.mark.parametrize("region", sorted(business._COMPLETE))
def test_where_the_tables_of_the_package_end_a_holiday_is_missing(region: str) -> None:
    """When this fails, the package has learned more: move the year."""
    end = business._COMPLETE[region][-1]
    after = names(region, end + 1) | names(region, end + 2)
    assert set.intersection(*(names(region, end - n) for n in range(3))) - after


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_region_loses_a_holiday_within_thirty_years() -> None:
    """None that it had in each of five years is missing in all of the years that are still known."""
    lost = set()
    for country, parts in list_supported_countries(include_aliases=False).items():
        for region in (country, *(f"{country}-{part}" for part in parts)):
            found = [names(region, year) for year in range(2026, _known_until(region, 2060) + 1)]
            later = [set[str]().union(*found[n + 1 :]) for n in range(len(found))]
            lost |= {region for n in range(4, len(found) - 8) if set.intersection(*found[n - 4 : n + 1]) - later[n]}
    assert lost == set()


def _known_until(region: str, year: int) -> int:
    try:
        public_holidays(region, date(year, 1, 1), date(year, 1, 1))
    except ValueError as ends:
        return int(str(ends).partition(" to ")[2].partition(",")[0])
    return year


# Fiscal calendars


def ends(year_end: str, pattern: str, periods: str, first: str, last: str) -> list[str]:
    rule = Fiscal.model_validate({"pattern": pattern, "year_end": year_end, "periods": periods})
    found = fiscal(rule, date.fromisoformat(first), date.fromisoformat(last))
    assert all(begin == end for begin, end in found)
    return [str(end) for _, end in found]


NRF = "nearest-saturday-to-january-31"


@pytest.mark.parametrize("year", range(1998, 2030))
def test_the_years_of_the_retail_calendar_have_53_weeks_when_it_says(year: int) -> None:
    """National Retail Federation, https://nrf.com/resources/4-5-4-calendar: fiscal 2000, 2006, 2012, 2017 and 2023 had
    53 weeks, and no other from then on; 2028 is the arithmetic's.
    """
    found = ends(NRF, "4-5-4", "quarter", f"{year}-02-08", f"{year + 1}-02-07")
    before = ends(NRF, "4-5-4", "quarter", f"{year}-01-20", f"{year}-02-07")
    weeks = (date.fromisoformat(found[-1]) - date.fromisoformat(before[-1])).days / 7
    assert weeks == (53 if year in {2000, 2006, 2012, 2017, 2023, 2028} else 52)


@pytest.mark.parametrize(
    ("first", "found"),
    [
        ("2017-01-29", ["2017-02-25", "2017-04-01", "2017-04-29", "2017-05-27", "2017-07-01", "2017-07-29",
                        "2017-08-26", "2017-09-30", "2017-10-28", "2017-11-25", "2017-12-30", "2018-02-03"]),
        ("2023-01-29", ["2023-02-25", "2023-04-01", "2023-04-29", "2023-05-27", "2023-07-01", "2023-07-29",
                        "2023-08-26", "2023-09-30", "2023-10-28", "2023-11-25", "2023-12-30", "2024-02-03"]),
        ("2024-02-04", ["2024-03-02", "2024-04-06", "2024-05-04", "2024-06-01", "2024-07-06", "2024-08-03",
                        "2024-08-31", "2024-10-05", "2024-11-02", "2024-11-30", "2025-01-04", "2025-02-01"]),
    ],
)  # fmt: skip
def test_the_months_of_the_retail_calendar(first: str, found: list[str]) -> None:
    """As the National Retail Federation prints them, with the 53rd week in January of fiscal 2017 and 2023."""
    assert ends(NRF, "4-5-4", "month", first, found[-1]) == found


@pytest.mark.parametrize(
    ("year_end", "published"),
    [
        # Form 10-K: Apple ("the last Saturday of September"), Cisco ("the last Saturday in July"),
        # The Home Depot ("the Sunday nearest to January 31"), Dell ("the Friday nearest January 31").
        ("last-saturday-of-september", ["2022-09-24", "2023-09-30", "2024-09-28", "2025-09-27"]),
        ("last-saturday-of-july", ["2022-07-30", "2023-07-29", "2024-07-27", "2025-07-26"]),
        ("nearest-sunday-to-january-31", ["2018-01-28", "2019-02-03", "2020-02-02", "2021-01-31", "2022-01-30"]),
        ("nearest-friday-to-january-31", ["2022-01-28", "2023-02-03", "2024-02-02", "2025-01-31"]),
    ],
)
def test_the_years_that_companies_published_end_there(year_end: str, published: list[str]) -> None:
    found = ends(year_end, "4-4-5", "quarter", published[0], published[-1])
    assert found[::4] == published


def test_a_53rd_week_joins_the_last_quarter() -> None:
    """Apple's fiscal 2023 and 2024. Apple itself gave the week of 2023 to the first quarter, which ended on 31 December
    2022 (Form 10-Q); ours ends a week before. The quarters of the year of 52 weeks are Apple's.
    """
    found = ends("last-saturday-of-september", "4-4-5", "quarter", "2022-09-25", "2024-09-28")
    assert found[:4] == ["2022-12-24", "2023-03-25", "2023-06-24", "2023-09-30"]
    assert found[4:] == ["2023-12-30", "2024-03-30", "2024-06-29", "2024-09-28"]


def test_the_days_before_an_end_are_blacked_out_with_it() -> None:
    value = {"pattern": "4-4-5", "year_end": "last-saturday-of-january", "days_before": 3}
    rule = Fiscal.model_validate(value)
    assert rule.periods == "quarter"
    found = fiscal(rule, date(2027, 1, 1), date(2027, 12, 31))
    assert said(found) == [
        "2027-01-27..2027-01-30",
        "2027-04-28..2027-05-01",
        "2027-07-28..2027-07-31",
        "2027-10-27..2027-10-30",
    ]
    assert said(fiscal(rule, date(2027, 1, 27), date(2027, 1, 27))) == ["2027-01-27..2027-01-30"]
    assert fiscal(rule, date(2027, 1, 31), date(2027, 4, 27)) == []


YEAR_ENDS = st.sampled_from(
    [
        *("last-saturday-of-january", "last-friday-of-december", "nearest-saturday-to-january-31"),
        *("nearest-monday-to-december-31", "nearest-sunday-to-january-1", "nearest-friday-to-february-28"),
    ]
)  # fmt: skip
PATTERNS = st.sampled_from(["4-4-5", "4-5-4", "5-4-4"])


@given(PATTERNS, YEAR_ENDS, DATES)
def test_months_have_the_weeks_of_the_pattern_and_the_last_may_have_one_more(pattern: str, end: str, day: date) -> None:
    last = day + 1500 * DAY
    years = ends(end, pattern, "quarter", str(day), str(last))
    found = [date.fromisoformat(one) for one in ends(end, pattern, "month", str(day), str(last))]
    assert {one.weekday() for one in found} == {found[0].weekday()}
    assert set(years) <= {str(one) for one in found}
    weeks = [(after - before).days / 7 for before, after in pairwise(found)]
    assert set(weeks) <= {4, 5, 6}
    shape = [int(number) for number in pattern.split("-")] * 4
    longer = [*shape[:-1], shape[-1] + 1]
    firsts = [n for n in range(12) if all(_fits(weeks[n + k : n + k + 12], shape, longer) for k in range(0, 24, 12))]
    assert firsts


def _fits(weeks: list[float], *shapes: list[int]) -> bool:
    return any(weeks == shape for shape in shapes)


RULES = st.builds(
    lambda pattern, end, periods, before: Fiscal(pattern=pattern, year_end=end, periods=periods, days_before=before),
    *(PATTERNS, YEAR_ENDS, st.sampled_from(["quarter", "month"]), st.integers(0, 90)),
)


@given(RULES, DATES, st.integers(0, 500))
def test_a_part_of_the_question_has_that_part_of_the_answer(rule: Fiscal, first: date, some: int) -> None:
    last = first + some * DAY
    wide = fiscal(rule, first - 800 * DAY, last + 800 * DAY)
    assert fiscal(rule, first, last) == [one for one in wide if one[1] >= first and one[0] <= last]
    assert wide == sorted(wide)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("year_end", "january", "'january' is no year end; write last-saturday-of-january or nearest-saturday-to-jan"),
        ("year_end", "last-saturday-of-january-31", "is no year end"),
        ("year_end", "last-caturday-of-january", "'caturday' is no weekday; did you mean 'saturday'?"),
        ("year_end", "last-saturday-of-janurary", "'janurary' is no month; did you mean 'january'?"),
        ("year_end", "nearest-saturday-to-february-29", "not every february has a day 29"),
        ("year_end", "nearest-saturday-to-january-0", "not every january has a day 0"),
        ("pattern", "4-4-4", "Input should be '4-4-5', '4-5-4' or '5-4-4'"),
        ("periods", "year", "Input should be 'quarter' or 'month'"),
        ("days_before", -1, "greater than or equal to 0"),
        ("days_before", True, "valid integer"),
        ("weeks", 53, "Extra inputs are not permitted"),
    ],
)
def test_a_fiscal_calendar_that_is_none_is_refused(key: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)):
        Fiscal.model_validate({"pattern": "4-4-5", "year_end": "last-saturday-of-january", key: value})


WORDS = st.sampled_from(["DE", "-", "BY", "last", "nearest", "-saturday", "-of-", "-to-", "january", "31", "0", "US"])
TEXTS = st.text(max_size=20) | st.lists(WORDS, max_size=6).map("".join)


@settings(max_examples=100)
@given(TEXTS)
def test_any_text_is_a_region_and_a_year_end_or_a_value_error(text: str) -> None:
    for ask in (known_region, business._year_end):
        try:
            ask(text)
        except ValueError as wrong:
            told = str(wrong)
        else:
            told = text
        assert told.strip()
