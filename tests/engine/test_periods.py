from __future__ import annotations

import pandas as pd
import pytest

from alphintra_lab.engine.periods import frequency_label, periods_per_year, recognise_calendar
from tests.engine.market_data import eurusd, us_stocks


def every(freq: str, periods: int = 500, start: str = "2024-01-01") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=periods, freq=freq, tz="UTC")


@pytest.mark.parametrize(
    ("freq", "label"),
    [
        ("5min", "5min"),
        ("h", "1h"),
        ("4h", "4h"),
        ("D", "1d"),
        ("W", "1w"),
        ("MS", "1mo"),
        ("30s", "30s"),
    ],
)
def test_frequencies_have_the_names_of_the_command_line(freq: str, label: str) -> None:
    assert frequency_label(every(freq, 100)) == label


def test_one_bar_has_no_frequency() -> None:
    assert frequency_label(every("D", 1)) == ""
    assert recognise_calendar(every("D", 1)) is None


def test_hourly_eurusd_has_6240_bars_a_year() -> None:
    times = eurusd().index
    assert isinstance(times, pd.DatetimeIndex)
    assert (frequency_label(times), recognise_calendar(times)) == ("1h", "FX")
    assert periods_per_year(times) == 260 * 24


def test_daily_us_stocks_have_252_bars_a_year() -> None:
    times = us_stocks().index
    assert isinstance(times, pd.DatetimeIndex)
    assert (frequency_label(times), recognise_calendar(times)) == ("1d", "XNYS")
    assert periods_per_year(times) == 252


def test_crypto_trades_every_day_and_hour() -> None:
    assert recognise_calendar(every("h")) == "24/7"
    assert periods_per_year(every("h", 2400)) == 365 * 24
    assert periods_per_year(every("D")) == 365


def test_a_named_calendar_wins_over_the_recognised_one() -> None:
    assert periods_per_year(every("B"), "FX") == 260
    with pytest.raises(ValueError, match=r"'NYSE' is not known\. Use one of XNYS, FX, 24/7"):
        periods_per_year(every("B"), "NYSE")


def test_us_hours_have_seven_bars_a_session() -> None:
    days = pd.bdate_range("2024-01-01", periods=100, tz="UTC")
    times = pd.DatetimeIndex([day + pd.Timedelta(hours=h) for day in days for h in range(14, 21)])
    assert recognise_calendar(times) == "XNYS"
    assert periods_per_year(times) == 252 * 7


def test_weeks_months_and_quarters() -> None:
    assert periods_per_year(every("W", 60)) == 52
    assert periods_per_year(every("MS", 60)) == 12
    assert periods_per_year(every("QS", 60)) == pytest.approx(4, abs=0.1)
