"""Bars as they would be with another future, a shorter history, or a later beginning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .decisions import FloatArray
from .variants import Variant

SLOWEST, FASTEST = 0.001, 0.05
"""Bounds of a future's step from bar to bar, as a share of the last price."""


def vary(frames: Mapping[str, pd.DataFrame], variant: Variant) -> dict[str, pd.DataFrame]:
    """The bars of a variant, each symbol's flat frame by itself; all symbols change alike."""
    if variant.mode == "repeat":
        return dict(frames)
    if variant.mode == "truncate":
        return {s: frame.iloc[: _count(frame, variant.time)] for s, frame in frames.items()}
    if variant.mode == "later":
        return {s: frame.iloc[_count(frame, variant.time - 1) :] for s, frame in frames.items()}
    rise = variant.mode == "rise"
    return {
        symbol: bend(frame, _count(frame, variant.time), rise=rise, only=variant.columns)
        for symbol, frame in frames.items()
    }


def bend(frame: pd.DataFrame, kept: int, *, rise: bool, only: Sequence[str] = ()) -> pd.DataFrame:
    """The frame with a future that rises or falls steadily after its first `kept` bars.

    Times, length, types and missing values stay; prices start at the last close and stay valid
    (low <= open, close <= high; positive where they were). `only` names columns that change alone.
    """
    if kept >= len(frame):
        return frame
    steps = np.arange(1.0, len(frame) - kept + 1)
    changed = frame.copy()
    for name, values in _future(frame, kept, steps, rise=rise).items():
        if only and name not in only:
            continue
        missing = frame[name].isna().to_numpy()[kept:]
        changed.iloc[kept:, list(frame.columns).index(name)] = np.where(missing, np.nan, values)
    return changed


def _future(
    frame: pd.DataFrame, kept: int, steps: FloatArray, *, rise: bool
) -> dict[str, FloatArray]:
    """New values of every column that holds floats, [bars after the kept ones] each."""
    floats = [name for name in frame.columns if frame[name].dtype.kind == "f"]
    price = _last(frame["close"], kept) if "close" in floats else 1.0
    pace = _pace(frame["close"], kept) if "close" in floats else FASTEST
    close = _walk(price, steps * pace, rise=rise)
    opens = np.concatenate(([price], close[:-1]))
    wick = np.abs(close) * pace / 4
    made = {
        "open": opens,
        "high": np.maximum(opens, close) + wick,
        "low": np.minimum(opens, close) - wick,
        "close": close,
        "volume": np.full(len(steps), _usual(frame, kept) * (2.0 if rise else 0.5)),
    }
    for name in floats:
        if name not in made:
            made[name] = _walk(_last(frame[name], kept), steps * pace, rise=rise)
    return {name: made[name] for name in floats}


def _walk(start: float, growth: FloatArray, *, rise: bool) -> FloatArray:
    """Up by an even step, or down so that it halves where the other doubles: never through zero."""
    if start > 0:
        return start * (1 + growth) if rise else start / (1 + growth)
    size = abs(start) or 1.0
    return start + size * growth if rise else start - size * growth


def _last(column: pd.Series[float], kept: int) -> float:
    """The last value up to the cut; the first after it where there is none."""
    values = column.to_numpy()
    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        return 1.0
    before = int(np.searchsorted(finite, kept))
    return float(values[finite[max(before - 1, 0)]])


def _pace(close: pd.Series[float], kept: int) -> float:
    """Ten times the usual move of a bar: enough to turn most rules, within what prices do."""
    values = close.to_numpy()[:kept]
    values = values[np.isfinite(values) & (values > 0)]
    if len(values) < 2:
        return FASTEST
    usual = float(np.median(np.abs(np.diff(np.log(values)))))
    return float(np.clip(10 * usual, SLOWEST, FASTEST))


def _usual(frame: pd.DataFrame, kept: int) -> float:
    if "volume" not in frame.columns:
        return 0.0
    values = frame["volume"].to_numpy(dtype=np.float64)[:kept]
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else 0.0


def _count(frame: pd.DataFrame, time: int) -> int:
    """How many bars are at or before a time."""
    stamps = np.asarray(pd.DatetimeIndex(frame.index).as_unit("ns").asi8)
    return int(np.searchsorted(stamps, time, side="right"))
