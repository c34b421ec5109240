"""Bars on their way from a file into the store."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .checks import Tally


@dataclass
class RawBars:
    """Bars as a file has them: columns of equal length, in the file's order.

    `time` in nanoseconds since 1970 UTC; `code` numbers each row's symbol in `symbols`; `values`
    are float64, NaN where empty; `rows` are the file's row numbers.
    """

    time: np.ndarray
    code: np.ndarray
    symbols: list[str]
    values: dict[str, np.ndarray]
    rows: np.ndarray
    total_rows: int
    tally: Tally = field(default_factory=Tally)
    notes: list[str] = field(default_factory=list)
    adjusted: bool = False
    """Prices are adjusted for splits and dividends."""
    unequal_repeats: int = 0
