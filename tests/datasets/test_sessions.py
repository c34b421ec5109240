"""When markets are open. Truth: the sessions that really were, in the packages' own files."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.datasets import sessions
from alphintra_lab.datasets.sources import find_file

DAY = sessions.DAY


def to_ns(index: pd.DatetimeIndex) -> np.ndarray:
    return index.as_unit("ns").asi8


@pytest.fixture(scope="module")
def index_days() -> np.ndarray:
    """The days on which the S&P 500 was computed, 1999 to 2018."""
    dates = pd.read_csv(find_file("arch", "data/sp500/sp500.csv.gz"))["Date"]
    return to_ns(pd.DatetimeIndex(pd.to_datetime(dates, format="%m/%d/%Y")))


@pytest.fixture(scope="module")
def currency_hours() -> np.ndarray:
    """The hours for which there is a bar of EUR/USD, 2017."""
    path = find_file("gym_anytrading", "datasets/data/FOREX_EURUSD_1H_ASK.csv")
    times = pd.to_datetime(pd.read_csv(path)["Time"], format="%d.%m.%Y %H:%M:%S.%f")
    return to_ns(pd.DatetimeIndex(times))


def test_twenty_years_of_closings_are_the_days_without_an_index(index_days: np.ndarray) -> None:
    days = index_days // DAY
    every = np.arange(days[0], days[-1] + 1)
    weekdays = every[(every + 3) % 7 < 5]
    assert set(sessions.new_york_closings(days[0], days[-1])) == set(weekdays) - set(days)


def test_martin_luther_king_day_counts_from_1998_on() -> None:
    def closed(day: dt.date) -> bool:
        number = (day - dt.date(1970, 1, 1)).days
        return bool(sessions.new_york_closings(number, number).size)

    assert closed(dt.date(1998, 1, 19))
    assert not closed(dt.date(1997, 1, 20))
    assert closed(dt.date(2022, 6, 20))  # Juneteenth, on a Sunday that year
    assert not closed(dt.date(2021, 6, 18))
    assert not closed(dt.date(2021, 12, 31))  # New Year on a Saturday closes no Friday


def test_calendars_are_recognised_by_their_bars(
    index_days: np.ndarray, currency_hours: np.ndarray
) -> None:
    assert sessions.recognise_calendar(index_days, DAY) == "XNYS"
    assert sessions.recognise_calendar(currency_hours, sessions.HOUR) == "FX"
    always = to_ns(pd.date_range("2024-01-01", periods=24 * 30, freq="h"))
    assert sessions.recognise_calendar(always, sessions.HOUR) == "24/7"
    assert sessions.recognise_calendar(always[::24], DAY) == "24/7"
    weekdays = to_ns(pd.bdate_range("2024-01-01", periods=300))
    assert sessions.recognise_calendar(weekdays, DAY) == "FX"
    assert sessions.recognise_calendar(always[:24], sessions.HOUR) is None


def test_minutes_of_a_new_york_session_are_recognised_across_summer_time() -> None:
    parts = [
        pd.date_range(f"{day.date()} 09:30", periods=390, freq="min", tz="America/New_York")
        for day in pd.bdate_range("2024-02-26", "2024-03-22")
    ]
    time = np.concatenate([to_ns(part.tz_convert("UTC")) for part in parts])
    assert sessions.recognise_calendar(time, 60 * sessions.SECOND) == "XNYS"
    # 252 sessions of 390 minutes.
    assert sessions.periods_per_year(time, 60 * sessions.SECOND, "XNYS") == 98_280
    assert not sessions.count_missing(time, 60 * sessions.SECOND, "XNYS").any()
    without = np.delete(time, np.r_[100:103, 390 * 3 : 390 * 4])
    missing = sessions.count_missing(without, 60 * sessions.SECOND, "XNYS")
    assert missing[100] == 3
    assert missing[390 * 3 - 3] == 390
    assert np.count_nonzero(missing) == 2


@pytest.mark.parametrize(
    ("freq", "calendar", "expected"),
    [("D", "24/7", 365), ("h", "24/7", 8760), ("W", None, 52), ("MS", None, 12), ("QS", None, 4)],
)
def test_periods_per_year_as_laid_down(freq: str, calendar: str | None, expected: float) -> None:
    time = to_ns(pd.date_range("2020-01-01", periods=100, freq=freq))
    spacing = sessions.find_spacing(time)
    assert sessions.periods_per_year(time, spacing, calendar) == expected


def test_periods_per_year_of_real_markets(
    index_days: np.ndarray, currency_hours: np.ndarray
) -> None:
    assert sessions.periods_per_year(index_days, DAY, "XNYS") == 252
    assert sessions.periods_per_year(currency_hours, sessions.HOUR, "FX") == 6240  # 260 x 24


@pytest.mark.parametrize(
    ("freq", "name"),
    [("h", "1h"), ("4h", "4h"), ("5min", "5min"), ("D", "1d"), ("W", "1w"), ("MS", "1mo")],
)
def test_frequencies_have_short_names(freq: str, name: str) -> None:
    time = to_ns(pd.date_range("2020-01-01", periods=50, freq=freq))
    assert sessions.describe_spacing(sessions.find_spacing(time)) == name


def test_real_markets_have_no_gaps(index_days: np.ndarray, currency_hours: np.ndarray) -> None:
    """The index over holidays, September 2001 and a storm; EUR/USD over both clock changes."""
    assert not sessions.count_missing(index_days, DAY, "XNYS").any()
    assert not sessions.count_missing(currency_hours, sessions.HOUR, "FX").any()


def test_each_bar_taken_out_of_a_real_market_is_missed(
    index_days: np.ndarray, currency_hours: np.ndarray
) -> None:
    for time, spacing, calendar in (
        (index_days, DAY, "XNYS"),
        (currency_hours, sessions.HOUR, "FX"),
    ):
        for taken in (1, 500, 2500, 4000):
            left = np.delete(time, [taken, taken + 1])
            missing = sessions.count_missing(left, spacing, calendar)
            assert np.flatnonzero(missing).tolist() == [taken]
            assert missing[taken] == 2


def test_without_a_calendar_one_weekday_is_a_holiday_and_two_are_a_gap() -> None:
    days = to_ns(pd.bdate_range("2024-01-01", periods=15))
    assert not sessions.count_missing(np.delete(days, 7), DAY, None).any()
    assert sessions.count_missing(np.delete(days, [7, 8]), DAY, None).tolist()[7] == 2
