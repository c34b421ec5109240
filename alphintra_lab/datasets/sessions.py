"""When a market is open: which calendar bars follow, how far apart they are, which are missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.tseries.holiday import (
    AbstractHolidayCalendar,
    GoodFriday,
    Holiday,
    USLaborDay,
    USMartinLutherKingJr,
    USMemorialDay,
    USPresidentsDay,
    USThanksgivingDay,
    nearest_workday,
    sunday_to_monday,
)

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
SESSIONS_PER_YEAR = {"XNYS": 252, "FX": 260, "24/7": 365}

# Closed for a funeral, a storm or an attack: known only afterwards. Source: NYSE's list of
# special closings, from 1985 on.
SPECIAL_CLOSINGS = [
    *("1985-09-27", "1994-04-27", "2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14"),
    *("2004-06-11", "2007-01-02", "2012-10-29", "2012-10-30", "2018-12-05", "2025-01-09"),
]


class _NewYork(AbstractHolidayCalendar):
    """The New York Stock Exchange's whole-day holidays, as its rule 7.2 has them."""

    rules = [  # noqa: RUF012  # pandas' own declaration
        Holiday("New Year", month=1, day=1, observance=sunday_to_monday),
        USMartinLutherKingJr,  # kept since 1998: see below
        USPresidentsDay,
        GoodFriday,
        USMemorialDay,
        Holiday("Juneteenth", month=6, day=19, start_date="2022-01-01", observance=nearest_workday),
        Holiday("Independence Day", month=7, day=4, observance=nearest_workday),
        USLaborDay,
        USThanksgivingDay,
        Holiday("Christmas", month=12, day=25, observance=nearest_workday),
    ]


