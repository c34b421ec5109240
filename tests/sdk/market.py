"""Real bars straight from the packages that hold them, without the lab's own datasets."""

from __future__ import annotations

import functools

import pandas as pd

from alphintra_lab.sdk.bars import normalise


@functools.cache
def read_eurusd() -> pd.DataFrame:
    """EURUSD, hourly, 2017 (gym-anytrading)."""
    from gym_anytrading.datasets import FOREX_EURUSD_1H_ASK

    frame = FOREX_EURUSD_1H_ASK.rename(columns=str.lower)
    times = pd.to_datetime(frame.index, format="%d.%m.%Y %H:%M:%S.%f")
    return normalise(frame.set_axis(times, axis=0))


@functools.cache
def read_stock(symbol: str) -> pd.DataFrame:
    """A US stock, daily, scaled by its adjusted close (bokeh_sampledata)."""
    from bokeh_sampledata import stocks

    raw = pd.DataFrame(getattr(stocks, symbol))
    scale = raw["adj_close"] / raw["close"]
    frame = raw[["open", "high", "low", "close"]].mul(scale, axis=0).assign(volume=raw["volume"])
    return normalise(frame.set_axis(pd.to_datetime(raw["date"]), axis=0))


def read_stocks() -> dict[str, pd.DataFrame]:
    """Four stocks; Google begins in August 2004, the others in March 2000."""
    return {symbol: read_stock(symbol) for symbol in ("AAPL", "GOOG", "IBM", "MSFT")}
