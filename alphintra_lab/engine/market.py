"""The bars of a run as arrays, symbols sorted."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .decisions import BoolArray, FloatArray
from .settings import Settings

IntArray: TypeAlias = NDArray[np.int64]


class Market(NamedTuple):
    """Prices [rows, symbols] and when orders can fill. Rows are the union of the symbols' times."""

    times: pd.DatetimeIndex
    symbols: list[str]
    opens: FloatArray
    """NaN where a symbol has no usable open."""
    closes: FloatArray
    """NaN where a symbol has no bar."""
    marks: FloatArray
    """Each symbol's last close up to and including the row; NaN before its first bar."""
    start: int
    """First row whose close may decide."""
    next_fill: IntArray
    """Row on which an order decided on this row fills; the number of rows when there is none."""

    @property
    def rows(self) -> int:
        """How many rows there are, warm-up included."""
        return len(self.times)

    def column(self, number: int) -> Market:
        """The market of one symbol alone, on the same rows."""
        one = slice(number, number + 1)
        return self._replace(
            symbols=self.symbols[one],
            opens=self.opens[:, one],
            closes=self.closes[:, one],
            marks=self.marks[:, one],
            next_fill=self.next_fill[:, one],
        )


def read_market(bars: pd.DataFrame, settings: Settings) -> Market:
    """Bars with columns (field, symbol) and zoned times, as arrays.

    Raises ValueError when they cannot be used.
    """
    if not isinstance(bars.index, pd.DatetimeIndex) or bars.index.tz is None:
        raise ValueError("bars needs an index of times with a zone: bars.tz_localize('UTC').")
    if not bars.index.is_monotonic_increasing or not bars.index.is_unique:
        raise ValueError("bars needs rising times without repeats: sort them and drop the repeats.")
    times = bars.index.tz_convert("UTC").as_unit("ns")
    symbols = sorted(column_symbols(bars))
    start = 0 if settings.start is None else int(times.searchsorted(pd.Timestamp(settings.start)))
    if start >= len(times):
        since = "" if settings.start is None else f" at or after {settings.start.isoformat()}"
        raise ValueError(f"There is no bar{since}: choose an earlier start, or other data.")
    opens, closes = (_field(bars, name, symbols) for name in ("open", "close"))
    opens = np.where(np.isfinite(opens) & (opens > 0), opens, np.nan)
    closes = np.where(np.isfinite(closes), closes, np.nan)
    fills = closes if settings.fill == "unsafe_same_close" else opens
    return Market(
        times=times,
        symbols=symbols,
        opens=opens,
        closes=closes,
        marks=fill_forward(closes),
        start=start,
        next_fill=_next_fill(fills > 0, same_row=settings.fill == "unsafe_same_close"),
    )


def column_symbols(bars: pd.DataFrame) -> list[str]:
    """The symbols of a frame with columns (field, symbol), each once, in the frame's order."""
    if bars.columns.nlevels != 2:
        raise ValueError("bars needs columns (field, symbol), also for a single symbol.")
    return [str(symbol) for symbol in dict.fromkeys(bars.columns.get_level_values(1))]


def fill_forward(values: FloatArray) -> FloatArray:
    """Each column's last finite value so far; NaN before the first."""
    rows = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, rows), axis=0)
    return np.take_along_axis(values, last, axis=0)


def _field(bars: pd.DataFrame, name: str, symbols: list[str]) -> FloatArray:
    if name not in bars.columns.get_level_values(0):
        raise ValueError(f"bars has no column {name!r}.")
    frame = bars[name]
    missing = [symbol for symbol in symbols if symbol not in frame.columns]
    if missing:
        raise ValueError(f"bars has no {name!r} for {missing[0]}.")
    return np.ascontiguousarray(frame[symbols].to_numpy(dtype=np.float64, na_value=np.nan))


def _next_fill(usable: BoolArray, *, same_row: bool) -> IntArray:
    """For each row the first usable row after it (or from it on), per column."""
    count = len(usable)
    rows = np.where(usable, np.arange(count)[:, None], count)
    first = np.minimum.accumulate(rows[::-1], axis=0)[::-1]
    if same_row:
        return first
    return np.vstack([first[1:], np.full((1, usable.shape[1]), count)])
