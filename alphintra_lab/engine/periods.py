"""How often bars come: the frequency's name and the periods of a year."""

from __future__ import annotations

import numpy as np
import pandas as pd

SESSIONS_A_YEAR = {"XNYS": 252.0, "FX": 260.0, "24/7": 365.0}
"""Trading days of a year by calendar: US stocks, foreign exchange, crypto."""

_DAY = 86_400.0
_UNITS = ((7 * _DAY, "w"), (_DAY, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def spacing_seconds(times: pd.DatetimeIndex) -> float:
    """The usual seconds from one bar to the next: the median. NaN for fewer than two bars."""
    if len(times) < 2:
        return float("nan")
    stamps = np.asarray(times.as_unit("ns").asi8)
    return float(np.median(np.diff(stamps))) / 1e9


def frequency_label(times: pd.DatetimeIndex) -> str:
    """The usual spacing by name: `5min`, `1h`, `1d`, `1w`, `1mo`; empty for fewer than two bars."""
    seconds = spacing_seconds(times)
    if not seconds > 0:
        return ""
    if 28 * _DAY <= seconds <= 31 * _DAY:
        return "1mo"
    for unit, name in _UNITS:
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g}{name}"
    return f"{seconds:g}s"


def recognise_calendar(times: pd.DatetimeIndex) -> str | None:
    """The calendar that bars' UTC open times look like; None for fewer than two bars.

    Bars on Saturdays: `24/7`. Bars on Sundays, or round the clock on weekdays: `FX`. Else `XNYS`.
    """
    if len(times) < 2:
        return None
    if spacing_seconds(times) > _DAY:
        return "XNYS"
    weekdays = np.bincount(np.asarray(times.day_of_week), minlength=7) / len(times)
    if weekdays[5] > 0.05:
        return "24/7"
    around_the_clock = len(np.unique(np.asarray(times.hour))) >= 20
    return "FX" if weekdays[6] > 0.01 or around_the_clock else "XNYS"


def periods_per_year(times: pd.DatetimeIndex, calendar: str | None = None) -> float:
    """Bars in a year: sessions a year times the median bars of a session (a UTC date).

    Weekly bars 52, monthly 12, rarer ones by the days of a year. The calendar is recognised when
    it is not named. Raises ValueError for an unknown calendar.
    """
    calendar = calendar or recognise_calendar(times) or "XNYS"
    if calendar not in SESSIONS_A_YEAR:
        known = ", ".join(SESSIONS_A_YEAR)
        raise ValueError(f"The calendar {calendar!r} is not known. Use one of {known}.")
    days = spacing_seconds(times) / _DAY
    if days >= 28:
        return 12.0 if days <= 31 else 365.25 / days
    if days >= 5:
        return 52.0
    _, bars = np.unique(np.asarray(times.normalize().asi8), return_counts=True)
    usual = float(np.median(bars)) if len(bars) else 1.0
    return SESSIONS_A_YEAR[calendar] * usual