def new_york_closings(first: int, last: int) -> np.ndarray:
    """Weekdays on which XNYS stays closed, as days since 1970, between two such days."""
    start, end = pd.Timestamp(first * DAY), pd.Timestamp(last * DAY)
    named = _NewYork().holidays(start, end, return_name=True)
    dates = pd.DatetimeIndex(named.index)
    king = named.str.contains("King").to_numpy() & (dates.year < 1998)
    days = dates[~king].union(pd.DatetimeIndex(SPECIAL_CLOSINGS))
    days = days[(days >= start) & (days <= end)]
    numbers = np.unique(days.as_unit("ns").asi8 // DAY)
    return numbers[_weekday(numbers) < 5]


def currency_closings(first: int, last: int) -> np.ndarray:
    """Weekdays on which the currency market is shut: 25 December and 1 January."""
    days = pd.date_range(pd.Timestamp(first * DAY), pd.Timestamp(last * DAY)).as_unit("ns")
    shut = ((days.month == 12) & (days.day == 25)) | ((days.month == 1) & (days.day == 1))
    numbers: np.ndarray = days[shut].asi8 // DAY
    return numbers[_weekday(numbers) < 5]


def find_spacing(time: np.ndarray) -> int:
    """The bars' usual distance in nanoseconds (the median); 0 for fewer than two bars."""
    steps = np.diff(time)
    steps = steps[steps > 0]
    return int(np.median(steps)) if steps.size else 0


def describe_spacing(spacing: int) -> str:
    """`1h`, `1d`, `5min`, `1w`, `1mo`; `unknown` for a single bar."""
    if spacing == 0:
        return "unknown"
    months = round(spacing / (30.44 * DAY))
    if months >= 1 and abs(spacing - months * 30.44 * DAY) < 2.5 * DAY:
        return f"{months}mo"
    for unit, length in (("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("min", 60 * SECOND)):
        if spacing % length == 0:
            return f"{spacing // length}{unit}"
    return f"{spacing / SECOND:g}s"


def new_york_clock(time: np.ndarray) -> np.ndarray:
    """UTC nanoseconds as what New York's clocks show."""
    index = pd.DatetimeIndex(time, tz="UTC").tz_convert("America/New_York").tz_localize(None)
    return index.as_unit("ns").asi8


def recognise_calendar(time: np.ndarray, spacing: int) -> str | None:
    """`XNYS`, `FX`, `24/7`, or None where the times do not tell. `time`: sorted, nanoseconds."""
    if time.size < 20 or not 0 < spacing <= DAY or time[-1] - time[0] < 7 * DAY:
        return None
    days = time // DAY
    if np.mean(_weekday(days) == 5) > 0.05:
        return "24/7"
    return _recognise_daily(days) if spacing == DAY else _recognise_intraday(time)


def _recognise_daily(days: np.ndarray) -> str | None:
    """By the holidays: three at least, and the bars keep them or ignore them."""
    if np.mean(_weekday(days) >= 5) > 0.01:
        return None
    closed = new_york_closings(int(days[0]), int(days[-1]))
    if closed.size < 3:
        return None
    traded = np.isin(closed, days).mean()
    if traded <= 0.1:
        return "XNYS"
    return "FX" if traded >= 0.6 else None


def _recognise_intraday(time: np.ndarray) -> str | None:
    """By New York's clock: through the night means FX, half past nine to four means XNYS."""
    clock = new_york_clock(time)
    hour = clock % DAY
    if np.mean((hour >= 18 * HOUR) | (hour < 8 * HOUR)) > 0.3:
        return "FX"
    inside = (hour >= 9 * HOUR) & (hour <= 16 * HOUR + HOUR // 4)
    first = hour[np.r_[True, np.diff(clock // DAY) > 0]]
    if inside.mean() > 0.95 and 9 * HOUR <= np.median(first) <= 10 * HOUR:
        return "XNYS"
    return None


def session_days(time: np.ndarray, calendar: str | None) -> np.ndarray:
    """Each bar's session as a day since 1970. A currency day runs from 17:00 to 17:00 New York."""
    if time.size and np.all(time % DAY == 0):
        return time // DAY
    if calendar == "FX":
        return (new_york_clock(time) + 7 * HOUR) // DAY
    return (new_york_clock(time) if calendar == "XNYS" else time) // DAY


def periods_per_year(time: np.ndarray, spacing: int, calendar: str | None) -> float:
    """Sessions a year times the median of bars per session; weekly 52, monthly 12 (QUANT.md).

    Without a known calendar: 365 sessions when there are bars on weekends, else 252.
    """
    if spacing > DAY:
        months = round(spacing / (30.44 * DAY))
        return 12 / months if months >= 1 else 365 * DAY / (round(spacing / DAY) * DAY) // 1
    days = session_days(time, calendar)
    weekend = bool(np.mean(_weekday(days) >= 5) > 0.05) if time.size else False
    sessions = SESSIONS_PER_YEAR.get(calendar or "", 365 if weekend else 252)
    counts = np.unique(days, return_counts=True)[1]
    return float(sessions * np.median(counts)) if counts.size else float(sessions)


def count_missing(time: np.ndarray, spacing: int, calendar: str | None) -> np.ndarray:
    """How many bars the calendar has between each bar and the one before; 0 for the first.

    Without a known calendar only what no holiday explains counts: a hole inside a day, or two
    weekdays and more. Inside an XNYS day, early closes and pre-market are not known here.
    """
    missing = np.zeros(time.size, dtype=np.int64)
    if spacing <= 0 or time.size < 3:
        return missing
    late = np.flatnonzero(np.diff(time) > 1.5 * spacing)
    before, after = time[late], time[late + 1]
    if spacing > DAY or calendar == "24/7":
        found = np.rint((after - before) / spacing).astype(np.int64) - 1
    elif calendar == "FX" or (calendar == "XNYS" and spacing == DAY):
        clock = _market_clock(time, spacing, calendar)
        found = np.rint((clock[late + 1] - clock[late]) / spacing).astype(np.int64) - 1
    else:
        found = _count_missing_by_day(time, late, spacing, calendar)
    missing[late + 1] = np.maximum(found, 0)
    return missing


def _market_clock(time: np.ndarray, spacing: int, calendar: str) -> np.ndarray:
    """Nanoseconds for which the market has been open: weekdays without the closed ones."""
    wall = time if spacing == DAY else new_york_clock(time) + 7 * HOUR
    days, within = wall // DAY, wall % DAY
    weekday = _weekday(days)
    opened = (days - weekday) // 7 * 5 + np.minimum(weekday, 5)
    closings = new_york_closings if calendar == "XNYS" else currency_closings
    closed = closings(int(days[0]), int(days[-1]))
    opened = opened - np.searchsorted(closed, days)
    shut = (weekday >= 5) | np.isin(days, closed)
    clock: np.ndarray = opened * DAY + np.where(shut, 0, within)
    return clock


def _count_missing_by_day(
    time: np.ndarray, late: np.ndarray, spacing: int, calendar: str | None
) -> np.ndarray:
    days = session_days(time, calendar)
    first, last = days[late], days[late + 1]
    inside = np.rint((time[late + 1] - time[late]) / spacing).astype(np.int64) - 1
    between = _weekdays_before(last) - _weekdays_before(first + 1)
    if calendar == "XNYS":
        closed = new_york_closings(int(days[0]), int(days[-1]))
        between = between - (np.searchsorted(closed, last) - np.searchsorted(closed, first + 1))
        holiday = 0
    else:
        holiday = 1
    per_day = int(np.median(np.unique(days, return_counts=True)[1]))
    whole = np.where(between > holiday, between * per_day, 0)
    found: np.ndarray = np.where(first == last, inside, whole)
    return found


def _weekday(days: np.ndarray) -> np.ndarray:
    """Monday 0 ... Sunday 6, of days since 1970 (a Thursday)."""
    weekday: np.ndarray = (days + 3) % 7
    return weekday


def _weekdays_before(days: np.ndarray) -> np.ndarray:
    weekday = _weekday(days)
    counted: np.ndarray = (days - weekday) // 7 * 5 + np.minimum(weekday, 5)
    return counted
