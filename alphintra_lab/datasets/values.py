"""A file's column, text or typed, to numbers or times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from ..errors import Invalid
from .times import EMPTY, MISSING, NO_ZONE, Times, epoch_to_nanoseconds, parse_times

# The stubs know only some of the argument types that these take.
pc: Any = pyarrow.compute
Column = Any

NUMBER = r"^(?:\d+\.?\d*|\.\d+|-\d+\.?\d*|-\.\d+)(?:[eE][+-]?\d+)?$|^-?(?i:inf(?:inity)?)$"


def to_numbers(column: Column, comma: bool) -> tuple[np.ndarray, np.ndarray]:
    """Float64, NaN where empty, and the positions of what is not a number."""
    nothing = np.empty(0, dtype=np.int64)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        if number or pa.types.is_decimal(column.type):
            cast = column.cast("float64", safe=False)
            return cast.to_numpy(zero_copy_only=False), nothing
        return np.full(len(column), np.nan), np.arange(len(column))
    text = pc.utf8_trim_whitespace(column)
    if comma:
        text = pc.replace_substring(text, ",", ".")
    text = pc.replace_substring_regex(text, r"^\+", "")
    empty = pc.is_in(pc.utf8_lower(text), value_set=EMPTY)
    sound = pc.match_substring_regex(text, NUMBER)
    bad = pc.and_(pc.invert(empty), pc.invert(sound)).fill_null(False)
    numbers = pc.if_else(sound, text, None).cast("float64")
    return numbers.to_numpy(zero_copy_only=False), np.flatnonzero(bad.to_numpy(False))


def to_times(column: Column, day_first: bool | None) -> Times:
    """A column's times, and what was assumed."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zone = getattr(kind, "tz", None)
        try:
            time = column.cast(pa.timestamp("ns", zone)).cast("int64")
        except pa.ArrowInvalid:
            raise Invalid("A time lies before 1678 or after 2262.", field="file") from None
        return Times(time.fill_null(MISSING).to_numpy(), [] if zone else [NO_ZONE])
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        known = column.is_valid().to_numpy()
        numbers = column.fill_null(0).to_numpy()
        if known.any() and np.abs(numbers[known]).min() < 10**8:
            row = int(np.flatnonzero(known & (np.abs(numbers) < 10**8))[0])
            raise Invalid(
                f"time at row {row} is {numbers[row]}: too small for seconds since 1970.",
                field="file",
            )
        time = epoch_to_nanoseconds(numbers.astype(np.int64), known)
        return Times(time, ["times were read as numbers since 1970 UTC"])
    return parse_times(column.cast("string"), day_first)
