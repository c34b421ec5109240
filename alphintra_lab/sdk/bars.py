"""Bars as frames: one file per symbol in, one frame out; sandbox and engine use this same code."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pandas as pd

PRICES = ("open", "high", "low", "close", "volume")


def read_bars(path: str) -> pd.DataFrame:
    """Read one symbol's Parquet file: index `time` (UTC, nanoseconds), whole numbers as float64."""
    from pyarrow import parquet

    frame = parquet.read_table(path, memory_map=True).to_pandas()
    if "time" in frame.columns:
        frame = frame.set_index("time")
    return normalise(frame)


def normalise(frame: pd.DataFrame) -> pd.DataFrame:
    """Index in UTC and nanoseconds, whole numbers as float64: so no cut changes a type."""
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex):
        raise ValueError(f"the bars have a {type(index).__name__}, not times, as their index")
    index = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
    whole = [name for name in frame.columns if pd.api.types.is_integer_dtype(frame[name].dtype)]
    frame = frame.astype(dict.fromkeys(whole, "float64"))
    return frame.set_axis(index.as_unit("ns").rename("time"), axis=0)


def assemble(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put symbols' bars side by side: columns (field, symbol), the union of their times.

    Symbols keep their order, fields that of the first frame that has them. NaN where a symbol has
    no bar or no such field; nothing is filled. Raises ValueError when a symbol repeats a time and
    there is another symbol to align it with.
    """
    if not frames:
        raise ValueError("there are no bars: name at least one symbol")
    if len(frames) > 1:
        for symbol, frame in frames.items():
            if not frame.index.is_unique:
                twice = frame.index[frame.index.duplicated()][0]
                raise ValueError(f"{symbol} has two bars at {twice}; keep one of them")
    fields = list(dict.fromkeys(field for frame in frames.values() for field in frame.columns))
    columns = pd.MultiIndex.from_product([fields, list(frames)], names=["field", "symbol"])
    index = union([frame.index for frame in frames.values()])
    aligned = {
        symbol: frame if frame.index.equals(index) else frame.reindex(index)
        for symbol, frame in frames.items()
    }
    empty = pd.Series(float("nan"), index=index)
    parts = [aligned[symbol].get(field, empty) for field, symbol in columns]
    table: pd.DataFrame = pd.concat(parts, axis=1, ignore_index=True)
    table.columns = columns
    return table


def union(indexes: list[pd.Index]) -> pd.Index:
    """All times of the indexes, sorted; a single index is given back as it is."""
    first, *rest = indexes
    for index in rest:
        if not index.equals(first):
            first = first.union(index, sort=True)
    return first


def cut(frame: pd.DataFrame, start: str | None = None, end: str | None = None) -> pd.DataFrame:
    """Bars from `start` (included) to `end` (excluded), by open time."""
    if start is not None:
        frame = frame[frame.index >= to_utc(start)]
    if end is not None:
        frame = frame[frame.index < to_utc(end)]
    return frame


def to_utc(time: str | dt.date) -> pd.Timestamp:
    """A time in UTC; without a zone it is read as UTC."""
    stamp = pd.Timestamp(time)
    return stamp.tz_localize("UTC") if stamp.tz is None else stamp.tz_convert("UTC")
