"""A run's tables as they are read back."""

from __future__ import annotations

import pandas as pd

from alphintra_lab.backtests.tables import format_times


def test_times_are_as_fine_as_the_bars() -> None:
    hours = pd.Series(pd.to_datetime(["2017-01-02T22:00:00Z", "2017-01-02T23:00:00Z"], utc=True))
    assert format_times(hours) == ["2017-01-02T22:00:00Z", "2017-01-02T23:00:00Z"]
    assert format_times(hours.dt.tz_convert("America/New_York")) == format_times(hours)
    assert format_times(hours.iloc[:0]) == []
    tenths = hours + pd.to_timedelta([0, 100], unit="ms")
    assert format_times(tenths) == [
        "2017-01-02T22:00:00.000000000Z",
        "2017-01-02T23:00:00.100000000Z",
    ]
    coarse = hours.astype("datetime64[s, UTC]")
    assert format_times(coarse) == format_times(hours)
