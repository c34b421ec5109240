"""Small files of bars, and what became of them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from alphintra_lab.datasets.ingest import prepare_bars
from alphintra_lab.datasets.prepared import Prepared
from alphintra_lab.datasets.reading import read_file

HEADER = "time,open,high,low,close,volume\n"


def make_csv(times: list[str]) -> str:
    """A CSV with sound bars at these times, each with prices of its own."""
    bars = (
        f"{time},{10 + n % 7},{12 + n % 7},{9 + n % 7},{11 + n % 7},{100 + n}\n"
        for n, time in enumerate(times)
    )
    return HEADER + "".join(bars)


def hours(count: int, start: str = "2024-01-01T00:00:00") -> list[str]:
    """So many hours from `start`, through weekends too."""
    first = dt.datetime.fromisoformat(start)
    return [(first + dt.timedelta(hours=n)).isoformat() for n in range(count)]


def prepare(
    folder: Path, content: str | bytes, filename: str = "abc.csv", symbol: str | None = None
) -> Prepared:
    """What an ingest makes of a file with this content; the store is `folder`/store."""
    path = folder / "sent"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return prepare_bars(folder / "store", read_file(path, filename, symbol))


def read_column(folder: Path, prepared: Prepared, name: str, symbol: str = "ABC") -> list[float]:
    """A column of the store, for comparing with what was sent."""
    column = pq.read_table(folder / "store" / prepared.files[symbol])[name].to_numpy()
    if name == "time":
        seconds: list[float] = (column.astype(np.int64) / 1e9).tolist()
        return seconds
    values: list[float] = column.tolist()
    return values


def rows_of(prepared: Prepared) -> dict[str, list[int]]:
    """Check -> rows, of everything that was found."""
    return {finding.check: finding.rows for finding in prepared.report.findings}
