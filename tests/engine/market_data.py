"""Bars for the engine's tests: hand-made ones, and real ones out of installed packages."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

FIELDS = ("open", "high", "low", "close", "volume")


def make_bars(
    opens: Mapping[str, Sequence[float]],
    closes: Mapping[str, Sequence[float]] | None = None,
    *,
    start: str = "2024-01-01",
    freq: str = "D",
) -> pd.DataFrame:
    """Bars with columns (field, symbol) from opens and closes (the opens where none are given)."""
    closes = opens if closes is None else closes
    length = len(next(iter(opens.values())))
    times = pd.date_range(start, periods=length, freq=freq, tz="UTC")
    columns: dict[tuple[str, str], np.ndarray] = {}
    for symbol in opens:
        first, last = np.array(opens[symbol], float), np.array(closes[symbol], float)
        columns["open", symbol] = first
        columns["high", symbol] = np.maximum(first, last)
        columns["low", symbol] = np.minimum(first, last)
        columns["close", symbol] = last
        columns["volume", symbol] = np.where(np.isnan(last), np.nan, 1000.0)
    return pd.DataFrame(columns, index=times)


def eurusd(rows: int = 5000) -> pd.DataFrame:
    """EURUSD, hourly, 2017: the first rows of gym-anytrading's file."""
    path = _package("gym_anytrading") / "datasets/data/FOREX_EURUSD_1H_ASK.csv"
    raw = pd.read_csv(path).iloc[:rows]
    times = pd.to_datetime(raw["Time"], format="%d.%m.%Y %H:%M:%S.%f", utc=True)
    frame = raw[["Open", "High", "Low", "Close", "Volume"]].set_axis(pd.DatetimeIndex(times))
    frame.columns = pd.MultiIndex.from_product([FIELDS, ["EURUSD"]])
    return frame


def us_stocks(symbols: Sequence[str] = ("AAPL", "GOOG", "IBM", "MSFT")) -> pd.DataFrame:
    """US stocks, daily from 2000 (GOOG from 2004), adjusted, on the union of their times."""
    raw = pd.read_csv(_package("bokeh_sampledata") / "_data/stocks.csv.gz", parse_dates=["Date"])
    frames = {}
    for symbol in symbols:
        own = raw[raw["Ticker"] == symbol].set_index("Date")
        factor = own["Adj Close"] / own["Close"]
        for field in FIELDS:
            column = own[field.capitalize()]
            frames[field, symbol] = column if field == "volume" else column * factor
    return pd.DataFrame(frames).sort_index().tz_localize("UTC")


def _package(name: str) -> Path:
    """A package's folder, without importing it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent
