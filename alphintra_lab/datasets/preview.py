"""What the page shows of a symbol's bars: rows, statistics, and a series thin enough to draw.

Reads only the row groups it needs. Runs in a thread: pyarrow and numpy let go of the interpreter.
"""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .schema import ColumnStatistics, Preview, Series
from .store import BAR_COLUMNS, open_bars

Window = tuple[dt.datetime | None, dt.datetime | None]
"""From (included) and to (excluded); None: from the first, to the last."""


def make_preview(
    path: Path,
    symbol: str,
    offset: int,
    limit: int,
    window: Window,
    points: int,
) -> Preview:
    """A page of rows from `offset`, each column's statistics, and the window's chart series."""
    file = open_bars(path, symbol)
    table = read_rows(file, offset, limit)
    rows = [[_show(cell) for cell in row] for row in zip(*_columns(table), strict=True)]
    return Preview(
        symbol=symbol,
        total_rows=file.metadata.num_rows,
        offset=offset,
        columns=table.column_names,
        rows=rows,
        statistics=list(read_statistics(path)),
        series=make_series(path, symbol, window, points),
    )


def read_rows(file: pq.ParquetFile, offset: int, limit: int) -> pa.Table:
    """`limit` rows from `offset`, by the row groups that hold them."""
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    ends = np.cumsum([0, *sizes])
    groups = [n for n in range(len(sizes)) if ends[n] < offset + limit and ends[n + 1] > offset]
    if not groups:
        return file.schema_arrow.empty_table()
    return file.read_row_groups(groups).slice(offset - int(ends[groups[0]]), limit)


def _columns(table: pa.Table) -> list[list[Any]]:
    time = np.datetime_as_string(table["time"].to_numpy(), unit=_unit(table["time"].to_numpy()))
    return [[f"{text}Z" for text in time], *(table[n].to_pylist() for n in table.column_names[1:])]


def _unit(time: np.ndarray) -> Any:
    """Seconds suffice for most bars; nanoseconds where some need them."""
    return "s" if not np.any(time.astype(np.int64) % 1_000_000_000) else "ns"


def _show(cell: Any) -> str | float | None:
    return cell if isinstance(cell, str) or np.isfinite(cell) else None


@functools.lru_cache(maxsize=256)  # a file's name is its content's hash, so it never changes
def read_statistics(path: Path) -> tuple[ColumnStatistics, ...]:
    """Each column's extremes and mean over all bars; a time is in milliseconds since 1970."""
    file = pq.ParquetFile(path)
    found = []
    for name in file.schema_arrow.names:
        kind = "time, UTC" if name == "time" else "float64"
        parts = [_summarise(file, group, name) for group in range(file.num_row_groups)]
        count = sum(part[0] for part in parts)
        empty = file.metadata.num_rows - count
        if count == 0:
            found.append(ColumnStatistics(name, kind, empty, None, None, None))
            continue
        low = min(part[1] for part in parts if part[0])
        high = max(part[2] for part in parts if part[0])
        mean = sum(part[3] for part in parts) / count
        found.append(ColumnStatistics(name, kind, empty, low, high, mean))
    return tuple(found)


def _summarise(file: pq.ParquetFile, group: int, name: str) -> tuple[int, float, float, float]:
    """Count, least, greatest and sum of the finite values of one row group."""
    values = file.read_row_group(group, columns=[name])[name].to_numpy()
    if name == "time":
        values = values.astype("datetime64[ms]").astype(np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0, 0.0, 0.0, 0.0
    return values.size, float(values.min()), float(values.max()), float(values.sum())


def make_series(path: Path, symbol: str, window: Window, points: int) -> Series:
    """The window's bars, every few merged into one so that `points` suffice.

    A merged bar has the first open, the highest high, the lowest low, the last close and the sum
    of the volume of those that have one; what no bar has is None.
    """
    table = _read_window(path, symbol, window, ["time", *BAR_COLUMNS])
    time = table["time"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    merged = max(1, -(-time.size // points))
    first = np.arange(0, time.size, merged)
    values = {name: table[name].to_numpy() for name in BAR_COLUMNS}
    return Series(
        symbol=symbol,
        merged=merged,
        time=time[first].tolist(),
        open=_list(_first_finite(values["open"], merged)),
        high=_list(_reduce(np.fmax, values["high"], first)),
        low=_list(_reduce(np.fmin, values["low"], first)),
        close=_list(_first_finite(values["close"][::-1], merged, time.size)[::-1]),
        volume=_list(_sum(values["volume"], first)),
    )


def has_bars(path: Path, symbol: str, window: Window) -> bool:
    """Whether there is a bar in the window."""
    return bool(_read_window(path, symbol, window, ["time"]).num_rows)


def _read_window(path: Path, symbol: str, window: Window, columns: list[str]) -> pa.Table:
    start, end = window
    filters: list[Any] = [("time", ">=", start)] if start is not None else []
    filters += [("time", "<", end)] if end is not None else []
    open_bars(path, symbol)  # says what is wrong with a file that cannot be read
    return pq.read_table(path, columns=columns, filters=filters or None)


def _reduce(function: np.ufunc, values: np.ndarray, first: np.ndarray) -> np.ndarray:
    reduced: np.ndarray = function.reduceat(values, first) if values.size else values
    return reduced


def _sum(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    total = _reduce(np.add, np.nan_to_num(values, nan=0.0), first)
    return np.where(_reduce(np.add, np.isfinite(values).astype(float), first) > 0, total, np.nan)


def _first_finite(values: np.ndarray, merged: int, backwards: int | None = None) -> np.ndarray:
    """The first finite value of each stretch; `backwards` (the length) for reversed values."""
    if not values.size:
        return values
    place = np.arange(values.size)
    stretch = (place if backwards is None else backwards - 1 - place) // merged
    finite = np.isfinite(values)
    found = np.full(int(stretch.max()) + 1, np.nan)
    stretches, at = np.unique(stretch[finite], return_index=True)
    found[stretches] = values[finite][at]
    return found if backwards is None else found[::-1]


def _list(values: np.ndarray) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
