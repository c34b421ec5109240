"""What the API takes and gives for datasets."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

Severity = Literal["error", "warning", "note"]


class Instrument(msgspec.Struct, frozen=True):
    """What a symbol is. A None is unknown, and then nothing is rounded or assumed."""

    symbol: str
    tick: float | None = None
    lot: float | None = None
    currency: str = "USD"
    multiplier: float = 1.0
    calendar: str | None = None
    """`XNYS`, `FX` or `24/7`; None until it was recognised or named."""
    commission: float | None = None
    """The usual commission as a fraction of the traded value; None when nobody named it."""
    adjusted: bool = False
    """Prices are adjusted for splits and dividends."""


class Finding(msgspec.Struct, frozen=True):
    """Something wrong in the data: how many bars it concerns, and the first 100 rows.

    Rows are numbered from 0 in the file as it came: the repeat, the step back, the first after a
    gap or split, a stale run's first. A gap counts the bars missing, a stale run all of its bars.
    """

    check: str
    severity: Severity
    count: int
    rows: list[int]
    message: str
    symbol: str | None = None


class Report(msgspec.Struct, frozen=True):
    """The quality report: a score from 0 to 1 and what was found."""

    score: float
    findings: list[Finding]


class Dataset(msgspec.Struct, frozen=True):
    """A dataset at its newest version."""

    id: str
    name: str
    family_id: str
    origin: Literal["platform", "custom"]
    description: str
    source: str
    version: int
    version_id: str
    sha256: str
    symbols: list[str]
    columns: list[str]
    rows: int
    start: dt.datetime
    """Open time of the first bar."""
    end: dt.datetime
    """Open time of the last bar."""
    frequency: str
    """The bars' usual spacing: `1h`, `1d`, `5min`."""
    calendar: str | None
    periods_per_year: float
    bytes: int
    score: float
    errors: int
    warnings: int
    notes: list[str]
    """What was assumed on the way in: `times had no zone and were read as UTC`."""
    created_at: dt.datetime
    updated_at: dt.datetime


class DatasetDetail(msgspec.Struct, frozen=True):
    """A dataset with its instruments and its quality report."""

    dataset: Dataset
    instruments: list[Instrument]
    report: Report


class DatasetUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new name or description."""

    name: str | None = None
    description: str | None = None


class DatasetVersion(msgspec.Struct, frozen=True):
    """One immutable state of a dataset: sha256 over values and schema."""

    id: str
    dataset_id: str
    number: int
    sha256: str
    symbols: list[str]
    rows: int
    start: dt.datetime
    end: dt.datetime
    created_at: dt.datetime


class ColumnStatistics(msgspec.Struct, frozen=True):
    """One column over all bars of a symbol. A time is in milliseconds since 1970 UTC."""

    name: str
    kind: str
    empty: int
    minimum: float | None
    maximum: float | None
    mean: float | None


class Series(msgspec.Struct, frozen=True):
    """Bars for a chart, at most the number asked for: where there are more, several become one.

    `time` is each bar's open in milliseconds since 1970 UTC. `merged` bars stand in each point.
    """

    symbol: str
    merged: int
    time: list[int]
    open: list[float | None]
    high: list[float | None]
    low: list[float | None]
    close: list[float | None]
    volume: list[float | None]


class Preview(msgspec.Struct, frozen=True):
    """A page of rows, statistics per column, and a windowed chart series."""

    symbol: str
    total_rows: int
    offset: int
    columns: list[str]
    rows: list[list[str | float | None]]
    statistics: list[ColumnStatistics]
    series: Series
