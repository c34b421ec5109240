"""Indicators on Series and frames alike: the index is kept, the warm-up is NaN, no look-ahead.

A frame is computed column by column. Averages and channels are pandas' rolling windows, in which a
missing bar leaves NaN; `rsi`, `atr` and `true_range` are TA-Lib's, over the bars a column has.
Ratios are fractions. Results are remembered by content (memo.py) and are yours to change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from .memo import Column, Columns, remember
from .strategy import StrategyError, whole

Data = TypeVar("Data", pd.Series, pd.DataFrame)
Other = pd.Series | pd.DataFrame | float


class Band(NamedTuple):
    """A channel around a price."""

    lower: Any
    middle: Any
    upper: Any


class Macd(NamedTuple):
    """The difference of two averages, its own average, and the distance between the two."""

    macd: Any
    signal: Any
    histogram: Any


def sma(data: Data, window: int) -> Data:
    """Simple moving average over `window` bars; equals `data.rolling(window).mean()`."""
    return _one("sma", _sma, [data], whole("window", window))


def ema(data: Data, window: int) -> Data:
    """Exponential average, weight 2/(window+1), seeded with the first value (pandas `ewm`)."""
    return _one("ema", _ema, [data], whole("window", window))


def stdev(data: Data, window: int) -> Data:
    """Standard deviation of a sample (ddof 1) over `window` bars, 2 or more."""
    return _one("stdev", _stdev, [data], whole("window", window, 2))


def zscore(data: Data, window: int) -> Data:
    """Distance from the mean in standard deviations (ddof 1); NaN where those are 0."""
    return _one("zscore", _zscore, [data], whole("window", window, 2))


def highest(data: Data, window: int) -> Data:
    """Highest value of the last `window` bars, this one included."""
    return _one("highest", _highest, [data], whole("window", window))


def lowest(data: Data, window: int) -> Data:
    """Lowest value of the last `window` bars, this one included."""
    return _one("lowest", _lowest, [data], whole("window", window))


def roc(data: Data, window: int) -> Data:
    """Rate of change over `window` bars as a fraction: 0.05 is 5 % more."""
    return _one("roc", _roc, [data], whole("window", window))


def rsi(data: Data, window: int = 14) -> Data:
    """Wilder's relative strength index, 0 to 100 (TA-Lib; a price that never moved gives 0)."""
    return _one("rsi", _rsi, [data], whole("window", window, 2))


def true_range(high: Data, low: Data, close: Data) -> Data:
    """Largest of high-low and the distances of both to the previous close; NaN on the first bar."""
    return _one("true_range", _true_range, [high, low, close])


def atr(high: Data, low: Data, close: Data, window: int = 14) -> Data:
    """Wilder's average true range, in units of the price (TA-Lib)."""
    return _one("atr", _atr, [high, low, close], whole("window", window))


def bbands(data: Data, window: int = 20, width: float = 2.0) -> Band:
    """Bollinger's bands: the simple average and `width` deviations (ddof 0) around it."""
    arguments = (whole("window", window, 2), _number("width", width))
    return Band(*_many("bbands", _bbands, [data], *arguments))


def donchian(high: Data, low: Data, window: int = 20) -> Band:
    """Highest high and lowest low of the last `window` bars, this one included, and their middle.

    No close is ever above its own bar's channel: for a breakout compare with `.shift(1)`.
    """
    return Band(*_many("donchian", _donchian, [high, low], whole("window", window)))


def macd(data: Data, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """MACD (Appel): ema(fast) - ema(slow), the ema of that, and their difference."""
    windows = [whole(n, v) for n, v in (("fast", fast), ("slow", slow), ("signal", signal))]
    return Macd(*_many("macd", _macd, [data], *windows))


def crossed_above(data: Data, other: Other) -> Data:
    """True on the bar on which `data` is above `other` and was at or below it the bar before."""
    crossed: Data = (data > other) & (data.shift(1) <= _shifted(other))
    return crossed


def crossed_below(data: Data, other: Other) -> Data:
    """True on the bar on which `data` is below `other` and was at or above it the bar before."""
    crossed: Data = (data < other) & (data.shift(1) >= _shifted(other))
    return crossed


def _shifted(other: Any) -> Any:
    return other.shift(1) if isinstance(other, pd.Series | pd.DataFrame) else other


# How a column is computed: arrays of float64 in, a tuple of new arrays out.


def _sma(x: Column, window: int) -> Columns:
    return (pd.Series(x).rolling(window).mean().to_numpy(),)


def _ema(x: Column, window: int) -> Columns:
    return (_ewm(x, window),)


def _stdev(x: Column, window: int) -> Columns:
    return (pd.Series(x).rolling(window).std().to_numpy(),)


def _zscore(x: Column, window: int) -> Columns:
    rolling = pd.Series(x).rolling(window)
    deviation = rolling.std()
    return (((x - rolling.mean()) / deviation.where(deviation > 0)).to_numpy(),)


def _highest(x: Column, window: int) -> Columns:
    return (pd.Series(x).rolling(window).max().to_numpy(),)


def _lowest(x: Column, window: int) -> Columns:
    return (pd.Series(x).rolling(window).min().to_numpy(),)


def _roc(x: Column, window: int) -> Columns:
    series = pd.Series(x)
    return ((series / series.shift(window) - 1).to_numpy(),)


def _bbands(x: Column, window: int, width: float) -> Columns:
    rolling = pd.Series(x).rolling(window)
    middle, deviation = rolling.mean(), rolling.std(ddof=0)
    bands = (middle - width * deviation, middle, middle + width * deviation)
    return tuple(band.to_numpy() for band in bands)


def _donchian(high: Column, low: Column, window: int) -> Columns:
    (upper,), (lower,) = _highest(high, window), _lowest(low, window)
    return lower, (upper + lower) / 2, upper


def _macd(x: Column, fast: int, slow: int, signal: int) -> Columns:
    line = _ewm(x, fast) - _ewm(x, slow)
    average = _ewm(line, signal)
    return line, average, line - average


def _ewm(x: Column, span: int) -> Column:
    return pd.Series(x).ewm(span=span, adjust=False, min_periods=span).mean().to_numpy()


def _rsi(x: Column, window: int) -> Columns:
    return _with_talib("RSI", [x], window)


def _true_range(high: Column, low: Column, close: Column) -> Columns:
    return _with_talib("TRANGE", [high, low, close])


def _atr(high: Column, low: Column, close: Column, window: int) -> Columns:
    return _with_talib("ATR", [high, low, close], window)


def _with_talib(name: str, inputs: list[Column], *arguments: int) -> Columns:
    """Apply TA-Lib over the bars that are there, and put the result back in their places."""
    import talib  # imported late: a strategy without it starts faster

    present = np.all([~np.isnan(column) for column in inputs], axis=0)
    result = np.full(inputs[0].shape, np.nan)
    if present.any():
        columns = [np.ascontiguousarray(column[present]) for column in inputs]
        result[present] = getattr(talib, name)(*columns, *arguments)
    return (result,)


# How Series and frames become columns and come back.


def _one(name: str, compute: Callable[..., Columns], inputs: list[Data], *arguments: Any) -> Data:
    return _many(name, compute, inputs, *arguments)[0]


def _many(
    name: str, compute: Callable[..., Columns], inputs: list[Data], *arguments: Any
) -> list[Data]:
    first = inputs[0]
    _check_alike(name, inputs)
    if isinstance(first, pd.Series):
        columns = [_to_column(name, data) for data in inputs]
        results = remember(compute, columns, arguments)
        return [pd.Series(r, index=first.index, name=first.name, copy=False) for r in results]
    by_column = [
        remember(compute, [_to_column(name, data.iloc[:, i]) for data in inputs], arguments)
        for i in range(first.shape[1])
    ]
    return [
        pd.DataFrame(np.column_stack(parts), index=first.index, columns=first.columns, copy=False)
        for parts in zip(*by_column, strict=True)
    ]


def _check_alike(name: str, inputs: list[Any]) -> None:
    first = inputs[0]
    for data in inputs:
        if not isinstance(data, pd.Series | pd.DataFrame):
            raise StrategyError(
                f"ta.{name} takes a Series or a frame, not a {type(data).__name__}: "
                'for example bars["close"].'
            )
        alike = type(data) is type(first) and data.index.equals(first.index)
        if not alike or (isinstance(data, pd.DataFrame) and not data.columns.equals(first.columns)):
            raise StrategyError(
                f"ta.{name} takes prices with one index and the same columns. "
                "Take them from the same bars."
            )


def _to_column(name: str, series: Any) -> Column:
    try:
        column: Column = series.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise StrategyError(
            f"ta.{name} takes numbers; {series.name!r} holds {series.dtype} values."
        ) from None
    return column


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise StrategyError(f"{name} is {value!r}, not a number.")
    return float(value)
